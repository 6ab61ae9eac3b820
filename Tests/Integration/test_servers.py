"""How connections to servers are made: how many, when, where to, and what they begin with."""

import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from fakes import echo
from launch import AnyClient, Program, pool, wait_until
from ports import HOST, free_port
from resp import Error
from two_servers import BAD, GOOD, REFUSED

beyond = pytest.mark.beyond
UNRESOLVED = Error("ERR Host is down")


@pytest.fixture
def start(tmp_path):
    """Starts proxies: `start([server line, …], directive=value)`."""
    programs = []

    def start_one(servers, listen=None, address=None, arguments=(), **directives):
        address = address or free_port()
        yaml = pool("pool", listen or f"{HOST}:{address}", servers, **directives)
        programs.append(Program(tmp_path / str(len(programs)), yaml, address, *arguments))
        return programs[-1]

    yield start_one
    try:
        for program in programs:
            program.stop()
    finally:
        for program in programs:
            program.kill()


def server(port, host=HOST):
    return f"{host}:{port}:1 s0"


# How many, and when


def test_connections_are_opened_first_and_then_used_in_turn(start_fake, start):
    used = []

    def note(connection):
        while connection.request() is not None:
            used.append(connection.index)
            connection.send(b"+OK\r\n")

    program = start([server(start_fake(note).port)], server_connections=3)
    with AnyClient(program.address) as client, AnyClient(program.address) as other:
        for turn in range(12):
            assert (client, other)[turn % 2].call("SET", "k", turn) == "OK"
    assert used == [0, 1, 2] * 4


@pytest.mark.parametrize("preconnect", [True, False])
def test_preconnect_opens_one_connection_before_any_request(start_fake, start, preconnect):
    fake = start_fake(echo)
    directives = {"preconnect": str(preconnect).lower(), "server_connections": 3}
    program = start([server(fake.port)], **directives)
    with AnyClient(program.address) as client:
        assert client.call("PING") == "PONG"
        wait_until(lambda: fake.connections, 5 if preconnect else 0.2)
        assert len(fake.connections) == int(preconnect)
        for _ in range(6):
            assert client.call("GET", "k") == b"k"
    assert len(fake.connections) == 3


@beyond
def test_preconnect_tries_again_until_the_server_is_there(start_fake, start):
    port = free_port()
    program = start([server(port)], preconnect="true")
    time.sleep(0.3)
    fake = start_fake(echo, port)
    assert wait_until(lambda: fake.connections, 3), "nobody came"
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == b"k"
    assert len(fake.connections) == 1


@beyond
def test_preconnect_is_renewed_when_the_server_ends_it(start_fake, start):
    fake = start_fake(lambda connection: (time.sleep(0.05), connection.fin()))
    start([server(fake.port)], preconnect="true")
    assert wait_until(lambda: len(fake.connections) >= 3, 5)


def test_request_does_not_wait_for_the_back_off(start_fake, start):
    """After many attempts in vain the next is seconds away. A request makes its own, at once."""
    port = free_port()
    program = start([server(port)], preconnect="true")
    with AnyClient(program.address) as client:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            since = time.monotonic()
            assert client.call("GET", "k") == REFUSED
            assert time.monotonic() - since < 0.3
            time.sleep(0.1)
        start_fake(echo, port)
        since = time.monotonic()
        assert client.call("GET", "k") == b"k"
        assert time.monotonic() - since < 0.3


# Where to


def try_to_connect(address):
    try:
        return AnyClient(address)
    except OSError:
        return None


class Redis:
    """A redis-server on 127.0.0.1, ::1 and a unix socket, with a password if one is given."""

    def __init__(self, folder, password=None):
        self.port, self.path, self.password = free_port(), folder / "redis.sock", password
        command = ["redis-server", "--port", str(self.port), "--bind", HOST, "::1", "--save", ""]
        command += ["--unixsocket", str(self.path), "--unixsocketperm", "600"]
        command += ["--dir", str(folder)] + (["--requirepass", password] if password else [])
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.client = wait_until(lambda: try_to_connect(self.path))
        if password:
            assert self.client.call("AUTH", password) == "OK"

    def keys(self, database):
        assert self.client.call("SELECT", database) == "OK"
        return sorted(self.client.call("KEYS", "*"))

    def address(self, kind):
        return f"{self.path}:1 s0" if kind == "unix" else server(self.port)

    def stop(self):
        self.client.close()
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    redis = Redis(tmp_path_factory.mktemp("secured"), "secret")
    yield redis
    redis.stop()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    redis = Redis(tmp_path_factory.mktemp("plain"))
    yield redis
    redis.stop()


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_unix_sockets_on_both_sides(plain, start, tmp_path, mode):
    path = tmp_path / "pool.sock"
    path.write_text("left behind by somebody")
    program = start([plain.address("unix")], listen=f"{path} {mode:04o}", address=path)
    status = os.stat(path)
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == mode
    with AnyClient(path) as client:
        assert client.pipeline([("SET", "k", "unix"), ("GET", "k")]) == ["OK", b"unix"]
        assert client.call("MGET", "k", "none") == [b"unix", None]
    assert program.is_alive()


def test_missing_unix_socket_of_a_server(start, plain, tmp_path):
    missing = tmp_path / "missing.sock"
    program = start([f"{missing}:1 s0", server(plain.port).replace("s0", "s1")])
    with AnyClient(program.address) as client:
        error = Error("ERR No such file or directory")
        requests = [("GET", BAD), ("SET", GOOD, "1"), ("GET", BAD), ("GET", GOOD)]
        assert client.pipeline(requests) == [error, "OK", error, b"1"]
        missing.symlink_to(plain.path)
        assert client.call("SET", BAD, "2") == "OK"


def test_ipv6_on_both_sides(plain, start):
    port = free_port()
    listen = ("::1", port)
    start([server(plain.port, "::1")], listen=f"::1:{port}", address=listen)
    with AnyClient(listen) as client:
        assert client.pipeline([("SET", "k", "six"), ("GET", "k")]) == ["OK", b"six"]


def test_names(plain, start):
    """One that resolves and one that does not: start, and the other server, do not suffer."""
    bad = "no-such-host.invalid"
    program = start([server(1234, bad), f"localhost:{plain.port}:1 s1"])
    with AnyClient(program.address) as client:
        for turn in range(3):
            requests = [("SET", GOOD, turn), ("GET", BAD), ("GET", GOOD)]
            assert client.pipeline(requests) == ["OK", UNRESOLVED, b"%d" % turn]
        since = time.monotonic()
        assert client.call("GET", BAD) == UNRESOLVED
        assert time.monotonic() - since < 0.5, "a request waited for the name server"


# Socket options


def sockets(port, is_local):
    """Rows of /proc/net/tcp with an established connection from or to a port."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    end = f":{port:04X}"
    return [row for row in rows if row[1 if is_local else 2].endswith(end) and row[3] == "01"]


@pytest.mark.parametrize("is_on", [pytest.param(True, marks=beyond), False])
def test_tcpkeepalive_on_clients_and_servers(plain, start, is_on):
    """Timer 2 of an idle socket is that of its keep-alive."""
    program = start([server(plain.port)], tcpkeepalive=str(is_on).lower())
    with AnyClient(program.address) as client:
        assert client.call("SET", "k", "v") == "OK"

        def timers():
            rows = sockets(program.address, True) + sockets(plain.port, False)
            return [row[5][:2] for row in rows]

        # Servers are always watched: a connection that the network forgot is to be found.
        wanted = ["02" if is_on else "00", "02"]
        assert wait_until(lambda: timers() == wanted), timers()


def test_backlog(plain, start, tmp_path):
    """As many wait to be accepted as it says, and one more, as the kernel counts."""
    path = tmp_path / "pool.sock"
    program = start([plain.address("unix")], listen=path, address=path, backlog=5)
    with AnyClient(path) as client:
        assert client.call("PING") == "PONG"
    waiting = []
    program.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(6):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            waiting[-1].connect(str(path))
        with socket.socket(socket.AF_UNIX) as last:
            last.setblocking(False)
            with pytest.raises(BlockingIOError):
                last.connect(str(path))
    finally:
        program.process.send_signal(signal.SIGCONT)
        for connection in waiting:
            connection.close()
    # A connection attempt with a time-out does not wait for a place in the queue.
    with wait_until(lambda: try_to_connect(path)) as client:
        assert client.call("PING") == "PONG"


# What they begin with


@beyond
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_auth_and_select_on_every_connection(secured, start, kind):
    secured.client.call("FLUSHALL")
    program = start(
        [secured.address(kind)], redis_auth="secret", redis_db=3, server_connections=2)
    with AnyClient(program.address) as client:
        assert client.call("AUTH", "secret") == "OK"
        names = [f"k{number}" for number in range(20)]
        for turn, name in enumerate(names):
            if turn % 4 == 3:
                secured.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                wait_until(lambda: program.stats()["pool"]["s0"]["server_connections"] == 0)
            assert client.call("SET", name, turn) == "OK"
    assert secured.keys(3) == sorted(name.encode() for name in names)
    assert secured.keys(0) == []


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize(
    "password, database", [("wrong", 3), pytest.param("secret", 99, marks=beyond)])
def test_refused_greeting_never_lets_a_request_through(
    secured, start, kind, password, database
):
    secured.client.call("FLUSHALL")
    program = start([secured.address(kind)], redis_auth=password, redis_db=database)
    with AnyClient(program.address) as client:
        assert client.call("AUTH", password) == "OK"
        for _ in range(3):
            got = client.pipeline([("SET", "k", "v"), ("GET", "k"), ("MSET", "a", "1", "b", "2")])
            assert all(isinstance(reply, Error) for reply in got), got
    assert [secured.keys(number) for number in (0, 3)] == [[], []]
