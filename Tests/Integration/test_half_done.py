"""What only makes sense behind a request that was refused is not executed either.

A client may send more before it reads that something was refused: MULTI and what it holds, SELECT
of another database and writes for it. Done as if it had worked, that would be half of a whole.
"""

import pytest
import redis

from launch import AnyClient, Program, pool
from ports import HOST, free_port
from resp import Closed, Error, encode
from shards import index_of, key_on

pytestmark = pytest.mark.beyond

ABORTED = Error("EXECABORT Transaction discarded because of previous errors.")
HELD_BACK = "ERR not executed, as MULTI was refused"
OTHER_DATABASE = "ERR not executed, as SELECT of another database was refused"


def inline(*words):
    return b" ".join(str(word).encode() for word in words) + b"\r\n"


def lower(*words):
    return encode(str(words[0]).lower(), *words[1:])


def upper(*words):
    return encode(str(words[0]).upper(), *words[1:])


FORMS = pytest.mark.parametrize("form", [upper, lower, inline])


def ask(client, form, *lines):
    client.write(b"".join(form(*line.split()) for line in lines))
    return client.replies(len(lines))


def is_empty(shards):
    return all(shard.call("DBSIZE") == 0 for shard in shards)


# Transactions


@FORMS
def test_nothing_of_a_refused_transaction_is_executed(client, shards, form):
    """A job would be enqueued twice: now, and again by the client that reads of the failure."""
    lines = ["MULTI", "LPUSH queue job", "INCR n", "MSET a 1 b 2 c 3", "EXEC", "PING"]
    got = ask(client, form, *lines)
    name = "multi" if form is lower else "MULTI"
    assert got[0].text.startswith(f"ERR unknown command '{name}', with args beginning with: ")
    assert [reply.text[:len(HELD_BACK)] for reply in got[1:4]] == [HELD_BACK] * 3
    assert got[4:] == [ABORTED, "PONG"]
    assert is_empty(shards)
    # It is over: what comes now is executed.
    assert ask(client, form, "SET k v", "GET k") == ["OK", b"v"]


@FORMS
def test_discard_ends_a_refused_transaction(client, shards, form):
    got = ask(client, form, "MULTI", "SET k v", "DISCARD", "SET k w", "GET k")
    assert [type(reply) for reply in got[:2]] == [Error, Error]
    assert got[2:] == ["OK", "OK", b"w"]


def test_one_request_at_a_time_is_the_same(client, shards):
    assert isinstance(client.call("MULTI"), Error)
    assert client.call("SET", "k", "v").text.startswith(HELD_BACK)
    assert client.call("EXEC") == ABORTED
    assert client.call("GET", "k") is None


def test_what_redis_does_at_once_inside_a_transaction(client, shards):
    """All else would be queued there, PING and AUTH and SELECT too, and so is not done."""
    queued = [("PING",), ("ECHO", "x"), ("SELECT", "0"), ("SELECT", "5"), ("AUTH", "x"), ("TIME",)]
    queued += [("GET", "k"), ("UNWATCH",), ("SUBSCRIBE", "c"), ("CLIENT", "REPLY", "OFF")]
    queued += [("NONSENSE",), ("GET",)]
    got = client.pipeline([("MULTI",), *queued])
    assert all(reply.text.startswith(HELD_BACK) for reply in got[1:]), got
    assert client.pipeline([("MULTI",), ("WATCH", "k"), ("DISCARD", "x")]) == [
        Error("ERR MULTI calls can not be nested"), Error("ERR WATCH inside MULTI is not allowed"),
        Error("ERR not executed, as MULTI was refused: no transactions through the proxy")]
    assert client.pipeline([("RESET",), ("SET", "k", "v"), ("EXEC",), ("DISCARD",)]) == [
        "RESET", "OK", Error("ERR EXEC without MULTI"), Error("ERR DISCARD without MULTI")]
    assert client.pipeline([("MULTI",), ("QUIT",)])[1] == "OK"
    assert client.rest() == b""


def test_exec_with_arguments_ends_it_too(client):
    """As in redis 7."""
    got = client.pipeline([("MULTI",), ("SET", "k", "v"), ("EXEC", "x"), ("GET", "k")])
    assert got[2:] == [ABORTED, None]


def test_multi_with_arguments_begins_nothing(client, shards):
    wrong = Error("ERR wrong number of arguments for 'multi' command")
    assert client.pipeline([("MULTI", "x"), ("SET", "k", "v"), ("EXEC",)]) == [
        wrong, "OK", Error("ERR EXEC without MULTI")]


def test_watch_and_what_follows(client, shards):
    """Nothing is executed as if it were watched: there is no transaction without MULTI."""
    got = client.pipeline([
        ("WATCH", "k"), ("GET", "k"), ("MULTI",), ("SET", "k", "v"), ("EXEC",), ("UNWATCH",)])
    assert got[0].text.startswith("ERR unknown command 'WATCH'") and got[1] is None
    assert got[4] == ABORTED and isinstance(got[5], Error)
    assert is_empty(shards)


def test_a_refused_transaction_is_its_clients_own(client, proxy, shards):
    with AnyClient(proxy.port) as other:
        assert isinstance(client.call("MULTI"), Error)
        assert other.pipeline([("SET", "k", "v"), ("EXEC",)]) == [
            "OK", Error("ERR EXEC without MULTI")]
        assert client.call("EXEC") == ABORTED


def test_redis_py_transaction(proxy, shards):
    """It sends MULTI, the commands and EXEC at once, and raises what MULTI got."""
    with redis.Redis(host=HOST, port=proxy.port) as library:
        for _ in range(2):
            with library.pipeline(transaction=True) as pipeline:
                with pytest.raises(redis.ResponseError, match="unknown command 'MULTI'"):
                    pipeline.lpush("queue", "job").incr("n").execute()
            assert library.llen("queue") == 0 and library.get("n") is None
        with pytest.raises(redis.ResponseError):
            library.transaction(lambda pipeline: pipeline.multi() or pipeline.set("k", "v"), "k")
        assert library.get("k") is None
        assert library.set("k", "after") is True


# Databases


@FORMS
def test_nothing_is_executed_after_a_refused_select(client, shards, form):
    lines = ["SELECT 5", "SET k v", "MSET a 1 b 2 c 3", "GET k", "TIME", "EVAL return 0"]
    got = ask(client, form, *lines)
    assert got[0].text.startswith("ERR SELECT of another database is not supported by the proxy")
    assert all(reply.text.startswith(OTHER_DATABASE) for reply in got[1:]), got
    assert is_empty(shards)
    assert ask(client, form, "PING", "SELECT 5", "SET k v")[0] == "PONG"
    assert ask(client, form, "SELECT 0", "SET k v", "GET k") == ["OK", "OK", b"v"]


def test_reset_leaves_the_refused_database(client, shards):
    client.pipeline([("SELECT", "5"), ("MULTI",), ("SET", "k", "v")])
    assert client.pipeline([("RESET",), ("SET", "k", "v"), ("RESET", "x")]) == [
        "RESET", "OK", Error("ERR wrong number of arguments for 'reset' command")]


@pytest.mark.parametrize("word", ["x", "", "-1", "01", "99999999999999999999"])
def test_select_of_what_is_no_database_changes_nothing(client, shards, word):
    """Redis stays where it was, in its own words."""
    wording = shards[0].call("SELECT", word)
    assert client.pipeline([("SELECT", word), ("SET", "k", "v")]) == [wording, "OK"]


def test_the_database_of_the_pool_is_the_one(start_proxy, shards):
    proxy = start_proxy([shard.port for shard in shards[:2]], redis_db=3)
    with AnyClient(proxy.port) as client:
        requests = [("SELECT", "0"), ("SET", "k", "v"), ("SELECT", "3"), ("SET", "k", "w")]
        got = client.pipeline(requests)
        assert got[0].text.endswith("it has 3 alone") and "SELECT 3" in got[1].text
        assert got[2:] == ["OK", "OK"]


def test_redis_py_with_another_database(proxy, shards):
    with redis.Redis(host=HOST, port=proxy.port, db=5) as library:
        with pytest.raises(redis.ResponseError, match="another database"):
            library.set("k", "v")
    assert is_empty(shards)


# What clients do not expect replies to


@FORMS
@pytest.mark.parametrize("mode", ["OFF", "SKIP", "off"])
def test_a_client_that_wants_no_replies_is_told_and_closed(client, shards, form, mode):
    """It would take each reply for that to a later request."""
    client.write(form("SET", "k", 1) + form("CLIENT", "REPLY", mode) + form("SET", "k", 2) * 100)
    told = b"-ERR CLIENT REPLY OFF and SKIP are not supported through the proxy\r\n"
    assert client.rest() == b"+OK\r\n" + told
    assert shards[index_of("k", 8)].call("GET", "k") == b"1"


def test_client_reply_on_and_nonsense(client):
    assert client.pipeline([("CLIENT", "REPLY", "ON"), ("CLIENT", "REPLY", "x"), ("PING",)]) == [
        "OK", Error("ERR syntax error"), "PONG"]


@pytest.mark.parametrize(
    "line",
    ["SUBSCRIBE c", "PSUBSCRIBE c*", "SSUBSCRIBE c", "UNSUBSCRIBE", "MONITOR", "ASKING", "READONLY",
     "READWRITE", "SWAPDB 0 1", "SCRIPT LOAD return", "CLIENT NO-EVICT on", "CLIENT TRACKING on",
     "CLIENT CACHING yes", "CLIENT SETNAME x", "HELLO 3 SETNAME x"])
def test_what_stands_by_itself_is_one_error(client, shards, line):
    """What follows is right without it: as after an error of redis' own."""
    key = key_on(3, 8)
    got = client.pipeline([line.split(), ("SET", key, "v"), ("GET", key)])
    assert isinstance(got[0], Error) and got[1:] == ["OK", b"v"]


# Passwords


@pytest.fixture
def secured(tmp_path, shards):
    """A proxy that wants a password, before servers that want none."""
    address = free_port()
    servers = [f"{HOST}:{shard.port}:1" for shard in shards[:2]]
    yaml = pool("pool", f"{HOST}:{address}", servers, redis_auth="secret")
    with Program(tmp_path / "secured", yaml, address) as program, AnyClient(address) as client:
        yield client
    assert "secret" not in program.log_path.read_text()


NOAUTH = Error("NOAUTH Authentication required")


@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_hello_with_a_password_authenticates_nobody(secured, password):
    """It is refused as a whole, in the words that clients look for, and without the password."""
    got = secured.pipeline([("HELLO", "3", "AUTH", "default", password), ("SET", "k", "v")])
    assert got[0].text.startswith("ERR unknown command 'HELLO', with args beginning with: '3' ")
    assert password not in got[0].text
    assert got[1] == NOAUTH
    assert secured.pipeline([("AUTH", "secret"), ("GET", "k")]) == ["OK", None]


def test_a_wrong_password_takes_the_right_one_back(secured):
    requests = [("AUTH", "secret"), ("SET", "k", "v"), ("AUTH", "x"), ("GET", "k")]
    assert secured.pipeline(requests) == ["OK", "OK", Error("ERR invalid password"), NOAUTH]


def test_reset_takes_a_password_back(secured):
    assert secured.pipeline([("AUTH", "secret"), ("RESET",), ("SET", "k", "v"), ("EXEC",)]) == [
        "OK", "RESET", NOAUTH, NOAUTH]


def test_a_transaction_does_not_begin_before_a_password(secured):
    """As in redis: MULTI itself was not understood yet."""
    got = secured.pipeline([("MULTI",), ("SET", "k", "v"), ("AUTH", "secret"), ("SET", "k", "w")])
    assert got == [NOAUTH, NOAUTH, "OK", "OK"]
    got = secured.pipeline([("MULTI",), ("AUTH", "wrong"), ("EXEC",), ("GET", "k")])
    assert got[2:] == [ABORTED, b"w"]
