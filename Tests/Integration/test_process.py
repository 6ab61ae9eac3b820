"""The process as its operator sees it: daemon, pid file, log, signals, the end, and limits."""

import os
import resource
import signal
import subprocess
import threading
import time

import pytest

from fakes import answer, echo
from launch import AnyClient, Program, connect, pool, wait_until
from ports import HOST, free_port
from proxy import BINARY
from resp import Closed, encode

beyond = pytest.mark.beyond


@pytest.fixture
def start(tmp_path):
    """Starts proxies over one server: `start(port, argument…, directive=value)`."""
    programs = []

    def start_one(port, *arguments, files=None, **directives):
        listen = free_port()
        yaml = pool("pool", f"{HOST}:{listen}", [f"{HOST}:{port}:1 s0"], **directives)
        folder = tmp_path / str(len(programs))
        programs.append(Program(folder, yaml, listen, *arguments, files=files))
        return programs[-1]

    yield start_one
    try:
        for program in programs:
            if program in Program.running:
                program.stop()
    finally:
        for program in programs:
            program.kill()


def has_ended(pid):
    try:
        os.kill(pid, 0)
        return False
    except ProcessLookupError:
        return True


@beyond
def test_daemon_holds_its_pid_file_and_removes_it(start_fake, tmp_path):
    port, stats, path = free_port(), free_port(), tmp_path / "pid"
    configuration, log = tmp_path / "proxy.yml", tmp_path / "log"
    servers = [f"{HOST}:{start_fake(echo).port}:1 s0"]
    configuration.write_text(pool("pool", f"{HOST}:{port}", servers))
    command = [BINARY, "-d", "-c", configuration, "-o", log, "-p", path, "-a", HOST]
    assert subprocess.run([*command, "-s", str(stats)], timeout=10).returncode == 0
    assert wait_until(lambda: path.exists() and path.read_text())
    pid = int(path.read_text())
    try:
        assert wait_until(lambda: b"PONG" in ping(port))
        other = [BINARY, *command[2:], "-s", str(free_port())]
        assert subprocess.run(other, timeout=10).returncode == 1, "a second one has started"
        assert f"pid file '{path}' is held by another process" in log.read_text()
        assert path.read_text() == str(pid)
        assert b"PONG" in ping(port)
    finally:
        os.kill(pid, signal.SIGTERM)
    assert wait_until(lambda: has_ended(pid))
    assert not path.exists()


def ping(port):
    try:
        with connect(port) as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            return connection.recv(100)
    except OSError:
        return b""


def test_log_rotation(start_fake, start):
    """What is logged after SIGHUP is in a new file; the renamed one stays as it was."""
    program = start(start_fake(echo).port)
    renamed = program.log_path.with_suffix(".1")
    for _ in range(3):
        program.log_path.rename(renamed)
        before = renamed.read_text()
        program.process.send_signal(signal.SIGHUP)
        assert wait_until(program.log_path.exists)
        program.process.send_signal(signal.SIGTTIN)
        assert wait_until(lambda: "SIGTTIN" in program.log_path.read_text())
        # The line that announces SIGHUP itself is still in the old one.
        assert "SIGTTIN" not in renamed.read_text()[len(before):]
        assert b"PONG" in ping(program.address)


def test_signals_that_change_the_log_level_or_nothing(start_fake, start):
    program = start(start_fake(echo).port)
    with AnyClient(program.address) as client:
        for sent, text in [
            (signal.SIGTTIN, "up log level to 6"), (signal.SIGTTOU, "down log level to 5"),
            (signal.SIGUSR1, "signal 10 (SIGUSR1) received"),
            (signal.SIGUSR2, "signal 12 (SIGUSR2) received"),
        ]:
            program.process.send_signal(sent)
            assert wait_until(lambda: text in program.log_path.read_text()), text
            assert client.call("GET", "k") == b"k"


def test_nothing_is_logged_per_request_or_client(shards, start):
    program = start(shards[0].port)
    size = program.log_path.stat().st_size
    for _ in range(20):
        with AnyClient(program.address) as client:
            client.pipeline([("SET", "k", "v"), ("INCR", "k"), ("GET", "none"), ("PING",)] * 50)
            client.send("GET", "k")
    assert program.log_path.stat().st_size == size, program.log()


# The end


@beyond
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_drain(start_fake, start, sent):
    """Requests in flight are answered, idle clients closed, new ones refused, the status is 0."""
    release = threading.Event()

    def slow(connection):
        while (arguments := connection.request()) is not None:
            release.wait(10)
            connection.send(answer(arguments))

    fake = start_fake(slow)
    program = start(fake.port)
    busy = [AnyClient(program.address) for _ in range(20)]
    idle, partial = AnyClient(program.address), AnyClient(program.address)
    partial.write(encode("GET", "never finished")[:-4])
    for number, client in enumerate(busy):
        client.write(encode("GET", f"k{number}") + encode("GET", "second"))
    assert wait_until(lambda: program.stats()["pool"]["s0"]["requests"] == 40)
    program.process.send_signal(sent)
    assert idle.rest() == b"" and partial.rest() == b""
    assert wait_until(lambda: not ping(program.address))
    with pytest.raises(OSError):
        connect(program.address)
    assert program.is_alive()
    Program.running.remove(program)
    release.set()
    for number, client in enumerate(busy):
        assert client.replies(2) == [b"k%d" % number, b"second"]
        with pytest.raises(Closed):
            client.reply()
    assert program.process.wait(5) == 0
    assert not program.pid_path.exists()


@beyond
def test_drain_waits_no_longer_than_it_may(start_fake, start):
    fake = start_fake(lambda connection: connection.wait_for_close())
    program = start(fake.port, "--shutdown-timeout", "1")
    with AnyClient(program.address) as client:
        client.send("GET", "k")
        assert wait_until(lambda: fake.connections)
        Program.running.remove(program)
        since = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(10) == 0
        assert 0.9 < time.monotonic() - since < 3
        assert client.rest() == b""


@beyond
def test_second_signal_does_not_wait(start_fake, start):
    fake = start_fake(lambda connection: connection.wait_for_close())
    program = start(fake.port, "--shutdown-timeout", "100")
    with AnyClient(program.address) as client:
        client.send("GET", "k")
        assert wait_until(lambda: fake.connections)
        Program.running.remove(program)
        program.process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: "SIGTERM" in program.log_path.read_text())
        assert program.process.poll() is None
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(5) == 0


# Limits


def answers(client):
    """Whether a client is served, instead of closed."""
    try:
        return client.call("PING") == "PONG"
    except (Closed, OSError):
        return False


@beyond
def test_few_descriptors_are_for_few_clients(start_fake, start):
    """64 descriptors: 30 clients are served, the others closed at once, without spinning."""
    program = start(start_fake(echo).port, files=(64, 64))
    for _ in range(3):
        clients = [AnyClient(program.address) for _ in range(200)]
        served = [client for client in clients if answers(client)]
        assert len(served) == 30, len(served)
        assert all(client.call("GET", "k") == b"k" for client in served)
        busy = program.cpu_seconds()
        time.sleep(0.3)
        assert program.cpu_seconds() - busy < 0.1
        for client in clients:
            client.close()
        assert wait_until(lambda: program.stats()["pool"]["client_connections"] == 0)


@beyond
def test_descriptors_run_out(start_fake, start):
    """The system refuses while clients wait: no spinning, and all are served in the end."""
    program = start(start_fake(echo).port)
    assert wait_until(lambda: program.stats()["pool"]["client_connections"] == 0)
    folder = f"/proc/{program.process.pid}/fd"
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == b"k"
        limits = resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE)
        few = max(map(int, os.listdir(folder))) + 6
        resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (few, limits[1]))
        clients = [AnyClient(program.address) for _ in range(50)]
        for other in clients:
            other.send("GET", "k")
        busy = program.cpu_seconds()
        time.sleep(0.5)
        assert program.cpu_seconds() - busy < 0.1
        assert client.call("GET", "k") == b"k"
        # As each leaves, the next comes in.
        for other in clients:
            assert other.reply() == b"k"
            other.close()
        resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, limits)
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == b"k"


@beyond
def test_client_connections(start_fake, start):
    program = start(start_fake(echo).port, client_connections=5)
    assert wait_until(lambda: program.stats()["pool"]["client_connections"] == 0)
    clients = [AnyClient(program.address) for _ in range(5)]
    assert all(client.call("GET", "k") == b"k" for client in clients)
    for _ in range(3):
        with AnyClient(program.address) as refused:
            assert refused.rest() == b"-ERR max number of clients reached\r\n"
    clients.pop().close()
    assert wait_until(lambda: program.stats()["pool"]["client_connections"] == 4)
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == b"k"
    for client in clients:
        client.close()


@beyond
def test_limit_of_descriptors_is_raised(start_fake, start):
    program = start(start_fake(echo).port, files=(100, 200))
    assert resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE) == (200, 200)
