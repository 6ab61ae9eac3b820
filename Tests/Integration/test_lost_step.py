"""A reply that its request cannot get says that replies and requests are out of step: the server
connection ends, and whoever waits on it gets an error instead of somebody else's answer."""

import time

import pytest

from fakes import echo
from memcached import Line, MemcachedServer
from resp import Client, bulk
from two_servers import INVALID

pytestmark = pytest.mark.beyond
ERROR = b"SERVER_ERROR Invalid argument\r\n"
LOG = "sent what is no reply to what it was asked: the connection ends, and all requests on it fail"


def block(key, value=b"secret"):
    return b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(value), value)


def lie_once(answer, honest=b"END\r\n"):
    """A server whose first connection says that to its first request, or a part of one."""

    def script(connection):
        while connection.socket.recv(65536):
            connection.send(answer if connection.index == 0 else honest)

    return script


def is_logged(proxy):
    """The line is written by another thread than the reply."""
    end = time.monotonic() + 5
    while LOG not in proxy.log() and time.monotonic() < end:
        time.sleep(0.01)
    return LOG in proxy.log()


def count_of(proxy, name):
    with Line(proxy.port) as line:
        line.send(b"stats\r\n")
        reply = line.read_until(b"END\r\n").decode()
    return int(reply.split(f"STAT {name} ")[1].split()[0])


WRONG = [
    (b"get a\r\n", block(b"b") + b"END\r\n"),
    (b"get a\r\n", block(b"a") * 2 + b"END\r\n"),
    (b"get a\r\n", block(b"aa") + b"END\r\n"),
    (b"gets a\r\n", block(b"b") + b"END\r\n"),
    (b"gat 0 a\r\n", block(b"0") + b"END\r\n"),
    (b"get a b\r\n", block(b"c") + b"END\r\n"),
    (b"get a b\r\n", block(b"b") + block(b"a") + b"END\r\n"),
    (b"get a b\r\n", block(b"a") + block(b"b") + block(b"b") + b"END\r\n"),
    (b"get aa bb\r\n", block(b"a") + b"END\r\n"),
    (b"gats 0 a b\r\n", block(b"0") + b"END\r\n"),
    (b"get a\r\n", b"STORED\r\n"),
    (b"get a\r\n", b"5\r\n"),
    (b"get a\r\n", b"ERROR\r\n"),
    (b"get a b\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"get a b\r\n", block(b"a") + b"CLIENT_ERROR bad command line format\r\n"),
    (b"set a 0 0 1\r\nx\r\n", block(b"a") + b"END\r\n"),
    (b"set a 0 0 1\r\nx\r\n", b"ERROR\r\n"),
    (b"set a 0 0 1\r\nx\r\n", b"NOT_STORED\r\n"),
    (b"add a 0 0 1\r\nx\r\n", b"EXISTS\r\n"),
    (b"delete a\r\n", b"7\r\n"),
    (b"incr a 1\r\n", b"STORED\r\n"),
    (b"incr a 1\r\n", b"CLIENT_ERROR line too long\r\n"),
    (b"touch a 0\r\n", b"DELETED\r\n"),
    (b"mg a v\r\n", block(b"a") + b"END\r\n"),
    (b"md a\r\n", b"VA 1\r\nx\r\n"),
    (b"version\r\n", b"OK\r\n"),
    (b"mg a v q\r\n", b"MN\r\nMN\r\nMN\r\n"),
]


@pytest.mark.parametrize("request_, answer", WRONG)
@pytest.mark.parametrize("is_cut", [False, True])
def test_memcached(request_, answer, is_cut, start_proxy, start_fake):
    def script(connection):
        assert connection.socket.recv(65536)
        if connection.index == 0:
            # The second request is on its way too.
            time.sleep(0.05)
            connection.send_split(answer) if is_cut else connection.send(answer)
        else:
            connection.send(b"END\r\n")
        connection.wait_for_close()

    fake = start_fake(script)
    proxy = start_proxy([fake.port], redis="false")
    with Line(proxy.port) as line, Line(proxy.port) as other:
        line.send(request_)
        time.sleep(0.02)
        other.send(b"get victim\r\n")
        if not (b" q" in request_):
            assert line.read_until(b"\r\n") == ERROR
        assert other.read_until(b"\r\n") == ERROR
        assert fake.wait_ended(0)
        other.send(b"get victim\r\n")
        assert other.read_until(b"\r\n") == b"END\r\n"
    assert is_logged(proxy)
    assert count_of(proxy, "server_steps_lost") == 1


RIGHT = [
    (b"get a\r\n", b"SERVER_ERROR out of memory writing get response\r\n"),
    (b"get a b\r\n", block(b"a") + b"SERVER_ERROR out of memory writing get response\r\n"),
    (b"get a b a\r\n", block(b"a") * 2 + b"END\r\n"),
    (b"get a  bb \r\n", block(b"bb") + b"END\r\n"),
    (b"set a 0 0 1\r\nx\r\n", b"SERVER_ERROR object too large for cache\r\n"),
    (b"set a 0 0 1\r\nx\r\n", b"SERVER_ERROR out of memory storing object\r\n"),
    (b"set a 0 0 1\r\nx\r\n", b"CLIENT_ERROR bad data chunk\r\n"),
    (b"incr a 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
    (b"incr a 1\r\n", b"12  \r\n"),
    (b"flush_all\r\n", b"CLIENT_ERROR flush_all not allowed\r\n"),
    (b"ms a 1 S\r\nx\r\n", b"CLIENT_ERROR invalid flag\r\n"),
    # Up to memcached 1.6.11.
    (b"mg a t\r\n", b"OK t-1\r\n"),
    (b"delete a\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
]


@pytest.mark.parametrize("request_, answer", RIGHT)
@pytest.mark.parametrize("is_cut", [False, True])
def test_what_memcached_may_say_is_passed(request_, answer, is_cut, start_proxy, start_fake):
    def script(connection):
        while connection.socket.recv(65536):
            connection.send_split(answer) if is_cut else connection.send(answer)

    fake = start_fake(script)
    proxy = start_proxy([fake.port], redis="false")
    with Line(proxy.port) as line:
        for _ in range(2):
            line.send(request_)
            assert line.read(len(answer)) == answer
    assert len(fake.connections) == 1


def test_a_line_without_end_in_a_reply(start_proxy, start_fake):
    """Nothing is kept of it but some bytes."""
    fake = start_fake(lie_once(b"SERVER_ERROR " + b"x" * 100_000))
    proxy = start_proxy([fake.port], redis="false")
    with Line(proxy.port) as line:
        line.send(b"get a\r\n")
        assert line.read_until(b"\r\n") == ERROR
        assert fake.wait_ended(0)


def test_keys_of_many_gets_on_one_connection(start_proxy):
    """Values, misses and long lists of keys in one pipeline, and clients that leave in between."""
    server = MemcachedServer()
    try:
        proxy = start_proxy([server.port], redis="false")
        keys = [b"%s%d" % (b"k" * (number % 200), number) for number in range(2000)]
        with Line(proxy.port) as line:
            for key in keys[::3]:
                line.send(b"set %s 0 0 1 noreply\r\nx\r\n" % key)
            for turn in range(10):
                parts = [keys[n : n + 1 + turn * 7] for n in range(0, len(keys), 1 + turn * 7)]
                with Line(proxy.port) as leaving:
                    leaving.send(b"".join(b"get %s\r\n" % b" ".join(part) for part in parts))
                line.send(b"".join(b"get %s\r\n" % b" ".join(part) for part in parts))
                stored = set(keys[::3])
                expected = b"".join(
                    b"".join(block(key, b"x") for key in part if key in stored) + b"END\r\n"
                    for part in parts
                )
                assert line.read(len(expected)) == expected
        assert count_of(proxy, "server_steps_lost") == 0
    finally:
        server.stop()


@pytest.mark.parametrize(
    "request_, answer",
    [
        (("MGET", "a", "b"), bulk(b"x")),
        (("DEL", "a", "b"), b"+OK\r\n"),
        (("MSET", "a", "1"), b":1\r\n"),
        (("EXISTS", "a"), b"*1\r\n:1\r\n"),
        (("GET", "a"), b"_\r\n"),
        (("GET", "a"), b"%1\r\n+a\r\n:1\r\n"),
        (("LRANGE", "a", 0, 1), b"*1\r\n#t\r\n"),
        (("GET", "a"), b">2\r\n+invalidate\r\n*0\r\n" + bulk(b"x")),
        # Three replies to two requests: those two cannot be told, but that is the end.
        (("GET", "a"), b""),
    ],
)
def test_redis(request_, answer, start_proxy, start_fake):
    def script(connection):
        if connection.index > 0:
            return echo(connection)
        connection.request()
        connection.request()
        connection.send(answer or bulk(b"a") + bulk(b"b") + bulk(b"c"))
        connection.wait_for_close()

    fake = start_fake(script)
    proxy = start_proxy([fake.port])
    with Client(proxy.port) as client, Client(proxy.port) as other:
        client.send(*request_)
        time.sleep(0.02)
        other.send("GET", "b")
        expected = [INVALID, INVALID] if answer else [b"a", b"b"]
        assert [client.reply(), other.reply()] == expected
        assert fake.wait_ended(0)
        assert other.call("GET", "c") == b"c"
        assert client.call("GET", "d") == b"d"
    assert is_logged(proxy)
