"""Nobody waits for what is not his: clients that write all before they read, slow readers, slow and
frozen servers, and many big requests at once. Sizes are in MiB, times in seconds."""

import signal
import socket
import subprocess
import threading
import time

import pytest

from fakes import FakeServer
from launch import IS_LONG, Program, lines_of, pool, wait_until
from memcached import Line, MemcachedServer
from ports import HOST, free_port
from proxy import BINARY
from resp import Client, Error, encode
from shards import RedisServer, key_on, keys_on

MIB = 2**20
BUSY = Error("ERR Device or resource busy")

pytestmark = pytest.mark.beyond


@pytest.fixture
def two(tmp_path):
    """Two redis-servers that nobody else uses, so that one may be stopped."""
    servers = [RedisServer(tmp_path / f"own{index}") for index in range(2)]
    try:
        for server in servers:
            assert server.call("PING") == "PONG"
        yield servers
    finally:
        for server in servers:
            server.process.send_signal(signal.SIGCONT)
            server.stop()


@pytest.fixture
def launch(tmp_path):
    """Starts a proxy with arguments of the test's own: `launch(servers, "--memory=64", …)`."""
    started = []

    def start(servers, *arguments, **directives):
        port = free_port()
        ports = [server.port for server in servers]
        yaml = pool("pool", f"{HOST}:{port}", lines_of(ports), **directives)
        program = Program(tmp_path / f"flow{len(started)}", yaml, port, *arguments)
        started.append(program)
        return program

    yield start
    for program in started:
        program.kill()


class Bystander:
    """Asks one thing after another, and notes how long each answer takes."""

    def __init__(self, port, *request):
        self.request = request
        self.client = Client(port)
        self.times, self.replies = [], set()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            start = time.monotonic()
            try:
                self.replies.add(repr(self.client.call(*self.request)))
            except Exception as error:  # pylint: disable=broad-except
                self.replies.add(repr(error))
                return
            self.times.append(time.monotonic() - start)
            time.sleep(0.002)

    def stop(self):
        self.ended.set()
        self.thread.join(30)
        self.client.close()
        return self

    def high(self, share=0.98):
        """The time that this share of the answers took at most."""
        return sorted(self.times)[int(len(self.times) * share)] if self.times else float("inf")


def quiet_time(port, *request):
    """What a bystander sees while nothing else happens."""
    bystander = Bystander(port, *request)
    time.sleep(0.5)
    return bystander.stop().high()


def is_near(loud, quiet):
    """Whether others do not notice: far from the seconds that waiting for somebody else takes."""
    return loud < max(20 * quiet, 0.3)


# MARK: Clients that write all before they read


@pytest.mark.parametrize("count, size", [(60_000, 1000), (400_000, 20), (300, 600_000)])
def test_pipeline_written_before_anything_is_read(two, launch, count, size):
    proxy = launch(two)
    with Client(proxy.port) as setter:
        for index in range(100):
            assert setter.call("SET", f"k{index}", b"v" * size) == "OK"
    client = Client(proxy.port, receive_buffer=64 * 1024)
    client.write(b"".join(encode("GET", f"k{index % 100}") for index in range(count)))
    for _ in range(count):
        assert len(client.reply()) == size
    client.close()


def test_writes_of_more_than_a_queue_takes_before_anything_is_read(two, launch):
    """The queue of each server takes 1 MiB here; the client has written 60 before it reads."""
    proxy = launch(two, server_queue_bytes=MIB)
    with Client(proxy.port) as client:
        requests = [encode("SET", f"k{index}", b"v" * 30_000) for index in range(2000)]
        client.write(b"".join(requests))
        assert client.replies(2000) == ["OK"] * 2000
        assert all(client.call("STRLEN", f"k{index}") == 30_000 for index in range(2000))


def test_client_at_the_end_of_its_share_is_closed_and_the_log_says_so(two, launch):
    """It writes for ever and reads nothing: its share of 32 MiB is 18."""
    proxy = launch(two, "--memory=32")
    two[0].call("SET", "x", "y")
    quiet = quiet_time(proxy.port, "GET", "other")
    bystander = Bystander(proxy.port, "GET", "other")
    greedy = Client(proxy.port, receive_buffer=16384, timeout=30)
    request = encode("ECHO", b"e" * 10_000) * 100
    with pytest.raises(OSError):
        for _ in range(200):
            greedy.write(request)
    bystander.stop()
    assert bystander.replies == {"None"}
    assert is_near(bystander.high(), quiet), (bystander.high(), quiet)
    assert "did not read" in proxy.log() or "memory is at its limit" in proxy.log()
    greedy.close()


# MARK: Slow readers


@pytest.mark.parametrize("timeout", [0, 1000])
@pytest.mark.parametrize("memory", ["--memory=1024", "--memory=64"])
def test_slow_reader_of_a_big_value_gets_all_of_it(two, launch, timeout, memory):
    """Others on the same server go on, and its time-out is no limit to the transfer."""
    size = 150 * MIB
    proxy = launch(two, memory, timeout=timeout)
    big, small = keys_on(0, 2, 2)
    with Client(two[0].port) as setter:
        assert setter.call("SET", big, b"x" * size) == "OK"
        assert setter.call("SET", small, "v") == "OK"
    slow = Client(proxy.port, receive_buffer=256 * 1024)
    with Client(proxy.port) as other:
        slow.send("GET", big)
        total, want, slowest = 0, size + len(b"$%d\r\n\r\n" % size), 0
        asked = 0
        while total < want:
            data = slow.socket.recv(MIB)
            assert data, f"closed after {total} of {want} bytes\n{proxy.log()}"
            total += len(data)
            time.sleep(0.004)
            if total // (8 * MIB) > asked:
                asked += 1
                start = time.monotonic()
                assert other.call("GET", small) == b"v"
                slowest = max(slowest, time.monotonic() - start)
        assert asked > 10
        assert slowest < 2
    slow.close()
    assert proxy.resident_kib() / 1024 < 400


def test_client_that_does_not_read_does_not_stop_those_behind_it(two, launch):
    """Requests which wait behind its reply are answered when it is closed."""
    proxy = launch(two, "--memory=64")
    big, small = keys_on(0, 2, 2)
    with Client(two[0].port) as setter:
        assert setter.call("SET", big, b"x" * (40 * MIB)) == "OK"
        assert setter.call("SET", small, "v") == "OK"
    others = [Client(proxy.port, timeout=40) for _ in range(5)]
    deaf = Client(proxy.port, receive_buffer=16384)
    deaf.send("GET", big)
    for other in others:
        other.send("GET", small)
    assert [other.reply() for other in others] == [b"v"] * 5
    with Client(proxy.port) as later:
        assert later.call("GET", small) == b"v"
    wait_until(lambda: "did not read" in proxy.log(), 15)
    assert "did not read" in proxy.log()
    deaf.close()


def test_mset_and_mget_of_big_values(two, launch):
    proxy = launch(two)
    values = {f"big:{index}": bytes([65 + index]) * (16 * MIB) for index in range(5)}
    with Client(proxy.port, timeout=60) as client:
        pairs = [part for pair in values.items() for part in pair]
        assert client.call("MSET", *pairs) == "OK"
        assert client.call("MGET", *values) == list(values.values())


# MARK: Slow and frozen servers


def test_frozen_server_stops_only_those_who_ask_it(two, launch):
    """As long as it is frozen, and with no time-out at all."""
    proxy = launch(two, "--memory=256")
    frozen, other = key_on(0, 2), key_on(1, 2)
    with Client(proxy.port) as client:
        assert client.call("SET", frozen, "v") == "OK"
        assert client.call("SET", other, "v") == "OK"
    quiet = quiet_time(proxy.port, "GET", other)
    two[0].process.send_signal(signal.SIGSTOP)
    bystanders = [Bystander(proxy.port, "GET", other) for _ in range(3)]
    writer = Client(proxy.port)
    writer.socket.settimeout(1)
    written, request = 0, encode("SET", frozen, b"x" * MIB)
    try:
        while written < 400 * MIB:
            written += writer.socket.send(request)
    except TimeoutError:
        pass
    assert written < 40 * MIB, "the writer is not read any more"
    time.sleep(2)
    for bystander in bystanders:
        bystander.stop()
        assert bystander.replies == {"b'v'"}
        assert is_near(bystander.high(), quiet), (bystander.high(), quiet)
    assert "closed a client" not in proxy.log()
    assert proxy.resident_kib() / 1024 < 100
    # Whoever comes now is told, after some seconds and then at once.
    with Client(proxy.port) as late:
        assert late.call("SET", frozen, b"y") == BUSY
        assert wait_until(lambda: "its queue is full" in proxy.log())
        start = time.monotonic()
        assert late.call("GET", frozen) == BUSY
        assert time.monotonic() - start < 1
    two[0].process.send_signal(signal.SIGCONT)
    with Client(proxy.port, timeout=30) as after:
        assert wait_until(lambda: after.call("SET", frozen, b"z") == "OK", 20)
    writer.close()


class SlowMemcached:
    """Takes so many bytes a second, and counts the values it was told to set."""

    def __init__(self, bytes_per_second):
        self.rate, self.count, self.port = bytes_per_second, 0, free_port()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.listener.bind((HOST, self.port))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listener.accept()
        rest, start, total = b"", time.monotonic(), 0
        while data := connection.recv(64 * 1024):
            total += len(data)
            *lines, rest = (rest + data).split(b"\n")
            self.count += sum(line.startswith(b"set ") for line in lines)
            late = total / self.rate - (time.monotonic() - start)
            if late > 0:
                time.sleep(late)

    def stop(self):
        self.listener.close()


def test_writes_without_a_reply_are_never_dropped(launch):
    """They are written as fast as the socket takes them, and the server takes them slowly."""
    server = SlowMemcached(30 * MIB)
    proxy = launch([server], redis="false", server_queue_bytes=MIB)
    count = 200_000 if IS_LONG else 60_000
    with Line(proxy.port) as line:
        line.socket.settimeout(60)
        for first in range(0, count, 1000):
            line.send(b"".join(
                b"set k%d 0 0 1000 noreply\r\n%s\r\n" % (number, b"v" * 1000)
                for number in range(first, first + 1000)))
        assert wait_until(lambda: server.count >= count, 60), f"{server.count} of {count}"
    assert server.count == count
    assert "failed" not in proxy.log()
    server.stop()


def test_slow_shard_slows_only_its_own_clients(two, launch):
    """A relay in front of one of two servers passes 2 MiB/s."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    port = free_port()
    listener.bind((HOST, port))
    listener.listen()

    def relay():
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection((HOST, two[0].port))
            threading.Thread(target=pump, args=(near, far, 2 * MIB), daemon=True).start()
            threading.Thread(target=pump, args=(far, near, 1 << 40), daemon=True).start()

    def pump(source, target, rate):
        try:
            while data := source.recv(32 * 1024):
                target.sendall(data)
                time.sleep(len(data) / rate)
        except OSError:
            pass

    threading.Thread(target=relay, daemon=True).start()
    slow = type("Server", (), {"port": port})
    proxy = launch([slow, two[1]])
    there, here = key_on(0, 2), key_on(1, 2)
    quiet = quiet_time(proxy.port, "GET", here)
    writer = Client(proxy.port)
    stop = threading.Event()

    def write():
        try:
            while not stop.is_set():
                writer.write(encode("SET", there, b"x" * MIB))
        except OSError:
            pass

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    bystander = Bystander(proxy.port, "GET", here)
    time.sleep(3)
    bystander.stop()
    stop.set()
    writer.reset()
    listener.close()
    assert bystander.replies == {"None"}
    assert is_near(bystander.high(), quiet), (bystander.high(), quiet)


# MARK: Many big requests


def upload(port, key, size, results, pieces=10):
    try:
        with Client(port, timeout=50) as client:
            data = encode("SET", key, b"u" * size)
            step = len(data) // pieces + 1
            for start in range(0, len(data), step):
                client.write(data[start:start + step])
                time.sleep(0.01)
            results.append(client.reply())
    except Exception as error:  # pylint: disable=broad-except
        results.append(repr(error))


def test_uploads_of_more_than_the_memory_are_read_one_after_another(two, launch):
    """Nobody is closed, and those who ask for little go on."""
    proxy = launch(two, "--memory=64")
    quiet = quiet_time(proxy.port, "GET", "other")
    bystander = Bystander(proxy.port, "GET", "other")
    results = []
    threads = [
        threading.Thread(target=upload, args=(proxy.port, f"u{index}", 5 * MIB, results))
        for index in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(55)
    bystander.stop()
    assert results == ["OK"] * 32, proxy.log()
    assert bystander.replies == {"None"}
    assert is_near(bystander.high(), quiet), (bystander.high(), quiet)


def test_uploads_that_stop_half_way_do_not_stop_others(two, launch):
    proxy = launch(two, "--memory=64")
    stopped = []
    for index in range(20):
        client = Client(proxy.port)
        client.socket.settimeout(0.5)
        try:
            client.write(encode("SET", f"s{index}", b"x" * (5 * MIB))[: 4 * MIB])
        except TimeoutError:
            pass
        stopped.append(client)
    results = []
    upload(proxy.port, "whole", 5 * MIB, results)
    assert results == ["OK"], proxy.log()
    for client in stopped:
        client.close()


@pytest.mark.parametrize("workers, size", [(1, 390), (4, 100)])
def test_size_of_a_request_does_not_depend_on_the_workers(two, launch, workers, size):
    proxy = launch(two, f"--workers={workers}")
    with Client(proxy.port, timeout=60) as client:
        key = key_on(0, 2)
        assert client.call("SET", key, b"x" * (size * MIB)) == "OK"
        assert client.call("STRLEN", key) == size * MIB
        client.call("DEL", key)


def test_request_of_more_than_half_the_memory_is_refused(two, launch):
    proxy = launch(two, "--memory=16")
    client = Client(proxy.port)
    client.write(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9000000\r\nxxx")
    assert client.reply() == Error("ERR Protocol error: too big request")
    assert client.rest() == b""


def test_item_of_more_than_half_the_memory_is_refused_as_memcached_does(launch):
    server = MemcachedServer()
    try:
        proxy = launch([server], "--memory=16", redis="false")
        with Line(proxy.port) as line:
            line.send(b"set k 0 0 9000000\r\n" + b"x" * 9_000_000 + b"\r\nget k\r\n")
            assert line.read(44) == b"SERVER_ERROR object too large for cache\r\nEND\r\n"[:44]
            line.send(b"set k 0 0 1\r\nx\r\n")
            assert line.read_until(b"STORED\r\n")
    finally:
        server.stop()


@pytest.mark.parametrize("memory, workers", [(16, 64), (16, 5), (128, 256)])
def test_too_little_memory_for_the_workers_is_refused_at_the_start(tmp_path, memory, workers):
    file = tmp_path / "cashew.yml"
    file.write_text(pool("pool", f"{HOST}:{free_port()}", lines_of([free_port()])))
    result = subprocess.run(
        [BINARY, "-c", file, "-s", str(free_port()), f"--memory={memory}", f"--workers={workers}"],
        capture_output=True, text=True, timeout=10, check=False)
    assert result.returncode == 1
    assert f"--memory={memory} is too little for {workers} workers" in result.stderr


def test_many_workers_with_little_memory_serve(two, launch):
    proxy = launch(two, "--memory=64", "--workers=16")
    clients = [Client(proxy.port) for _ in range(32)]
    for client in clients:
        assert client.call("SET", "k", b"x" * 1_000_000) == "OK"
        client.close()
