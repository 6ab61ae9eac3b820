"""Programs and libraries which people really use, with their default settings."""

import re
import subprocess

import pytest
import redis

from ports import HOST
from proxy import IS_NUTCRACKER
from shards import index_of

BENCHMARKS = "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset"

# nutcracker closes at CLIENT SETINFO, the first command of redis-py: leave it out there.
SETTINGS = {"lib_name": None, "lib_version": None} if IS_NUTCRACKER else {}


@pytest.fixture
def library(proxy):
    with redis.Redis(host=HOST, port=proxy.port, **SETTINGS) as library:
        yield library


def test_redis_py_by_default(library):
    assert library.ping() is True
    assert library.set("k", "v", ex=100) is True
    assert library.get("k") == b"v"
    assert 90 < library.ttl("k") <= 100
    assert library.get("none") is None
    assert library.incrby("n", 5) == 5
    assert library.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert library.hgetall("h") == {b"a": b"1", b"b": b"2"}
    assert library.zadd("z", {"one": 1, "two": 2}) == 2
    assert library.zrange("z", 0, -1, withscores=True) == [(b"one", 1.0), (b"two", 2.0)]
    assert library.sadd("s", *range(100)) == 100
    assert library.smembers("s") == {b"%d" % number for number in range(100)}
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        library.incr("h")
    assert library.get("k") == b"v"


def test_redis_py_mset_mget_and_delete(library, shards):
    values = {f"many:{number}": f"{number}".encode() for number in range(1000)}
    assert library.mset(values) is True
    assert library.mget(list(values)) == list(values.values())
    assert library.touch(*values) == 1000
    assert library.delete(*values) == 1000
    assert library.mget("many:1", "many:2") == [None, None]
    assert all(shard.call("DBSIZE") == 0 for shard in shards)


def test_redis_py_pipeline(library):
    with library.pipeline(transaction=False) as pipeline:
        for number in range(2000):
            pipeline.set(f"p:{number}", number).get(f"p:{number}")
        replies = pipeline.execute()
    assert replies[0::2] == [True] * 2000
    assert replies[1::2] == [b"%d" % number for number in range(2000)]


def test_redis_py_pipeline_with_an_error_inside(library):
    with library.pipeline(transaction=False) as pipeline:
        replies = pipeline.set("k", "text").incr("k").get("k").execute(raise_on_error=False)
    assert replies[0] is True and replies[2] == b"text"
    assert isinstance(replies[1], redis.ResponseError)


def test_redis_py_connection_pool(proxy, shards):
    pool = redis.ConnectionPool(host=HOST, port=proxy.port, max_connections=20, **SETTINGS)
    libraries = [redis.Redis(connection_pool=pool) for _ in range(20)]
    for number in range(400):
        library = libraries[number % len(libraries)]
        assert library.set(f"pool:{number}", number) is True
        assert library.get(f"pool:{number}") == b"%d" % number
    connections = [pool.get_connection() for _ in range(20)]
    for number, connection in enumerate(connections):
        connection.send_command("GET", f"pool:{number}")
    for number, connection in enumerate(connections):
        assert connection.read_response() == b"%d" % number
        pool.release(connection)
    pool.disconnect()


@pytest.mark.beyond
def test_redis_py_with_a_client_name_and_database_0(proxy, shards):
    """CLIENT SETINFO is among the first commands; an unknown command's error does no harm."""
    with redis.Redis(host=HOST, port=proxy.port, db=0) as library:
        assert library.echo("hello") == b"hello"
        assert library.exists("a", "b", "c") == 0
        with pytest.raises(redis.ResponseError):
            library.select(3)
        assert library.ping() is True


def test_redis_py_runs_a_script(library):
    script = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])"
    assert library.eval(script, 1, "script:k", "räksmörgås") == "räksmörgås".encode()


def redis_cli(proxy, *arguments, text=None):
    """What redis-cli prints for these arguments, or for commands on its standard input."""
    command = ["redis-cli", "-h", HOST, "-p", str(proxy.port), *arguments]
    done = subprocess.run(command, input=text, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_redis_cli_one_command_at_a_time(proxy, shards):
    """The walk-through of the README, with the key seen on exactly one shard."""
    assert redis_cli(proxy, "set", "k", "v") == b"OK\n"
    assert redis_cli(proxy, "get", "k") == b"v\n"
    assert redis_cli(proxy, "mset", "a", "1", "b", "2", "c", "3") == b"OK\n"
    assert redis_cli(proxy, "mget", "c", "b", "a", "none") == b"3\n2\n1\n\n"
    found = [shard.call("EXISTS", "k") for shard in shards]
    assert found == [int(index == index_of("k", 8)) for index in range(8)]


def test_redis_cli_from_a_script(proxy, shards):
    lines = b"".join(b"SET key:%d value:%d\nGET key:%d\n" % (n, n, n) for n in range(500))
    wanted = b"".join(b"OK\nvalue:%d\n" % n for n in range(500))
    assert redis_cli(proxy, text=lines) == wanted


@pytest.mark.beyond
def test_redis_cli_goes_on_after_an_unknown_command(proxy, shards):
    printed = redis_cli(proxy, text=b"SET k 1\nNONSENSE a\nGET k\nECHO hi\n")
    assert re.fullmatch(rb"OK\nERR unknown command 'NONSENSE'.*\n\n1\nhi\n", printed), printed


@pytest.mark.beyond
def test_redis_cli_mass_insertion(proxy, shards):
    """`--pipe` ends with ECHO and waits for its reply."""
    lines = b"".join(b"SET mass:%d %d\r\n" % (n, n) for n in range(20_000))
    assert b"errors: 0, replies: 20000" in redis_cli(proxy, "--pipe", text=lines)
    assert sum(shard.call("DBSIZE") for shard in shards) == 20_000


@pytest.mark.parametrize("options", ["-c 50", "-c 50 -P 16 -r 1000"])
def test_redis_benchmark_runs_clean(proxy, shards, options):
    command = ["redis-benchmark", "-h", HOST, "-p", str(proxy.port), "-t", BENCHMARKS]
    done = subprocess.run(
        command + ["-n", "2000", "-q", *options.split()], capture_output=True, timeout=50, text=True
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert "rror" not in printed.replace("Could not fetch server CONFIG", ""), printed
    finished = re.findall(r"([A-Z]+)[^\r\n]*: [0-9.]+ requests per second", printed)
    # LRANGE is run with four lengths, after an LPUSH of its own.
    assert {name.lower() for name in finished} == set(BENCHMARKS.split(",")), printed
    assert len(finished) == 18, printed
