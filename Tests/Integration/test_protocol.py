"""What a client may send besides well-formed commands of one key."""

import re

import pytest

from resp import Client, Closed, Error, encode
from shards import key_on


@pytest.fixture
def direct(shards):
    """A fresh connection to a redis-server, to compare wordings with."""
    with Client(shards[0].port) as client:
        yield client


def ask(client, data):
    """All that comes back for these bytes when the client then closes its side."""
    client.write(data)
    client.half_close()
    return client.rest()


@pytest.mark.beyond
@pytest.mark.parametrize(
    "unknown",
    [("FOO",), ("FOO", "a", "b"), ("foobar", "x" * 200), ("NOT\r\nSAFE", "y\r\nz"), ("HGETX", "k")]
    + [("",), ("F" * 300, "a" * 300)],
    ids=lambda words: words[0][:9].encode("unicode_escape").decode(),
)
def test_unknown_command_gets_an_error_and_nothing_else_suffers(client, direct, unknown):
    """P2: three replies in order, and the connection stays open."""
    wording = direct.call(*unknown)
    assert wording.text.startswith("ERR unknown command")
    wanted = ["OK", wording, b"1"]
    assert client.pipeline([("SET", "k", "1"), unknown, ("GET", "k")]) == wanted
    assert client.pipeline([unknown, unknown, ("PING",)]) == [wording, wording, "PONG"]


FORWARDED_BY_NUTCRACKER = ["SET k", "HSET k f"]
CLOSED_BY_NUTCRACKER = (
    ["GET", "SET", "MGET", "MSET", "DEL", "EXISTS", "EVAL", "EXPIRE", "GET a b", "MSET k"]
    + ["MSET k v k", "INCRBY k", "EXPIRE k", "PING a b", "ECHO", "ECHO a b", "SELECT"]
    + ["SDIFF", "RENAME a", "ZUNION", "PFCOUNT"]
)


@pytest.mark.parametrize(
    "request_line",
    FORWARDED_BY_NUTCRACKER
    + [pytest.param(line, marks=pytest.mark.beyond) for line in CLOSED_BY_NUTCRACKER],
)
def test_wrong_number_of_arguments_is_told_in_redis_words(client, direct, request_line):
    request = request_line.split()
    wording = direct.call(*request)
    assert wording.text.startswith("ERR wrong number of arguments")
    assert client.pipeline([("PING",), request, ("PING",)]) == ["PONG", wording, "PONG"]


@pytest.mark.beyond
@pytest.mark.parametrize(
    "broken",
    [
        b"*2\r\n$3\r\nGET\r\n$-1\r\n",
        b"*2\r\n$3\r\nGET\r\n$x\r\n",
        b"*2\r\n$3\r\nGET\r\n$536870913\r\n",
        b"*2\r\n$3\r\nGET\r\n$4294967297\r\n",
        b"*2\r\n$3\r\nGET\r\n:1\r\n",
        b"*1\r\n+PING\r\n",
        b"*1\r\n*1\r\n$4\r\nPING\r\n",
        b"*x\r\n",
        b"*1x\r\n",
        b"*99999999999999999999\r\n",
        b"SET k 'unbalanced\r\n",
        b'GET "k"x\r\n',
        b"x" * 65_600,
    ],
    ids=lambda data: repr(data[:28]),
)
def test_malformed_request_gets_earlier_replies_then_an_error_then_the_end(client, direct, broken):
    earlier = encode("SET", "k", "v") + encode("MGET", "k", "none") + encode("PING")
    direct.write(broken)
    wording = direct.rest()
    assert wording.startswith(b"-ERR Protocol error")
    client.write(earlier + broken)
    assert client.rest() == b"+OK\r\n*2\r\n$1\r\nv\r\n$-1\r\n+PONG\r\n" + wording


@pytest.mark.beyond
@pytest.mark.parametrize("start", [b"*1\r\n$", b"*", b"*1\r\n$4\r\nPING\r\n*"], ids=repr)
def test_endless_number_is_refused(client, start):
    """Redis reads on to 64 KiB and has words for that; sooner is better."""
    client.write(start + b"1" * 65_600)
    assert re.fullmatch(rb"(\+PONG\r\n)?-ERR Protocol error: [^\r\n]+\r\n", client.rest())


@pytest.mark.beyond
def test_malformed_request_ends_only_its_own_connection(client, proxy):
    with Client(proxy.port) as other:
        other.write(encode("GET", "k")[:-4])
        client.write(b"*1\r\n?\r\n")
        assert b"Protocol error" in client.rest()
        other.write(encode("GET", "k")[-4:])
        assert other.reply() is None


@pytest.mark.beyond
@pytest.mark.parametrize(
    "line, reply",
    [
        (b"PING\r\n", b"+PONG\r\n"),
        (b"ping\n", b"+PONG\r\n"),
        (b"  PING  \r\n", b"+PONG\r\n"),
        (b"SET k v\r\nGET k\r\n", b"+OK\r\n$1\r\nv\r\n"),
        (b'SET k "a b\\r\\n\\x00"\r\nGET k\r\n', b"+OK\r\n$6\r\na b\r\n\0\r\n"),
        (b"SET 'k k' ''\r\nSTRLEN 'k k'\r\n", b"+OK\r\n:0\r\n"),
        (b"MSET a 1 b 2 c 3 d 4\r\nMGET d c b a\r\n",
         b"+OK\r\n*4\r\n$1\r\n4\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
        (b"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", b"+PONG\r\n" * 3),
        (b"\r\n\r\nPING\r\n", b"+PONG\r\n"),
    ],
    ids=repr,
)
def test_inline_commands(client, line, reply):
    assert ask(client, line) == reply


@pytest.mark.beyond
@pytest.mark.parametrize("nothing", [b"*0\r\n", b"*-1\r\n", b"\r\n"], ids=repr)
def test_empty_requests_are_passed_over(client, nothing):
    client.write(nothing + encode("PING") + nothing)
    assert client.reply() == "PONG"
    assert client.is_quiet()


@pytest.mark.beyond
def test_inline_command_cut_at_every_byte(client):
    line = b"SET inline 'a b'\r\nGET inline\r\n"
    for cut in range(1, len(line)):
        client.write(line[:cut])
        client.write(line[cut:])
        assert client.replies(2) == ["OK", b"a b"], cut


@pytest.mark.beyond
@pytest.mark.parametrize("goodbye", [encode("QUIT"), encode("quit"), b"QUIT\r\n"], ids=repr)
def test_quit_says_ok_and_closes(client, goodbye):
    client.write(goodbye)
    assert client.rest() == b"+OK\r\n"


@pytest.mark.beyond
def test_quit_lets_earlier_requests_finish_and_later_ones_not_start(client, shards):
    later = key_on(2, len(shards), "later")
    client.write(encode("SET", "k", "v") + encode("GET", "k") + encode("QUIT")
                 + encode("SET", later, "v"))
    assert client.rest() == b"+OK\r\n$1\r\nv\r\n+OK\r\n"
    assert shards[2].call("EXISTS", later) == 0


def test_half_closed_client_gets_all_its_replies(client):
    requests = [encode("SET", f"h:{n}", "v" * 3000) for n in range(200)]
    requests += [encode("GET", f"h:{n}") for n in range(200)] + [encode("MGET", "h:0", "no")]
    wanted = b"+OK\r\n" * 200 + (b"$3000\r\n" + b"v" * 3000 + b"\r\n") * 200
    wanted += b"*2\r\n$3000\r\n" + b"v" * 3000 + b"\r\n$-1\r\n"
    assert ask(client, b"".join(requests)) == wanted


def test_half_closed_client_with_an_unfinished_request(client):
    assert ask(client, encode("PING") + encode("SET", "k", "v")[:-3]) == b"+PONG\r\n"


def test_client_that_says_nothing_and_leaves(client):
    assert ask(client, b"") == b""


@pytest.mark.beyond
def test_echo_and_ping_with_a_message(client):
    message = b"\r\n\0" + b"m" * 20_000
    got = client.pipeline([("ECHO", message), ("PING", "hello"), ("echo", ""), ("PING", message)])
    assert got == [message, b"hello", b"", message]


@pytest.mark.beyond
def test_select_of_the_pools_database_only(client):
    got = client.pipeline([("SELECT", "0"), ("SELECT", "1"), ("SELECT", "x"), ("PING",)])
    assert got[0] == "OK"
    assert isinstance(got[1], Error) and isinstance(got[2], Error)
    assert got[3] == "PONG"
    assert client.is_quiet(), "the connection did not stay open"


def test_command_lists_the_commands(client):
    commands = client.call("COMMAND")
    assert len(commands) > 200
    assert b"mget" in {command[0] for command in commands}


@pytest.mark.beyond
def test_command_docs_as_redis_cli_asks(client):
    assert isinstance(client.call("COMMAND", "DOCS"), list)
    assert client.call("PING") == "PONG"


@pytest.mark.beyond
@pytest.mark.parametrize("line", ["SUBSCRIBE c", "MONITOR", "SHUTDOWN", "FLUSHALL"])
def test_commands_that_a_proxy_must_not_forward(client, shards, line):
    """They would change a shared server connection, or one shard for all."""
    for index, shard in enumerate(shards):
        assert shard.call("SET", key_on(index, len(shards)), "kept") == "OK"
    got = client.pipeline([line.split(), ("PING",)])
    assert isinstance(got[0], Error)
    assert got[1] == "PONG"
    assert [shard.call("DBSIZE") for shard in shards] == [1] * len(shards)


def test_closed_is_seen_as_closed(client):
    """The client of these tests notices a missing reply instead of waiting for it."""
    client.half_close()
    with pytest.raises(Closed):
        client.reply()
