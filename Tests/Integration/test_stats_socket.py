"""`-a` with a path: the statistics on a unix socket, as scripts that came with nutcracker read them."""

import json
import signal
import socket

import pytest

from fakes import echo
from launch import AnyClient, Program, connect, pool, wait_until
from ports import HOST, free_port

beyond = pytest.mark.beyond


@pytest.fixture
def run(tmp_path, start_fake):
    """Starts a proxy with its statistics on `path`."""
    programs = []
    fake = start_fake(echo)

    def run(path, *arguments):
        listen = free_port()
        yaml = pool("pool", f"{HOST}:{listen}", [f"{HOST}:{fake.port}:1 s0"])
        folder = tmp_path / f"run{len(programs)}"
        programs.append(Program(folder, yaml, listen, "-a", str(path), *arguments))
        return programs[-1]

    yield run
    for program in programs:
        program.kill()


def read(path, sent=b""):
    with connect(path) as connection:
        if sent:
            connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_the_document_is_on_the_socket(run, tmp_path):
    path = tmp_path / "stats.sock"
    program = run(path)
    assert json.loads(read(path))["pool"]["s0"]["requests"] == 0
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == b"k"
    assert wait_until(lambda: json.loads(read(path))["pool"]["s0"]["requests"] == 1)
    # And on no port.
    with pytest.raises(OSError):
        socket.create_connection((HOST, program.stats_port), 1)
    Program.running.remove(program)


@beyond
def test_http_is_answered_there_too(run, tmp_path):
    program = run(tmp_path / "s")
    answer = read(tmp_path / "s", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["service"] == "nutcracker"
    program.stop()


@beyond
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_the_socket_is_removed_at_the_end(run, tmp_path, sent):
    path = tmp_path / "s"
    program = run(path)
    assert path.is_socket()
    Program.running.remove(program)
    program.process.send_signal(sent)
    assert program.process.wait(10) == 0
    assert not path.exists()


@beyond
def test_the_socket_of_a_killed_proxy_is_replaced(run, tmp_path):
    path = tmp_path / "s"
    run(path).kill()
    assert path.is_socket()
    with pytest.raises(OSError):
        connect(path)
    program = run(path)
    assert json.loads(read(path))["uptime"] >= 0
    program.stop()


@beyond
def test_a_second_proxy_takes_nothing_from_the_first(run, tmp_path):
    path = tmp_path / "s"
    program = run(path)
    with pytest.raises(AssertionError, match="Address already in use"):
        run(path)
    assert json.loads(read(path))["service"] == "nutcracker"
    del Program.running[1:]
    program.stop()
