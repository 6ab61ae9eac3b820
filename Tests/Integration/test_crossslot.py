"""Commands that cannot be split go through with keys on one shard, and are refused with two."""

import re

import pytest

from resp import Error
from shards import hashed_part, index_of, key_on

REFUSAL = Error("CROSSSLOT Keys in request don't hash to the same slot")
SCRIPT = "redis.call('SET', KEYS[1], 'x') return redis.call('SET', KEYS[2], 'x')"

# {a} and {b} stand for two sets, {c} for a key that does not exist, {list a} for a list, and so on.
COMMANDS = [
    "SDIFF {a} {b}", "SINTER {a} {b}", "SUNION {a} {b}",
    "SDIFFSTORE {c} {a} {b}", "SINTERSTORE {c} {a} {b}", "SUNIONSTORE {c} {a} {b}",
    "SUNIONSTORE {b} {a}", "SINTERCARD 2 {a} {b}", "SMOVE {a} {b} one",
    "RENAME {a} {b}", "RENAMENX {a} {c}", "COPY {a} {c}", "MSETNX {c} 1 {a} 2",
    "PFCOUNT {hll a} {hll b}", "PFMERGE {c} {hll a} {hll b}",
    "RPOPLPUSH {list a} {list b}", "LMOVE {list a} {list b} LEFT RIGHT",
    "ZUNION 2 {zset a} {zset b}", "ZINTER 2 {zset a} {zset b}", "ZDIFF 2 {zset a} {zset b}",
    "ZUNIONSTORE {c} 2 {zset a} {zset b}", "ZINTERSTORE {c} 1 {zset a}",
    "ZRANGESTORE {c} {zset a} 0 -1", "GEOSEARCHSTORE {c} {geo a} FROMLONLAT 13 52 BYRADIUS 9 km",
    "BITOP AND {c} {string a} {string b}", "LCS {string a} {string b}",
    "EVAL SCRIPT 2 {c} {string a}",
]
# Those which nutcracker knows and forwards, so that they work there when the keys share a shard.
UNKNOWN_TO_NUTCRACKER = {"SINTERCARD", "RENAME", "RENAMENX", "MSETNX", "BITOP", "LCS",
                         "ZUNION", "ZINTER", "ZDIFF"}


def command(template, keys):
    """The arguments: keys filled in, the script for its name."""
    words = re.sub(r"\{(\w+) (\w)\}", r"{\1:\2}", template).split()
    arguments = []
    for word in words:
        if word.startswith("{"):
            kind, _, letter = word[1:-1].rpartition(":")
            arguments.append(f"{kind or 'set'}:{keys[letter]}")
        else:
            arguments.append(SCRIPT if word == "SCRIPT" else word)
    return arguments


def prepare(shards, keys):
    """Fills the keys named a and b with all types, directly on their shards."""
    for number, name in enumerate((keys["a"], keys["b"])):
        for request in (
            ["SADD", f"set:{name}", "one", f"own{number}", "all"],
            ["PFADD", f"hll:{name}", "one", f"own{number}"],
            ["RPUSH", f"list:{name}", "one", f"own{number}"],
            ["ZADD", f"zset:{name}", "1", "one", "2", f"own{number}"],
            ["GEOADD", f"geo:{name}", "13", "52", "one"],
            ["SET", f"string:{name}", f"same{number}"],
        ):
            shard = shards[index_of(request[1], len(shards))]
            assert not isinstance(shard.call(*request), Error)


def digests(shards):
    return [shard.call("DEBUG", "DIGEST") for shard in shards]


def tag(index, shards):
    """A hash tag whose keys live on that shard."""
    return "{" + key_on(index, len(shards), "tag") + "}"


@pytest.mark.beyond
@pytest.mark.parametrize("template", COMMANDS)
def test_keys_on_two_shards_are_refused(client, shards, template):
    keys = {"a": tag(2, shards) + "a", "b": tag(5, shards) + "b", "c": tag(5, shards) + "c"}
    prepare(shards, keys)
    before = digests(shards)
    request = command(template, keys)
    assert client.pipeline([("PING",), request, ("PING",)]) == ["PONG", REFUSAL, "PONG"]
    assert digests(shards) == before, "something was executed"


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(t, marks=pytest.mark.beyond) if t.split()[0] in UNKNOWN_TO_NUTCRACKER else t
        for t in COMMANDS
    ],
)
def test_keys_on_one_shard_go_through(client, shards, redis_alone, template):
    keys = {name: tag(4, shards) + name for name in "abc"}
    prepare(shards, keys)
    prepare([redis_alone], keys)
    request = command(template, keys)
    got, wanted = client.call(*request), redis_alone.call(*request)
    assert not isinstance(wanted, Error), "a test that would compare two errors"
    if request[0] in ("SDIFF", "SINTER", "SUNION"):
        got, wanted = sorted(got), sorted(wanted)
    assert got == wanted
    assert shards[4].call("DEBUG", "DIGEST") == redis_alone.call("DEBUG", "DIGEST")


@pytest.fixture(scope="module")
def redis_alone_server(redis_factory):
    return redis_factory(1)[0]


@pytest.fixture
def redis_alone(redis_alone_server):
    """A redis-server of its own, which says what the right answer is."""
    assert redis_alone_server.call("FLUSHALL") == "OK"
    return redis_alone_server


@pytest.mark.beyond
def test_refused_command_between_others_in_a_pipeline(client, shards):
    left, right = key_on(0, len(shards)), key_on(7, len(shards))
    assert hashed_part(left.encode()) == left.encode()
    requests = [("SADD", left, "1"), ("SUNIONSTORE", left, right), ("SMEMBERS", left)]
    assert client.pipeline(requests) == [1, REFUSAL, [b"1"]]
