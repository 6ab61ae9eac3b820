"""memcached's text protocol, classic and meta, through the proxy to real memcached servers."""

import base64
import random
import socket
import subprocess
import time
import zlib

import pytest

from memcached import Line, MemcachedServer, ask
from ports import HOST, free_port
from proxy import BINARY, Proxy, pool_yaml
from resp import Client
from shards import key_on, keys_on, named

pytestmark = pytest.mark.beyond
SERVERS = 8
LONG = b"k" * 251


@pytest.fixture(scope="module")
def all_servers():
    servers = [MemcachedServer() for _ in range(SERVERS)]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def servers(all_servers):
    for server in all_servers:
        assert server.ask(b"flush_all\r\n") == b"OK\r\n"
    return all_servers


@pytest.fixture(scope="module")
def pool(all_servers, tmp_path_factory):
    """A proxy over all servers."""
    folder = tmp_path_factory.mktemp("memcache")
    proxy = Proxy(folder, named([s.port for s in all_servers]), redis="false")
    try:
        yield proxy
        proxy.stop()
    finally:
        proxy.kill()


@pytest.fixture
def line(pool, servers):
    with Line(pool.port) as line:
        yield line


@pytest.fixture
def single(servers, start_proxy):
    """A proxy over the first server."""
    return start_proxy([servers[0].port], redis="false")


def statistics(port, name="stats"):
    reply = ask(port, name.encode() + b"\r\n")
    assert reply.endswith(b"END\r\n")
    return dict(row.split(b" ", 2)[1:] for row in reply[:-5].splitlines())


# ---------------------------------------------------------------- what memcached refuses

REFUSED = [
    b"\r\n", b" \r\n", b"get\r\n", b"get \r\n", b"get " + LONG + b"\r\n",
    b"get a " + LONG + b"\r\n", b"set\r\n", b"set a\r\n", b"set a 0 0\r\n",
    b"set a 0 0 1 x\r\n1\r\n", b"set a 0 0 1 noreply x\r\n1\r\n",
    b"set " + LONG + b" 0 0 1\r\n1\r\n", b"set " + LONG + b" 0 0 1 noreply\r\n1\r\n",
    b"set a x 0 1\r\n1\r\n", b"set a 0 x 1\r\n1\r\n", b"set a 0 0 x\r\n1\r\n",
    b"set a 0 0 -1\r\n1\r\n", b"set a 0 0 2147483647\r\n1\r\n", b"set a -1 0 1\r\n1\r\n",
    b"set a +1 0 1\r\n1\r\n", b"set a 01 0 01\r\n1\r\n", b"set a 0 -1 1\r\n1\r\n",
    b"set a 0 9999999999 1\r\n1\r\n", b"set a 4294967295 0 1\r\n1\r\nget a\r\n",
    b"set a 0 0 1\r\n123\r\n", b"set a 0 0 3\r\n1\r\nget a\r\n", b"set a 0 0 1 noreply\r\n123\r\n",
    b"set big 0 0 2000000\r\n" + b"x" * 2000000 + b"\r\nget big\r\n",
    b"set big 0 0 2000000 noreply\r\n" + b"x" * 2000000 + b"\r\nget big\r\n",
    b"cas a 0 0 1\r\n1\r\n", b"cas a 0 0 1 x\r\n1\r\n", b"cas a 0 0 1 1 x\r\n1\r\n",
    b"cas a 0 0 1 -1\r\n1\r\n", b"cas a 0 0 1 noreply\r\n1\r\n",
    b"cas a 0 0 1 18446744073709551615\r\n1\r\n", b"cas a 0 0 1 18446744073709551616\r\n1\r\n",
    b"incr\r\n", b"incr a\r\n", b"incr a b c d\r\n", b"incr " + LONG + b" 1\r\n", b"incr a x\r\n",
    b"incr a x noreply\r\n", b"incr a 1 foo\r\n", b"touch a\r\n", b"touch a x\r\n",
    b"touch a x noreply\r\n", b"touch a 0 x y\r\n", b"touch " + LONG + b" 0\r\n", b"delete\r\n",
    b"delete a foo\r\n", b"delete a 0\r\n", b"delete a 0 noreply\r\n", b"delete a 1 noreply\r\n",
    b"delete a b c d\r\n", b"delete " + LONG + b"\r\n", b"delete " + LONG + b" noreply\r\n",
    b"gat\r\n", b"gats\r\n", b"gat x a\r\n", b"gat 0 a\r\n", b"gat 0 " + LONG + b"\r\n",
    b"flush_all x\r\n", b"flush_all 0 noreply\r\n", b"flush_all noreply\r\n", b"flush_all 0 x\r\n",
    b"flush_all 1 2 3\r\n", b"flush_all -1\r\n", b"flush_all x noreply\r\n", b"verbosity\r\n",
    b"verbosity 0\r\n", b"verbosity x\r\n", b"verbosity 0 noreply\r\n", b"verbosity noreply\r\n",
    b"verbosity 1 2 3\r\n", b"version\r\n", b"version x\r\n", b"stats foo\r\n",
    b"stats noreply\r\n", b"GET a\r\n", b"getx a\r\n", b"foo\r\n", b"lru tune\r\n",
    b"mg\r\n", b"mg a\r\n", b"mg a q\r\n", b"mg a v q\r\n", b"mg a q q\r\n",
    b"mg " + LONG + b"\r\n", b"mg " + LONG + b" q\r\n",
    b"mg a " + b" ".join(b"%c" % (97 + i) for i in range(26)) + b"\r\n", b"mg a b\r\n",
    b"mg YQ== b v k\r\n", b"mg !! b v k\r\n", b"mg a zz\r\n", b"mg a zz q\r\n", b"mn\r\n",
    b"mn x\r\n", b"me\r\n", b"me a\r\n", b"me a q\r\n", b"me YQ== b\r\n", b"me " + LONG + b"\r\n",
    b"ms\r\n", b"ms a\r\n", b"ms a x\r\n", b"ms a 1\r\n1\r\n", b"ms a 1 q\r\n1\r\n",
    b"ms a -1\r\n1\r\n", b"ms a S1\r\n1\r\n", b"ms a 1 q q\r\n1\r\n", b"ms a 1\r\n123\r\n",
    b"ms a 1 q\r\n123\r\n", b"ms " + LONG + b" 1\r\n1\r\n", b"ms " + LONG + b" 1 q\r\n1\r\n",
    b"ms a 1 Z\r\n1\r\n", b"ms a 1 C1\r\n1\r\n", b"ms a 1 C1 q\r\n1\r\n", b"ms a 1 ME q\r\n1\r\n",
    b"ms new 1 MR q\r\n1\r\n", b"ms a 2000000 q\r\n" + b"x" * 2000000 + b"\r\n",
    b"ms a 1 b q\r\n1\r\n",
    b"ms a 1 " + b" ".join(b"%c" % (97 + i) for i in range(16)) + b"\r\n1\r\n",
    b"ms a 1 " + b" ".join(b"%c" % (97 + i) for i in range(17)) + b"\r\n1\r\n",
    b"md\r\n", b"ma\r\n", b"ma a\r\n", b"md a q\r\n", b"md a q k O2\r\n", b"ma a q\r\n",
    b"ma a q N0 J5\r\nmg a v\r\n", b"mg a k q O1\r\n", b"mg a k O1\r\n",
    b"set a 0 0 1\r\n1\r\nmg a q\r\n", b"set a 0 0 1\r\n1\r\nmg a k q\r\n",
    b"set a 0 0 1\r\n1\r\nmg a v q\r\n", b"set a 0 0 1\r\n1\r\nma a q v\r\n",
    b"set a 0 0 1\r\n1\r\nma a q D1x\r\n", b"set a 0 0 1\r\nx\r\nma a q\r\n",
    b"set a 0 0 1\r\n1\r\nmd a q C77\r\n", b"set a 0 0 1\r\n1\r\nmd a q\r\nmg a v\r\n",
    b"get a noreply\r\n", b"append a 0 0 1 foo\r\n1\r\n", b"set a 0 0 1 noreply \r\n1\r\nget a\r\n",
]


def label(request):
    text = request.replace(LONG, b"<251>")
    return repr(text if len(text) < 60 else text[:56] + b"...")[2:-1]


@pytest.mark.parametrize("request_", REFUSED, ids=label)
def test_answers_as_memcached_does(request_, pool, servers):
    """Also where a line is malformed: the same words, and as much of what follows swallowed."""
    expected = servers[key_server(b"a")].ask(request_)
    for server in servers:
        server.ask(b"flush_all\r\n")
    assert ask(pool.port, request_) == expected


def key_server(key):
    return zlib.crc32(key) % SERVERS


@pytest.mark.parametrize(
    "request_, answer",
    [
        # A length that memcached cuts to 32 bits.
        (b"set a 0 0 99999999999\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms a 99999999999\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        # Lengths that only some versions take: the data block is known, and swallowed.
        (b"set a 0 0 +11\r\nflush_all\r\n\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"set a 0 0 11\t\r\nflush_all\r\n\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"ms a 00000000011\r\nflush_all\r\n\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        # What is for one server's administrator.
        (b"shutdown\r\n", b"ERROR\r\n"),
        (b"slabs reassign 1 2\r\n", b"ERROR\r\n"),
        (b"lru_crawler crawl all\r\n", b"ERROR\r\n"),
        (b"cache_memlimit 64\r\n", b"ERROR\r\n"),
        (b"watch fetchers\r\n", b"ERROR\r\n"),
        (b"stats reset\r\n", b"ERROR\r\n"),
        (b"bget a\r\n", b"ERROR\r\n"),
        (b"gat 0\r\n", b"ERROR\r\n"),
    ],
    ids=label,
)
def test_answers_otherwise_than_memcached(line, request_, answer):
    assert line.call(request_) == answer
    assert line.call(b"get a\r\n") == b"END\r\n"


@pytest.mark.parametrize(
    "request_, answer",
    [
        (b"quit\r\n", b""),
        (b"quit now\r\n", b""),
        (b"GET / HTTP/1.1\r\n", b""),
        (b"set " + b"k" * 3000, b"CLIENT_ERROR line too long\r\n"),
    ],
    ids=label,
)
def test_ends_the_connection_after_the_replies(line, request_, answer):
    line.send(b"set a 0 0 1\r\n1\r\n" + request_)
    expected = b"STORED\r\n" + answer
    assert line.read(len(expected)) == expected
    assert line.is_closed()


def test_the_first_byte_tells_the_protocol(pool):
    answer = b"CLIENT_ERROR the binary protocol is not supported\r\n"
    with Line(pool.port) as line:
        line.send(b"\x80\x0a" + bytes(22))
        assert line.read(len(answer)) == answer
        assert line.is_closed()
    assert ask(pool.port, b"version\r\n\x80\r\n").endswith(b"\r\nERROR\r\n")


# ---------------------------------------------------------------- several servers

def test_values_come_in_the_order_of_their_keys(line):
    """Misses and repetitions included."""
    keys = [b"key:%d" % i for i in range(64)]
    there = keys[::3]
    for key in there:
        assert line.call(b"set %s 7 0 %d\r\n%s\r\n" % (key, len(key), key)) == b"STORED\r\n"
    chance = random.Random(1)
    for count in (1, 2, 3, 10, 64, 300):
        asked = chance.choices(keys, k=count)
        expected = b"".join(
            b"VALUE %s 7 %d\r\n%s\r\n" % (key, len(key), key) for key in asked if key in there
        )
        assert line.call(b"get " + b" ".join(asked) + b"\r\n") == expected + b"END\r\n"


@pytest.mark.parametrize("count", [10, 1000, 10000])
def test_many_keys_over_eight_servers(line, pool, count):
    keys = [b"many:%d" % i for i in range(count)]
    line.send(b"".join(b"set %s 0 0 1 noreply\r\nx\r\n" % key for key in keys))
    # Each server has its own queue: what is asked of it comes behind what it was told.
    before = int(statistics(pool.port)[b"fragments"])
    reply = line.call(b"get " + b" ".join(keys) + b"\r\n")
    assert reply == b"".join(b"VALUE %s 0 1\r\nx\r\n" % key for key in keys) + b"END\r\n"
    assert int(statistics(pool.port)[b"fragments"]) - before == SERVERS


def test_large_values_from_many_servers(line):
    keys = [b"large:%d" % i for i in range(24)]
    values = {key: bytes([65 + i]) * (20000 * (i % 5) + i) for i, key in enumerate(keys)}
    for key, value in values.items():
        assert line.call(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value)) == b"STORED\r\n"
    expected = b"".join(b"VALUE %s 0 %d\r\n%s\r\n" % (k, len(v), v) for k, v in values.items())
    assert line.call(b"get " + b" ".join(keys) + b"\r\n") == expected + b"END\r\n"


def test_gets_gat_and_gats_are_split(line, servers):
    keys = [key_on(i, SERVERS) for i in range(SERVERS)]
    for key in keys:
        line.call(b"set %s 0 0 1\r\n%s\r\n" % (key.encode(), key[-1].encode()))
    asked = " ".join([*keys, "none", keys[0]]).encode()
    plain = line.call(b"get " + asked + b"\r\n")
    assert plain.count(b"VALUE") == SERVERS + 1
    assert line.call(b"gat 100 " + asked + b"\r\n") == plain
    for name in (b"gets ", b"gats 100 "):
        reply = line.call(name + asked + b"\r\n")
        heads = [row.split() for row in reply.splitlines() if row.startswith(b"VALUE")]
        assert [head[1].decode() for head in heads] == [*keys, keys[0]]
        assert all(len(head) == 5 for head in heads)
    assert line.call(b"mg %s t\r\n" % keys[3].encode()) in (b"HD t100\r\n", b"HD t99\r\n")


def test_flush_all_reaches_every_server(line, servers):
    keys = [key_on(i, SERVERS) for i in range(SERVERS)]
    for noreply in (b"", b" noreply"):
        for key in keys:
            line.call(b"set %s 0 0 1\r\nx\r\n" % key.encode())
        # Items that are stored in the second of the flush are flushed too, or not.
        time.sleep(1.1)
        assert line.call(b"flush_all%s\r\n" % noreply) == (b"" if noreply else b"OK\r\n")
        assert line.call(b"get " + " ".join(keys).encode() + b"\r\n") == b"END\r\n"


def test_statistics(line, pool, servers):
    own = statistics(pool.port)
    assert own[b"servers"] == b"8"
    assert int(own[b"requests"]) > 0
    assert {b"pid", b"uptime", b"time", b"version", b"curr_connections"} <= own.keys()
    for i in range(SERVERS):
        line.call(b"set %s 0 0 1\r\nx\r\n" % key_on(i, SERVERS).encode())
    each = [statistics(server.port) for server in servers]
    together = statistics(pool.port, "stats servers")
    assert list(together) == list(each[0])
    for name in (b"cmd_set", b"curr_items", b"limit_maxbytes", b"get_hits"):
        assert int(together[name]) == sum(int(row[name]) for row in each)
    assert together[b"version"] == each[0][b"version"]
    assert float(together[b"rusage_user"]) >= max(float(row[b"rusage_user"]) for row in each)


# ---------------------------------------------------------------- meta

def test_base64_keys_are_hashed_decoded(line, servers):
    for i in range(40):
        key = b"meta:%d" % i
        encoded = base64.b64encode(key)
        assert line.call(b"set %s 0 0 2\r\nab\r\n" % key) == b"STORED\r\n"
        assert line.call(b"mg %s b v\r\n" % encoded) == b"VA 2\r\nab\r\n"
        binary = bytes([i, 0, 255, 10, 13, 32])
        encoded = base64.b64encode(binary)
        assert line.call(b"ms %s 1 b\r\nx\r\n" % encoded) == b"HD\r\n"
        assert line.call(b"mg %s b v k\r\n" % encoded) == b"VA 1 k%s b\r\nx\r\n" % encoded
        assert servers[key_server(binary)].ask(b"mg %s b v\r\n" % encoded) == b"VA 1\r\nx\r\n"


def test_no_key_is_an_answer_to_somebody_else(line):
    """memcached tells a key as it is once it has forgotten that it came in base64."""
    answer = b"x\r\n12\r\nVALUE victim 0 4\r\nevil\r\nEND"
    # The second is none, but memcached takes it for one.
    for key in (base64.b64encode(answer), b"eQ0KMTI=AAAA"):
        for request in (b"ma %s b N0 J12\r\n", b"ma %s q b\r\n", b"mg %s b N30 k v\r\n",
                        b"ms %s 2 b MA\r\n12\r\n", b"ms %s 2 k MP b\r\n12\r\n"):
            assert line.call(request % key) == b"CLIENT_ERROR error decoding key\r\n"
        assert line.call(b"mg %s b\r\n" % key) == b"EN\r\n"
        assert line.call(b"ms %s 2 b\r\n12\r\n" % key) == b"HD\r\n"
    key = base64.b64encode(answer)
    assert line.call(b"mg %s b k v\r\n" % key) == b"VA 2 k%s b\r\n12\r\n" % key
    assert line.call(b"ma YQ== b N0 J5 v\r\n") == b"VA 1\r\n5\r\n"
    assert line.call(b"ms YWI= 1 b\r\n1\r\n") == b"HD\r\n"
    assert line.call(b"ms YWI= 1 b MA k\r\n2\r\n") == b"HD kYWI= b\r\n"


def test_quiet_requests_among_others(line):
    """Of a long pipeline to all servers exactly the replies that are not left out, in order."""
    chance = random.Random(2)
    requests, expected = b"", b""
    for i in range(2000):
        key = b"quiet:%d" % chance.randrange(50)
        kind = chance.randrange(5)
        if kind == 0:
            requests += b"ms %s 1 q O%d\r\nx\r\n" % (key, i)
        elif kind == 1:
            requests += b"mg none:%d q k O%d\r\n" % (i, i)
        elif kind == 2:
            requests += b"mg none:%d k O%d\r\n" % (i, i)
            expected += b"EN knone:%d O%d\r\n" % (i, i)
        elif kind == 3:
            requests += b"ms %s 1 I q O%d\r\n1\r\nmg %s v q O%d\r\n" % (key, i, key, i)
            expected += b"VA 1 O%d\r\n1\r\n" % i
        else:
            requests += b"mn\r\n"
            expected += b"MN\r\n"
    line.send(requests + b"get none\r\n")
    assert line.read(len(expected) + 5) == expected + b"END\r\n"


# ---------------------------------------------------------------- noreply, and failures

def test_noreply_keeps_its_order(line):
    requests, expected = b"", b""
    for i in range(3000):
        requests += b"set n 0 0 1 noreply\r\n%d\r\nincr n 1 noreply\r\nget n\r\n" % (i % 9)
        expected += b"VALUE n 0 1\r\n%d\r\nEND\r\n" % (i % 9 + 1)
        requests += b"delete n noreply\r\nget n\r\n"
        expected += b"END\r\n"
    line.send(requests)
    assert line.read(len(expected)) == expected


def test_noreply_to_a_dead_server_is_counted(servers, start_proxy):
    dead = free_port()
    proxy = start_proxy([servers[0].port, dead], redis="false")
    lost, kept = key_on(1, 2).encode(), key_on(0, 2).encode()
    with Line(proxy.port) as line:
        line.send(b"set %s 0 0 1 noreply\r\nx\r\nget %s\r\n" % (lost, kept))
        assert line.read(5) == b"END\r\n"
        line.send(b"flush_all noreply\r\nversion\r\nget %s\r\n" % lost)
        reply = line.read_until(b"refused\r\n")
        assert reply.startswith(b"VERSION") or reply.startswith(b"SERVER_ERROR")
    assert int(statistics(proxy.port)[b"forward_error"]) >= 3


def test_an_unasked_reply_reaches_nobody(start_proxy, start_fake):
    """A server that answers a noreply request after all loses its connection, and no more."""
    def script(connection):
        data = b""
        while b"\r\nx\r\n" not in data:
            data += connection.socket.recv(65536)
        connection.send(b"SERVER_ERROR out of memory storing object\r\n")
        connection.wait_for_close()

    fake = start_fake(script)
    proxy = start_proxy([fake.port], redis="false")
    with Line(proxy.port) as line:
        line.send(b"set a 0 0 1 noreply\r\nx\r\n")
        assert fake.wait_ended(0)
        assert line.call(b"") == b""


def test_a_reply_of_the_wrong_kind_ends_the_server_connection(start_proxy, start_fake):
    """It may be to another request, and so may all that follow."""
    def script(connection):
        connection.socket.recv(65536)
        connection.send(b"OK\r\n" if connection.index == 0 else b"END\r\n")
        connection.wait_for_close()

    fake = start_fake(script)
    proxy = start_proxy([fake.port], redis="false")
    with Line(proxy.port) as line:
        line.send(b"get a\r\n")
        assert line.read_until(b"\r\n") == b"SERVER_ERROR Invalid argument\r\n"
        assert fake.wait_ended(0)
        line.send(b"get a\r\n")
        assert line.read_until(b"\r\n") == b"END\r\n"


def test_a_quiet_request_times_out_like_others(start_proxy, start_fake):
    def script(connection):
        connection.wait_for_close()

    proxy = start_proxy([start_fake(script).port], redis="false", timeout=200)
    with Line(proxy.port) as line:
        line.send(b"mg a q\r\nmn\r\n")
        assert line.read_until(b"MN\r\n") == b"SERVER_ERROR Connection timed out\r\nMN\r\n"


def test_a_failed_part_is_an_error_and_the_client_stays(servers, start_proxy):
    dead = free_port()
    proxy = start_proxy([servers[0].port, dead], redis="false")
    both = b" ".join(key_on(i, 2).encode() for i in (0, 1))
    with Line(proxy.port) as line:
        assert line.call(b"get " + both + b"\r\n") == b"SERVER_ERROR Connection refused\r\n"
        assert line.call(b"flush_all\r\n") == b"SERVER_ERROR Connection refused\r\n"
        assert line.call(b"stats servers\r\n") == b"SERVER_ERROR Connection refused\r\n"
        assert line.call(b"mg %s q\r\n" % key_on(1, 2).encode()).startswith(b"SERVER_ERROR")
        assert line.call(b"get " + key_on(0, 2).encode() + b"\r\n") == b"END\r\n"


def test_an_ejected_server_comes_back(start_proxy):
    server = MemcachedServer()
    other = MemcachedServer()
    try:
        proxy = start_proxy(
            [server.port, other.port], redis="false", auto_eject_hosts="true",
            server_failure_limit=1, server_retry_timeout=200)
        key = key_on(0, 2).encode()
        with Line(proxy.port) as line:
            assert line.call(b"set %s 0 0 1\r\nx\r\n" % key) == b"STORED\r\n"
            server.stop()
            end = time.time() + 10
            while line.call(b"get %s\r\n" % key) != b"END\r\n":
                assert time.time() < end
            assert int(statistics(proxy.port)[b"server_ejects"]) == 1
            server.start()
            assert server.ask(b"set %s 0 0 1\r\ny\r\n" % key) == b"STORED\r\n"
            while line.call(b"get %s\r\n" % key) == b"END\r\n":
                assert time.time() < end
            assert line.call(b"get %s\r\n" % key) == b"VALUE %s 0 1\r\ny\r\nEND\r\n" % key
    finally:
        server.stop()
        other.stop()


@pytest.mark.timeout(120)
def test_every_cut_of_a_pipeline(pool, servers):
    """Whatever the pieces a client sends, it gets the same."""
    key, far = key_on(0, SERVERS).encode(), key_on(5, SERVERS).encode()
    stream = (
        b"set %s 5 0 4\r\n\r\n\r\n\r\nget %s %s\r\nms %s 2 q\r\nab\r\nmg %s v q\r\nset bad\tkey 0 0 "
        b"1\r\nx\r\nincr %s 1 noreply\r\nset a 0 0 1\r\n123\r\nmn\r\n" % ((key, key, far) + (far,) * 3)
    )

    def answers(line, rest):
        # The stream ends with an mn of its own, so its answer is no end yet.
        line.send(rest + b"mn\r\n")
        return line.read_until(b"MN\r\nMN\r\n")[:-4]

    with Line(pool.port) as line:
        answers(line, stream)
        expected = answers(line, stream)
    assert expected.count(b"VALUE") == 2
    for cut in range(1, len(stream)):
        with Line(pool.port) as line:
            line.send(stream[:cut])
            time.sleep(0.002)
            assert answers(line, stream[cut:]) == expected, cut
    with Line(pool.port) as line:
        for byte in stream:
            line.send(bytes([byte]))
        assert answers(line, b"") == expected


# ---------------------------------------------------------------- against a model

class Model:
    """What one memcached does, without expiry."""

    def __init__(self):
        self.items = {}

    def set(self, key, value):
        self.items[key] = value
        return b"STORED\r\n"

    def add(self, key, value):
        return b"NOT_STORED\r\n" if key in self.items else self.set(key, value)

    def replace(self, key, value):
        return self.set(key, value) if key in self.items else b"NOT_STORED\r\n"

    def append(self, key, value):
        return self.replace(key, self.items.get(key, b"") + value)

    def prepend(self, key, value):
        return self.replace(key, value + self.items.get(key, b""))

    def get(self, keys):
        found = [(key, self.items[key]) for key in keys if key in self.items]
        return b"".join(b"VALUE %s 3 %d\r\n%s\r\n" % (k, len(v), v) for k, v in found) + b"END\r\n"

    def delete(self, key):
        return b"NOT_FOUND\r\n" if self.items.pop(key, None) is None else b"DELETED\r\n"

    def touch(self, key, expiry):
        if key not in self.items:
            return b"NOT_FOUND\r\n"
        if expiry < 0:
            del self.items[key]
        return b"TOUCHED\r\n"


STORAGE = ("set", "add", "replace", "append", "prepend")


def random_step(chance, model, keys):
    """A request, and what it is answered with."""
    name = chance.choice((*STORAGE, "get", "get", "get", "delete", "touch", "noreply"))
    key = chance.choice(keys)
    value = bytes(chance.choices(b"\r\n ab", k=chance.choice((0, 1, 5, 100, 6000))))
    if name in STORAGE:
        answer = getattr(model, name)(key, value)
        return b"%s %s 3 0 %d\r\n%s\r\n" % (name.encode(), key, len(value), value), answer
    if name == "get":
        asked = chance.choices(keys, k=chance.choice((1, 2, 5, 30)))
        return b"get " + b" ".join(asked) + b"\r\n", model.get(asked)
    if name == "delete":
        return b"delete %s\r\n" % key, model.delete(key)
    if name == "touch":
        expiry = chance.choice((0, 1000, -1))
        return b"touch %s %d\r\n" % (key, expiry), model.touch(key, expiry)
    model.set(key, value)
    return b"set %s 3 0 %d noreply\r\n%s\r\n" % (key, len(value), value), b""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(6))
def test_random_pipelines_against_a_model(seed, line):
    chance, model = random.Random(seed), Model()
    keys = [b"m%d:%d" % (seed, i) for i in range(40)]
    for _ in range(60):
        steps = [random_step(chance, model, keys) for _ in range(chance.choice((1, 3, 40)))]
        line.send(b"".join(request for request, _ in steps))
        expected = b"".join(answer for _, answer in steps)
        assert line.read(len(expected)) == expected


def test_cas_lets_one_of_many_win(pool, servers):
    """Eight clients count up one number by cas; nothing is lost."""
    lines = [Line(pool.port) for _ in range(8)]
    assert lines[0].call(b"set n 0 0 1\r\n0\r\n") == b"STORED\r\n"
    stored = 0
    for _ in range(40):
        for line in lines:
            line.send(b"gets n\r\n")
        seen = [line.read_until(b"END\r\n").split() for line in lines]
        for line, words in zip(lines, seen):
            number = b"%d" % (int(words[5]) + 1)
            line.send(b"cas n 0 0 %d %s\r\n%s\r\n" % (len(number), words[4], number))
        stored += sum(line.read_until(b"\r\n") == b"STORED\r\n" for line in lines)
    assert lines[0].call(b"get n\r\n").split()[4] == b"%d" % stored
    assert stored == 40
    for line in lines:
        line.socket.close()


def test_items_expire(line):
    line.call(b"set a 0 1 1\r\nx\r\nset b 0 -1 1\r\nx\r\nset c 0 100 1\r\nx\r\n")
    assert line.call(b"get b c\r\n") == b"VALUE c 0 1\r\nx\r\nEND\r\n"
    time.sleep(2.2)
    assert line.call(b"get a c\r\n") == b"VALUE c 0 1\r\nx\r\nEND\r\n"


# ---------------------------------------------------------------- clients of others

def test_pymemcache(pool, servers):
    from pymemcache.client.base import Client as Pymemcache

    client = Pymemcache((HOST, pool.port), default_noreply=False)
    values = {f"key{i}": b"v%d" % i for i in range(100)}
    assert client.set_many(values) == []
    assert client.get_many([*values, "none"]) == values
    assert {k: v for k, (v, _) in client.gets_many(list(values)).items()} == values
    value, version = client.gets("key1")
    assert client.cas("key1", b"new", version) is True
    assert client.cas("key1", b"newer", version) is False
    assert client.add("key1", b"x") is False and client.append("key1", b"!") is True
    assert client.get("key1") == b"new!"
    assert client.set("n", b"10") and client.incr("n", 5) == 15 and client.decr("n", 20) == 0
    assert client.touch("n", 100) and client.prepend("n", b"1")
    assert client.delete_many(list(values)) and client.get_many(values) == {}
    assert client.version() == b"1.6.18" and client.flush_all() and b"pid" in client.stats()
    client.set("quiet", b"x", noreply=True)
    assert client.get("quiet") == b"x"
    client.quit()


def test_python_memcached(pool, servers):
    import memcache

    client = memcache.Client([f"{HOST}:{pool.port}"])
    assert client.set_multi({f"key{i}": i for i in range(100)}) == []
    assert client.get_multi([f"key{i}" for i in range(100)]) == {f"key{i}": i for i in range(100)}
    assert client.set("a", {"b": [1, 2]}) and client.get("a") == {"b": [1, 2]}
    client.gets("a")
    assert client.cas("a", 5) and client.incr("key1") == 2
    assert client.delete_multi(["a", "key1"]) and client.get("a") is None
    assert client.get_stats()[0][1]["servers"] == "8"
    client.disconnect_all()


def test_pylibmc(pool, servers):
    import pylibmc

    client = pylibmc.Client([f"{HOST}:{pool.port}"])
    assert client.set_multi({f"key{i}": i for i in range(100)}) == []
    assert client.get_multi([f"key{i}" for i in range(100)]) == {f"key{i}": i for i in range(100)}
    client.behaviors["cas"] = True
    client.set("a", "1")
    _, version = client.gets("a")
    assert client.cas("a", "2", version) and client.get("a") == "2"
    client.set("n", 5)
    assert client.incr("n") == 6 and client.touch("n", 100) and client.delete("n")
    assert client.get("n") is None and client.flush_all()
    client.disconnect_all()


def test_aiomcache(pool, servers):
    import asyncio

    import aiomcache

    async def run():
        client = aiomcache.Client(HOST, pool.port, pool_size=4)
        keys = [b"key%d" % i for i in range(50)]
        await asyncio.gather(*(client.set(key, b"v" + key) for key in keys))
        assert list(await client.multi_get(*keys)) == [b"v" + key for key in keys]
        _, version = await client.gets(keys[0])
        assert await client.cas(keys[0], b"new", version)
        assert await client.touch(keys[0], 100) and await client.delete(keys[0])
        assert await client.get(keys[0]) is None and await client.version() == b"1.6.18"
        await client.flush_all()
        await client.close()

    asyncio.run(run())


def test_memccapable(pool, servers):
    """libmemcached's own test of the text protocol."""
    command = ["memccapable", "-h", HOST, "-p", str(pool.port), "-a"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert outcome.returncode == 0 and "[FAIL]" not in outcome.stdout.upper(), outcome.stdout
    assert outcome.stdout.count("[pass]") + outcome.stderr.count("[pass]") >= 27


@pytest.mark.parametrize("count", [1, SERVERS])
def test_memcaslap(count, start_proxy):
    """libmemcached's load tool, whose keys have control characters, finds what it has stored."""
    servers = [MemcachedServer("-m", "1024") for _ in range(count)]
    try:
        run_memcaslap(start_proxy([server.port for server in servers], redis="false"))
    finally:
        for server in servers:
            server.stop()


def run_memcaslap(proxy):
    command = ["memcaslap", "-s", f"{HOST}:{proxy.port}", "-v", "1.0", "-d", "10", "-t", "3s"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=50)
    told = dict(row.split(": ") for row in outcome.stdout.splitlines() if row.count(": ") == 1)
    assert outcome.returncode == 0 and not outcome.stderr, outcome.stderr
    assert int(told["cmd_set"]) > 1000 and int(told["cmd_get"]) > 10000, outcome.stdout
    for name in ("get_misses", "verify_misses", "verify_failed"):
        assert int(told[name]) == 0, outcome.stdout
    assert proxy.stats()["pool"]["client_err"] == 0


def test_both_protocols_from_one_file(servers, redis_factory, tmp_path):
    """A redis pool and a memcache pool in one process."""
    redis, first, second = redis_factory(1)[0], free_port(), free_port()
    file = tmp_path / "both.yml"
    file.write_text(
        pool_yaml("one", first, named([servers[0].port]), redis="false")
        + pool_yaml("two", second, named([redis.port])))
    process = subprocess.Popen([BINARY, "-c", file, "-s", str(free_port()), "-o", tmp_path / "log"])
    try:
        end = time.time() + 10
        while process.poll() is None and time.time() < end:
            try:
                socket.create_connection((HOST, second), 1).close()
                break
            except OSError:
                time.sleep(0.01)
        with Line(first) as line, Client(second) as client:
            assert line.call(b"set k 0 0 1\r\nm\r\n") == b"STORED\r\n"
            assert client.call("SET", "k", "r") == "OK"
            assert line.call(b"get k\r\n") == b"VALUE k 0 1\r\nm\r\nEND\r\n"
            assert client.call("GET", "k") == b"r"
    finally:
        process.kill()
        process.wait()
