"""P1: no reply reaches another client or another request, whatever a server or a client does.

Where a pool has two servers, s0 misbehaves and s1 is a real redis-server.
"""

import random
import time

import pytest

from fakes import answer, echo
from resp import Client, Error, bulk
from shards import key_on, keys_on
from two_servers import BAD, BROKEN_PIPE, ENDED, GOOD, INVALID, RESET, TIMED_OUT


def test_late_reply_after_a_timeout_reaches_nobody(start_fake, start_proxy):
    def late(connection):
        if connection.index > 0:
            return echo(connection)
        connection.request()
        time.sleep(0.5)
        connection.send(bulk(b"LATE") * 5)
        connection.wait_for_close()

    fake = start_fake(late)
    proxy = start_proxy([fake.port], timeout=150)
    with Client(proxy.port) as client, Client(proxy.port) as other:
        assert client.call("GET", "slow") == TIMED_OUT
        end = time.monotonic() + 0.8
        while time.monotonic() < end:
            assert client.call("GET", "mine") == b"mine"
            assert other.pipeline([("GET", "x"), ("GET", "y")]) == [b"x", b"y"]
    assert fake.wait_ended(0)


def connections_to(shard):
    """How many connections that redis-server has accepted since it started."""
    return int(shard.call("INFO", "stats").split(b"total_connections_received:")[1].split()[0])


@pytest.mark.parametrize(
    "extra",
    [b"+EVIL\r\n", bulk(b"EVIL") * 3, b"\r\n", b"garbage"]
    + [pytest.param(b"$5\r\nEV", marks=pytest.mark.beyond)],
)
def test_unsolicited_data_closes_that_server_connection_only(
    shards, start_fake, start_proxy, extra
):
    """The bytes go to no request, and no request fails: none was waiting."""

    def doubled(connection):
        if connection.index > 0:
            return echo(connection)
        connection.send(answer(connection.request()))
        time.sleep(0.05)
        connection.send(extra)
        connection.wait_for_close()

    fake = start_fake(doubled)
    proxy = start_proxy([fake.port, shards[0].port])
    with Client(proxy.port) as client:
        assert client.pipeline([("GET", BAD), ("SET", GOOD, "1")]) == [BAD.encode(), "OK"]
        accepted = connections_to(shards[0])
        assert fake.wait_ended(0), "the server connection stays open"
        assert client.pipeline([("GET", BAD), ("GET", GOOD)]) == [BAD.encode(), b"1"]
        assert client.is_quiet()
        assert connections_to(shards[0]) == accepted, "the good server was reconnected"
    assert len(fake.connections) == 2


def test_data_before_any_request_on_a_new_connection(start_fake, start_proxy):
    """A greeting nobody asked for is never taken for a reply of a later request."""

    def greeting(connection):
        if connection.index == 0:
            connection.send(b"+EVIL\r\n")
        echo(connection)

    proxy = start_proxy([start_fake(greeting).port], preconnect="true")
    time.sleep(0.1)
    with Client(proxy.port) as client:
        assert client.pipeline([("GET", "a"), ("GET", "b")]) == [b"a", b"b"]


REPLIES = [
    (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"), (b"$-1\r\n", None), (b"$0\r\n\r\n", b""), (b"*0\r\n", []),
    (b"*-1\r\n", None), (b"+OK\r\n", "OK"), (b":-12\r\n", -12), (b"-ERR x y\r\n", Error("ERR x y")),
    (b"*3\r\n*2\r\n:1\r\n$-1\r\n*1\r\n*0\r\n+S\r\n", [[1, None], [[]], "S"]),
]


def test_replies_split_at_every_byte(start_fake, start_proxy):
    def script(connection):
        while (arguments := connection.request()) is not None:
            connection.send_split(REPLIES[int(arguments[1])][0], pause=0.001)

    proxy = start_proxy([start_fake(script).port])
    with Client(proxy.port) as client:
        got = client.pipeline([("GET", number) for number in range(len(REPLIES))])
        assert got == [value for _, value in REPLIES]


def test_replies_of_a_pipeline_cut_at_every_byte(start_fake, start_proxy):
    """All replies in two pieces: the end of the first may be anywhere in any reply."""
    stream = b"".join(data for data, _ in REPLIES)

    def script(connection):
        for cut in range(1, len(stream)):
            for _ in REPLIES:
                connection.request()
            connection.send(stream[:cut])
            time.sleep(0.002)
            connection.send(stream[cut:])

    proxy = start_proxy([start_fake(script).port])
    with Client(proxy.port) as client:
        for cut in range(1, len(stream)):
            got = client.pipeline([("GET", "k")] * len(REPLIES))
            assert got == [value for _, value in REPLIES], f"cut at {cut}"


def test_fragment_replies_split_at_every_byte(start_fake, start_proxy):
    def script(connection):
        while (arguments := connection.request()) is not None:
            connection.send_split(answer(arguments))

    proxy = start_proxy([start_fake(script).port, start_fake(script).port])
    keys = [f"split:{number}" for number in range(12)]
    with Client(proxy.port) as client:
        got = client.pipeline([("MGET", *keys), ("GET", BAD), ("MGET", *keys[::-1])])
        wanted = [key.encode() for key in keys]
        assert got == [wanted, BAD.encode(), wanted[::-1]]


def test_error_that_comes_before_the_request_is_complete(shards, start_fake, start_proxy):
    """A server that refuses a big value early: one reply, and nobody else is touched."""

    def early(connection):
        if connection.index > 0:
            return echo(connection)
        connection.socket.recv(100)
        connection.send(b"-ERR too big\r\n")
        connection.wait_for_close()

    proxy = start_proxy([start_fake(early).port, shards[0].port], timeout=2000)
    with Client(proxy.port) as client:
        requests = [("SET", BAD, b"x" * 5_000_000), ("SET", GOOD, "1"), ("GET", GOOD)]
        got = client.pipeline(requests)
        assert isinstance(got[0], Error), "the value did not arrive, yet no error"
        assert got[1:] == ["OK", b"1"]
        assert client.is_quiet()


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_client_that_leaves_before_its_reply(start_fake, start_proxy, leave):
    """Its replies are dropped, and those of others on the same server connection are their own."""

    def slow(connection):
        while (arguments := connection.request()) is not None:
            time.sleep(0.02)
            connection.send(answer(arguments))

    fake = start_fake(slow)
    proxy = start_proxy([fake.port])
    with Client(proxy.port) as stays:
        for turn in range(3):
            leaving = [Client(proxy.port) for _ in range(5)]
            stays.send("GET", f"first{turn}")
            for number, client in enumerate(leaving):
                client.write(b"".join([b"*2\r\n$3\r\nGET\r\n" + bulk(b"gone%d" % number)] * 2))
            stays.send("GET", f"last{turn}")
            time.sleep(0.03)
            for client in leaving:
                getattr(client, leave)()
            assert stays.replies(2) == [b"first%d" % turn, b"last%d" % turn]
            assert stays.call("MGET", "a", "b") == [b"a", b"b"]
    assert len(fake.connections) == 1, "a leaving client cost a server connection"


def test_client_that_leaves_in_the_middle_of_a_request(start_fake, start_proxy):
    """A half request never reaches the server connection which all share."""
    fake = start_fake(echo)
    proxy = start_proxy([fake.port])
    with Client(proxy.port) as stays:
        for size in (10, 5_000, 100_000, 2_000_000):
            with Client(proxy.port) as client:
                client.write(b"*3\r\n$3\r\nSET\r\n" + bulk(b"half") + b"$%d\r\n" % (size * 2))
                client.write(b"x" * size)
                assert stays.call("GET", "k") == b"k"
            assert stays.call("GET", "l") == b"l"
    assert {request[0] for request in fake.connections[0].requests} == {b"GET"}
    assert len(fake.connections) == 1


CHAOTIC = (ENDED, RESET, BROKEN_PIPE, INVALID, TIMED_OUT)


def test_chaos_on_one_server(shards, start_fake, start_proxy):
    """P1: late, split, broken and ended replies, 100 clients: each gets its own reply or an error.

    The good server's requests, between them on the same connections, never fail.
    """
    chance = random.Random(11)

    def chaotic(connection):
        while (arguments := connection.request()) is not None:
            what = chance.random()
            if what < 0.01:
                return connection.fin()
            if what < 0.02:
                return connection.rst()
            if what < 0.03:
                return connection.send(b"?garbage\r\n")
            if what < 0.04:
                return connection.send(b"$100\r\nshort")
            if what < 0.05:
                connection.send_split(answer(arguments))
            elif what < 0.06:
                time.sleep(0.01)
                connection.send(answer(arguments))
            else:
                connection.send(answer(arguments))

    proxy = start_proxy([start_fake(chaotic).port, shards[0].port], timeout=1000)
    clients = [Client(proxy.port) for _ in range(100)]
    own = [keys_on(0, 2, 4, f"bad{number}") for number in range(100)]
    good = [key_on(1, 2, f"good{number}") for number in range(100)]
    failed = answered = 0
    for turn in range(8):
        for number, client in enumerate(clients):
            client.send("SET", good[number], f"{turn}/{number}")
            for key in own[number]:
                client.send("GET", key)
            client.send("GET", good[number])
        for number, client in enumerate(clients):
            got = client.replies(6)
            assert (got[0], got[5]) == ("OK", f"{turn}/{number}".encode())
            for key, reply in zip(own[number], got[1:5]):
                assert reply == key.encode() or reply in CHAOTIC, f"{key} got {reply!r}"
                failed += isinstance(reply, Error)
                answered += not isinstance(reply, Error)
    assert failed > 0 and answered > 0
    for client in clients:
        client.close()
