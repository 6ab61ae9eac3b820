"""The statistics port, which exporters read: the document is nutcracker's, to the byte."""

import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from ports import HOST, free_port
from proxy import BINARY, IS_NUTCRACKER, Proxy, pool_yaml
from resp import Client, Error
from shards import keys_on, named

NUTCRACKER = shutil.which("nutcracker") or "/usr/sbin/nutcracker"
needs_nutcracker = pytest.mark.skipif(
    not os.path.exists(NUTCRACKER), reason="nutcracker is not installed"
)
TOP = ["service", "source", "version", "uptime", "timestamp"]
TOP += ["total_connections", "curr_connections"]


def connect(proxy, receive_buffer=None):
    made = socket.socket()
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(10)
    made.connect((HOST, proxy.stats_port))
    return made


def rest(connection):
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def document(proxy):
    """As it is, from a client that sends nothing."""
    with connect(proxy) as connection:
        return rest(connection)


def settled(proxy):
    """The document once it says the same twice: nutcracker's lags by two hand-overs."""
    before, end = None, time.time() + 10
    while time.time() < end:
        now = proxy.stats()
        del now["uptime"], now["timestamp"]
        if now == before:
            return now
        before = now
        time.sleep(0.15)
    raise AssertionError("the statistics do not come to rest")


def without_numbers(text):
    return re.sub(rb":\d+(?=[,}])", b":0", text)


def http(text):
    """Status line, headers, and body of a response."""
    head, body = text.split(b"\r\n\r\n", 1)
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


def second_pool(name="be"):
    """A pool with names of every kind: a host alone, host and port, a path, one of its own."""
    directives = {"redis": "true", "hash": "fnv1a_64", "distribution": "ketama"}
    text = pool_yaml(name, free_port(), [(free_port(), "named"), (11211, "")], **directives)
    return text + f"    - {HOST}:{free_port()}:1\n    - /run/none.sock:1\n"


@needs_nutcracker
def test_layout_equals_that_of_nutcracker(shards, start_proxy, tmp_path):
    ports, more = [shard.port for shard in shards[:2]], second_pool()
    original = Proxy(tmp_path / "original", named(ports), NUTCRACKER, more=more)
    try:
        expected = document(original)
        original.stop()
        # The second pool listens on the same port in both.
        proxy = start_proxy(ports, more=more)
        assert without_numbers(document(proxy)) == without_numbers(expected)
    finally:
        original.kill()


def run_load(proxy):
    """A fixed load, with the clients left open that it returns.

    Without MSET, of which nutcracker counts most values twice.
    """
    client, other = Client(proxy.port), Client(proxy.port)
    for index in range(2):
        for key in keys_on(index, 2, 3 + index):
            assert client.call("SET", key, "value" * (1 + index)) == "OK"
            assert client.call("GET", key) == b"value" * (1 + index)
    keys = keys_on(0, 2, 3) + keys_on(1, 2, 4)
    assert len(other.call("MGET", *keys)) == 7
    assert other.call("DEL", *keys) == 7
    assert isinstance(client.call("LPUSH", keys[0], "x"), int)
    assert isinstance(client.call("GET", keys[0]), Error)
    assert client.call("PING") == "PONG"
    assert client.call("DEL", keys[0]) == 1
    with Client(proxy.port) as leaver:
        assert leaver.call("GET", keys[0]) is None
    with Client(proxy.port) as broken:
        broken.write(b"*zz\r\n")
        broken.rest()
    return client, other


@pytest.mark.beyond
@needs_nutcracker
def test_numbers_equal_those_of_nutcracker(shards, start_proxy, tmp_path):
    original = Proxy(tmp_path / "original", named([s.port for s in shards[:2]]), NUTCRACKER)
    try:
        proxy = start_proxy([shard.port for shard in shards[2:4]])
        clients = [run_load(original), run_load(proxy)]
        expected, got = settled(original), settled(proxy)
        # nutcracker never counts fragments; two requests were split in two each.
        assert expected["pool"].pop("fragments") == 0
        assert got["pool"].pop("fragments") == 4
        assert got == expected
        assert got["pool"]["s0"]["requests"] > 0
        for client in [client for pair in clients for client in pair]:
            client.close()
        expected, got = settled(original), settled(proxy)
        del expected["pool"]["fragments"], got["pool"]["fragments"]
        assert got == expected
        original.stop()
    finally:
        original.kill()


@pytest.mark.beyond
def test_request_bytes_are_those_on_the_wire(shards, start_proxy):
    proxy = start_proxy([shard.port for shard in shards[:2]])
    keys = keys_on(0, 2, 3) + keys_on(1, 2, 4)

    def received(shard):
        """What the server has read before this question, which is itself part of the next."""
        return int(re.search(rb"total_net_input_bytes:(\d+)", shard.call("INFO", "stats"))[1])

    before = [received(shard) for shard in shards[:2]]
    question = received(shards[0]) - before[0]
    with Client(proxy.port) as client:
        assert client.call("MSET", *[part for key in keys for part in (key, "value")]) == "OK"
    for index, extra in ((0, 2 * question), (1, question)):
        number = settled(proxy)["pool"][f"s{index}"]["request_bytes"]
        assert number == received(shards[index]) - before[index] - extra


@pytest.mark.beyond
def test_numbers_are_of_now(proxy, client):
    key = keys_on(0, 8, 1)[0]
    for _ in range(20):
        before = proxy.stats()["pool"]["s0"]
        client.call("SET", key, "value")
        after = proxy.stats()["pool"]["s0"]
        assert after["requests"] == before["requests"] + 1
        assert after["responses"] == before["responses"] + 1


def test_top_of_the_document(start_proxy, shards):
    proxy = start_proxy([shards[0].port])
    text = document(proxy)
    assert text.endswith(b"}}}\n") and text.count(b"\n") == 1
    top = json.loads(text)
    assert list(top) == [*TOP, "pool"]
    assert (top["service"], top["version"]) == ("nutcracker", "0.5.0")
    assert top["source"] == socket.gethostname()
    assert abs(top["timestamp"] - time.time()) < 3
    assert 0 <= top["uptime"] < 10
    time.sleep(1.1)
    later = proxy.stats()
    assert later["uptime"] > top["uptime"]
    assert later["timestamp"] > top["timestamp"]


def test_one_read_of_8192_bytes_gets_everything(proxy):
    """What getupcloud's exporter does."""
    for _ in range(20):
        with connect(proxy) as connection:
            text = connection.recv(8192)
            assert json.loads(text)["service"] == "nutcracker"
            assert connection.recv(8192) == b""


@pytest.mark.beyond
def test_curl_gets_json_over_http(proxy):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    command = [curl, "-sS", "-i", f"http://{HOST}:{proxy.stats_port}/"]
    status, headers, body = http(subprocess.run(command, capture_output=True, check=True).stdout)
    assert status == "HTTP/1.1 200 OK"
    assert headers["Content-Type"] == "application/json"
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Connection"] == "close"
    assert json.loads(body)["service"] == "nutcracker"


@pytest.mark.beyond
@pytest.mark.parametrize("pause", [0, 0.005, 0.3])
@pytest.mark.parametrize(
    "method, path, status, has_body",
    [("GET", "/any/path?x", 200, True), ("HEAD", "/", 200, False), ("POST", "/", 405, False)],
)
def test_http_request_in_pieces(proxy, method, path, status, has_body, pause):
    with connect(proxy) as connection:
        for piece in (method[:2], f"{method[2:]} {path} HTTP/1.1\r", "\nHost: a\r\n\r", "\n"):
            connection.sendall(piece.encode())
            time.sleep(pause)
        line, headers, body = http(rest(connection))
    assert line.startswith(f"HTTP/1.1 {status} ")
    assert bool(body) == has_body
    assert ("Allow" in headers) == (status == 405)


@pytest.mark.beyond
def test_half_a_request_is_answered_in_the_end(proxy):
    start = time.time()
    with connect(proxy) as connection:
        connection.sendall(b"GET /st")
        assert json.loads(rest(connection))["service"] == "nutcracker"
    assert 0.9 < time.time() - start < 4


@pytest.mark.skipif(IS_NUTCRACKER, reason="resets, if the client reads too late")
@pytest.mark.parametrize("junk", [b"stats\r\n", b"\0" * 100_000, b"GET /\r\n", b"*1\r\n" * 50_000])
def test_whoever_sends_something_else_gets_the_document_and_no_reset(proxy, junk):
    with connect(proxy) as connection:
        connection.sendall(junk)
        time.sleep(0.05)
        assert json.loads(rest(connection))["service"] == "nutcracker"


def test_half_closed_client_is_answered(proxy):
    with connect(proxy) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert json.loads(rest(connection))["service"] == "nutcracker"


def test_many_at_once_all_get_it(proxy):
    connections = [connect(proxy) for _ in range(300)]
    for connection in connections:
        assert json.loads(rest(connection))["service"] == "nutcracker"
        connection.close()


def test_clients_who_leave_at_once_do_no_harm(proxy):
    for _ in range(300):
        connect(proxy).close()
    assert proxy.stats()["service"] == "nutcracker"


@pytest.mark.beyond
def test_those_who_do_not_read_hold_up_nobody(start_proxy, shards):
    """The document is larger than what two sockets hold."""
    servers = "".join(f"    - {HOST}:1:1 server{number}\n" for number in range(40_000))
    more = pool_yaml("large", free_port(), [(1, "first")], distribution="random") + servers
    proxy = start_proxy([shards[0].port], more=more)
    sleepers = [connect(proxy, receive_buffer=4096) for _ in range(2)]
    time.sleep(0.1)
    assert len(proxy.stats()["large"]) > 40_000
    with Client(proxy.port) as client:
        assert client.call("SET", "key", "value") == "OK"
    with connect(proxy, receive_buffer=4096) as slow:
        time.sleep(0.5)
        assert len(json.loads(rest(slow))["large"]) > 40_000
    # Five seconds without a byte taken are too many.
    time.sleep(6)
    for sleeper in sleepers:
        with pytest.raises((ConnectionResetError, json.JSONDecodeError)):
            json.loads(rest(sleeper))
        sleeper.close()


def test_idle_clients_make_way(proxy):
    idle = [connect(proxy) for _ in range(100)]
    for connection in idle:
        connection.sendall(b"GET /")
    start = time.time()
    assert proxy.stats()["service"] == "nutcracker"
    assert time.time() - start < 2
    for connection in idle:
        connection.close()


def test_taken_port_ends_the_start(shared_proxy, tmp_path):
    """Before a pool listens, so that a running proxy keeps its unix sockets."""
    listen = tmp_path / "pool.sock"
    configuration = tmp_path / "proxy.yml"
    configuration.write_text(f"pool:\n  listen: {listen}\n  servers:\n    - {HOST}:1:1\n")
    command = [BINARY, "-c", configuration, "-o", tmp_path / "log", "-a", HOST]
    outcome = subprocess.run([*command, "-s", str(shared_proxy.stats_port)], timeout=10)
    assert outcome.returncode == 1
    log = (tmp_path / "log").read_text()
    address = f"{HOST}:{shared_proxy.stats_port}"
    words = rf"bind on m \d+ to stats server addr '{address}' failed: Address already in use\n"
    assert re.search(words, log), log
    assert not listen.exists()


@pytest.mark.skipif(IS_NUTCRACKER, reason="writes names as they are")
def test_names_are_escaped(start_proxy, shards):
    name = 'a"b\\\\c\\x01é'
    more = pool_yaml(f'"{name}"', free_port(), [(1, "s0")]).replace('""', '"')
    proxy = start_proxy([shards[0].port], more=more.replace('a"b', 'a\\"b'))
    assert 'a"b\\c\x01é' in proxy.stats()


def test_described_statistics_are_those_of_the_document(proxy):
    described = subprocess.run([BINARY, "-D"], capture_output=True, check=True).stderr.decode()
    names = re.findall(r"^  (\w+) +\"", described, re.MULTILINE)
    pool = proxy.stats()["pool"]
    fields = [name for name in pool if not isinstance(pool[name], dict)]
    assert names == fields + list(pool["s0"])
