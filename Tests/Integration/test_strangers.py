"""Whoever speaks another protocol: nothing of it is executed, the connection ends, one line says why.

Browsers and proxies that were sent to the wrong port, and those that somebody makes send what looks
like requests (cross-protocol scripting, request forgery through gopher:// and dict://).
"""

import re
import socket
import time

import pytest

from launch import AnyClient, Program, connect, pool, wait_until
from memcached import MemcachedServer
from ports import HOST, free_port
from resp import Client, encode

pytestmark = pytest.mark.beyond

TLS = bytes.fromhex("1603010200010001fc0303") + bytes(range(256)) * 2
TLS_WITH_LINES = bytes.fromhex("160301") + b"\r\nSET written by-tls\r\n"
PROXY_1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 6379\r\n"
PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n" + bytes.fromhex("2111000c") + b"\xc0\0\2\1\xc0\0\2\2\xdc\4\x18\xeb"
SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"

# Of any port: what it is, what it says, and what the log calls it.
ANYWHERE = {
    "tls": (TLS, "a TLS handshake, on a port without TLS"),
    "tls-with-lines": (TLS_WITH_LINES, "a TLS handshake, on a port without TLS"),
    "proxy-1": (PROXY_1, "the PROXY protocol"),
    "proxy-1-unknown": (b"PROXY UNKNOWN\r\n", "the PROXY protocol"),
    "proxy-2": (PROXY_2, "the PROXY protocol"),
    "ssh": (SSH, "spoke SSH"),
}
HTTP = {
    "post": b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 22\r\n\r\n",
    "post-lower": b"post / HTTP/1.1\r\n",
    "post-bare": b"POST\r\n",
    "post-quoted": b'"\\x50OST" a b\r\n',
    "post-zero": b'"POST\\x00x"\r\n',
    "post-multibulk": b"*1\r\n$4\r\nPoSt\r\n",
    "post-multibulk-more": b"*3\r\n$4\r\nPOST\r\n$1\r\n/\r\n$8\r\nHTTP/1.1\r\n",
    "host": b"Host: a.example:6379\r\n",
    "host-bare": b"hOST:\r\n",
    "host-multibulk": b"*1\r\n$5\r\nhost:\r\n",
    "get": b"GET / HTTP/1.1\r\n",
    "get-1.0": b"GET /index.html HTTP/1.0\r\n",
    "get-with-blanks": b"GET /a b c HTTP/1.1\r\n",
    "head": b"HEAD / HTTP/1.1\r\n",
    "put": b"PUT /set/a/b HTTP/1.1\r\n",
    "delete": b"DELETE / HTTP/1.1\r\n",
    "options": b"OPTIONS * HTTP/1.1\r\n",
    "connect": b"CONNECT a:443 HTTP/1.1\r\n",
    "trace": b"TRACE / HTTP/1.1\r\n",
    "patch": b"PATCH / HTTP/1.1\r\n",
    "propfind": b"PROPFIND / HTTP/1.1\r\n",
    "move": b"MOVE /a HTTP/1.1\r\n",
    "websocket": b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "rtsp": b"DESCRIBE rtsp://a/b RTSP/1.0\r\n",
    "sip": b"OPTIONS sip:nm SIP/2.0\r\n",
}
MAIL = {"ehlo": b"EHLO a.example\r\n", "helo": b"HELO a.example\r\n"}
DICT = b"CLIENT libcurl 7.88.1\r\nSET:written:yes\r\nQUIT\r\n"
MEMCACHE = {
    "set": b"set key 0 0 24\r\n",
    "set-noreply": b"set key 4294967295 -1 24 noreply\r\n",
    "add": b"add key 0 0 24\r\n",
    "replace": b"replace key 0 0 24\r\n",
    "append": b"append key 0 0 24\r\n",
    "prepend": b"prepend key 0 0 24\r\n",
    "cas": b"cas key 0 0 24 1\r\n",
    "gets": b"gets key\r\n",
    "gat": b"gat 0 key\r\n",
    "version": b"version\r\n",
    "stats": b"stats\r\n",
}
# What would be done if it was read on.
BODY = b"SET written inline\r\n" + encode("SET", "written", "multibulk")
REDIS_IN_MEMCACHE = encode("SET", "k", "x\r\nset written 0 0 2\r\nno\r\n")


def cases(*groups):
    return [pytest.param(*found, id=name) for group in groups for name, found in group.items()]


def named(group, words):
    return {name: (sent, words) for name, sent in group.items()}


REDIS = cases(
    ANYWHERE,
    named(HTTP, "spoke HTTP"),
    named(MAIL, "spoke SMTP"),
    {"dict": (DICT, "spoke DICT")},
    {"binary": (b"\x80\0" + bytes(22) + b"\r\n", "memcached's binary protocol")},
)
MEMCACHED = cases(
    ANYWHERE,
    named(MAIL, "spoke SMTP"),
    {"get": (HTTP["get"], "spoke HTTP"), "preface": (HTTP["preface"], "spoke HTTP")},
    {"dict": (DICT, "spoke DICT")},
)


def lines_about(program, client, words):
    """The lines that say why this client was closed, once there is one."""
    address = re.escape("%s:%d" % client.getsockname())
    pattern = rf"warning .* closed a client .{address}. that .*{re.escape(words)}"
    found = wait_until(lambda: re.findall(pattern, program.log(10_000)), 3)
    assert found, f"no line matches {pattern!r}:\n{program.log()}"
    return found


def all_of(client):
    pieces = []
    try:
        while piece := client.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def exchange(program, port, sent, words, pieces=None):
    """What comes back for bytes until the end, which the proxy makes and tells of."""
    with connect(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces or [sent]:
            try:
                client.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
            if pieces:
                time.sleep(0.002)
        got = all_of(client)
        if words:
            assert len(lines_about(program, client, words)) == 1
    return got


@pytest.fixture
def redis_pool(tmp_path, shards):
    """A program of its own for each test: it says the same thing once a second."""
    address = free_port()
    program = Program(
        tmp_path / "redis", pool("pool", f"{HOST}:{address}", [f"{HOST}:{shards[0].port}:1"]),
        address)
    yield program
    program.stop()


@pytest.fixture(scope="module")
def server():
    memcached = MemcachedServer()
    yield memcached
    memcached.stop()


@pytest.fixture
def memcached_pool(tmp_path, server):
    address = free_port()
    program = Program(
        tmp_path / "memcached",
        pool("pool", f"{HOST}:{address}", [f"{HOST}:{server.port}:1"], redis="false"), address)
    yield program
    program.stop()


@pytest.mark.parametrize(("sent", "words"), REDIS)
def test_nothing_of_it_is_executed_on_a_redis_port(redis_pool, shards, sent, words):
    assert exchange(redis_pool, redis_pool.address, sent + BODY, words) == b""
    assert shards[0].call("EXISTS", "written") == 0


@pytest.mark.parametrize(("sent", "words"), REDIS)
def test_cut_after_every_byte(redis_pool, shards, sent, words):
    start = sent[:60]
    pieces = [bytes([byte]) for byte in start] + [sent[60:] + BODY]
    assert exchange(redis_pool, redis_pool.address, sent, words, pieces) == b""
    assert shards[0].call("EXISTS", "written") == 0


@pytest.mark.parametrize("sent", MEMCACHE.values(), ids=MEMCACHE)
def test_memcached_on_a_redis_port(redis_pool, shards, sent):
    """The data block of a `set` would be executed."""
    got = exchange(
        redis_pool, redis_pool.address, sent + BODY, "memcached's protocol, in a pool of redis")
    assert got == b"-ERR Protocol error: memcached's protocol in a pool of redis\r\n"
    assert shards[0].call("EXISTS", "written") == 0


@pytest.mark.parametrize(("sent", "words"), MEMCACHED)
def test_nothing_of_it_is_executed_on_a_memcached_port(memcached_pool, sent, words):
    body = b"set written 0 0 2\r\nno\r\n"
    assert exchange(memcached_pool, memcached_pool.address, sent + body, words) == b""
    with Client(memcached_pool.address) as client:
        client.write(b"get written\r\n")
        assert client.stream.readline() == b"END\r\n"


def test_redis_on_a_memcached_port(memcached_pool):
    got = exchange(
        memcached_pool, memcached_pool.address, REDIS_IN_MEMCACHE,
        "redis' protocol, in a pool of memcached")
    assert got == b"CLIENT_ERROR redis' protocol in a pool of memcached\r\n"
    with Client(memcached_pool.address) as client:
        client.write(b"get written\r\n")
        assert client.stream.readline() == b"END\r\n"


@pytest.mark.parametrize(("sent", "words"), cases(ANYWHERE))
@pytest.mark.parametrize("cut", [None, 1, 2])
def test_the_statistics_port(redis_pool, sent, words, cut):
    pieces = [sent[:cut], sent[cut:]] if cut else None
    assert exchange(redis_pool, redis_pool.stats_port, sent, words, pieces) == b""
    assert redis_pool.stats()["service"] == "nutcracker"


def test_forged_request_behind_others_ends_the_connection_there(redis_pool, shards):
    """Replies to what came before it, as to any violation; redis drops them."""
    with Client(redis_pool.address) as client:
        client.write(encode("SET", "before", "1") + b"GET before\r\n" + HTTP["post"] + BODY)
        assert client.rest() == b"+OK\r\n$1\r\n1\r\n"
    assert shards[0].call("EXISTS", "before", "written") == 1


def test_unauthenticated_client_is_ended_too(tmp_path, start_fake):
    address = free_port()
    program = Program(
        tmp_path, pool("pool", f"{HOST}:{address}", [f"{HOST}:1:1"], redis_auth="secret"), address)
    for sent in (HTTP["post"], HTTP["host"], HTTP["post-multibulk"], HTTP["get"]):
        with Client(address) as client:
            client.write(sent + encode("AUTH", "secret"))
            assert client.rest() == b""
    program.stop()


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"GET /\r\n", b"$-1\r\n"),
        (b"SET / HTTP/1.1\r\nGET /\r\n", b"+OK\r\n$8\r\nHTTP/1.1\r\n"),
        (b"SET POST Host:\r\nGET POST\r\n", b"+OK\r\n$5\r\nHost:\r\n"),
        (b"DEL a HTTP/1.1\r\n", b":0\r\n"),
        (b"COPY /a HTTP/1.1\r\n", b":0\r\n"),
        (b"APPEND 0 1\r\n", b":1\r\n"),
        (b"GET PROXY\r\n", b"$-1\r\n"),
        (b"\r\n\r\nGET QUIT\r\n", b"$-1\r\n"),
        (b"PING\r\n", b"+PONG\r\n"),
        (b"PRINT\r\nPING\r\n", None),
        (b"CLIENT LIST\r\nPING\r\n", None),
        (b"SSH\r\nPING\r\n", None),
        (b"POSTS\r\nHost\r\nGETS\r\nPING\r\n", None),
        (b"SET a 0 0 5\r\nPING\r\n", None),
        (b"\x16\r\nPING\r\n", None),
        (b"GET a b HTTP/x\r\nPING\r\n", None),
    ],
    ids=repr,
)
def test_requests_that_look_a_little_like_it_are_requests(redis_pool, line, reply):
    with AnyClient(redis_pool.address) as client:
        client.write(line)
        client.half_close()
        got = client.rest()
    assert got == reply if reply else got.startswith(b"-ERR") and got.endswith(b"+PONG\r\n"), got
    assert "closed a client" not in redis_pool.log()


def test_one_line_a_second_for_all_that_do_the_same(redis_pool):
    for _ in range(50):
        exchange(redis_pool, redis_pool.address, HTTP["post"], None)
        exchange(redis_pool, redis_pool.stats_port, TLS, None)
    time.sleep(1.1)
    exchange(redis_pool, redis_pool.address, HTTP["post"], "spoke HTTP")
    exchange(redis_pool, redis_pool.stats_port, TLS, "TLS")
    log = redis_pool.log(100_000)
    for words in ("spoke HTTP", "the statistics port"):
        assert 2 <= len([line for line in log.splitlines() if words in line]) <= 8, log
        assert re.search(rf"{words}.* \(and \d+ times more since the last line\)", log), log
