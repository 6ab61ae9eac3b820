"""What the log says of clients and servers, at which level, and how often."""

import os
import re
import signal
import socket
import time

import pytest

from fakes import echo
from launch import AnyClient, Program, pool, wait_until
from ports import HOST, free_port
from resp import encode

beyond = pytest.mark.beyond


@pytest.fixture
def start(tmp_path):
    """Starts a proxy: `start(port, *arguments, **directives)`."""
    programs = []

    def start(server, *arguments, listen=None, **directives):
        address = listen or free_port()
        listening = address if listen else f"{HOST}:{address}"
        yaml = pool("pool", listening, [f"{HOST}:{server}:1 s0"], **directives)
        folder = tmp_path / str(len(programs))
        programs.append(Program(folder, yaml, address, *arguments))
        return programs[-1]

    yield start
    for program in programs:
        if program in Program.running:
            program.stop()
        program.kill()


def logged(program, pattern):
    """All lines that match, once there is one; with the levels they have."""
    lines = wait_until(lambda: re.findall(rf"\] (\w+) (.*{pattern}.*)", program.log()), 3)
    assert lines, f"no line matches {pattern!r}:\n{program.log()}"
    return lines


def address_of(client):
    return re.escape("%s:%d" % client.socket.getsockname())


# Ends by the proxy's own decision

REDIS_ENDS = [
    (b"*-5\r\n", None),  # redis takes it for no request
    (b"*3000000000\r\n", "invalid number of arguments"),
    (b"*1\r\n$-4\r\n", "invalid length of an argument"),
    (b"*1\r\n:4\r\n", "something else than the length of an argument"),
    (b"*1\r\n$4\r\nPINGPING", "without a line end behind it"),
    (b'GET "a\r\n', "unbalanced quotes"),
    (b"a" * 70_000, "too long a line"),
    (b"*1\r\n$4\r\nQUIT\r\n", None),
]

MEMCACHE_ENDS = [
    (b"a" * 70_000 + b"\r\n", "too long a line"),
    (b"\x80\x00" + b"\x00" * 22, "binary protocol"),
    (b"GET / HTTP/1.1\r\n", "HTTP"),
    (b"quit\r\n", None),
]


def check_end(program, sent, reason):
    with AnyClient(program.address) as client:
        address = address_of(client)
        client.write(sent)
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()
    if reason is None:
        return
    ((level, line),) = logged(program, f"pool 'pool' closed a client .{address}. .*{reason}")
    assert level == "warning", line


@beyond
@pytest.mark.parametrize(("sent", "reason"), REDIS_ENDS)
def test_each_end_of_a_redis_client_has_a_reason_and_an_address(start_fake, start, sent, reason):
    program = start(start_fake(echo).port)
    check_end(program, sent, reason)
    if reason is None:
        assert "closed a client" not in program.log()


@beyond
@pytest.mark.parametrize(("sent", "reason"), MEMCACHE_ENDS)
def test_each_end_of_a_memcache_client_has_a_reason_and_an_address(
    start_fake, start, sent, reason
):
    program = start(start_fake(echo).port, redis="false")
    check_end(program, sent, reason)
    if reason is None:
        assert "closed a client" not in program.log()


@beyond
def test_a_client_of_a_unix_socket_is_known_by_its_process(start_fake, start, tmp_path):
    program = start(start_fake(echo).port, listen=tmp_path / "s")
    with AnyClient(program.address) as client:
        client.write(b"*1\r\n:4\r\n")
        client.rest()
    logged(program, r"closed a client .process \d+ of user \d+. that sent")


@beyond
def test_a_reply_that_is_broken_off(start_fake, start):
    def script(connection):
        connection.request()
        connection.send(b"$4000000\r\n" + b"x" * 3_000_000)

    program = start(start_fake(script).port)
    with AnyClient(program.address) as client:
        client.send("GET", "k")
        assert 1_000_000 < len(client.rest()) < 4_000_000
        address = address_of(client)
    logged(program, f"closed a client .{address}. that was in the middle of a reply")


@beyond
def test_a_client_too_many(start_fake, start):
    program = start(start_fake(echo).port, client_connections=1)
    assert wait_until(lambda: program.stats()["pool"]["client_connections"] == 0)
    with AnyClient(program.address) as client, AnyClient(program.address) as refused:
        assert refused.rest() == b"-ERR max number of clients reached\r\n"
        address = address_of(refused)
        logged(program, f"pool 'pool' refused a client .{address}.: it has 1, and may have no more")
        assert client.call("GET", "k") == b"k"


@beyond
def test_clients_that_are_cut_off_at_the_end(start_fake, start):
    program = start(
        start_fake(lambda connection: connection.wait_for_close()).port, "--shutdown-timeout", "1")
    clients = [AnyClient(program.address) for _ in range(3)]
    for client in clients:
        client.send("GET", "k")
    assert wait_until(lambda: program.stats()["pool"]["s0"]["requests"] == 3)
    Program.running.remove(program)
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(10) == 0
    ((level, _),) = logged(program, "pool 'pool' closed 3 clients that were still there")
    assert level == "warning"
    for client in clients:
        client.close()


@beyond
def test_a_flood_of_bad_clients_is_a_line_a_second_and_loses_no_count(start_fake, start):
    program = start(start_fake(echo).port)
    since, sent = time.monotonic(), 0
    while time.monotonic() - since < 2.5:
        with AnyClient(program.address) as client:
            client.write(b"*1\r\n:4\r\n")
            client.rest()
        sent += 1
    time.sleep(1)
    with AnyClient(program.address) as client:
        client.write(b"*1\r\n:4\r\n")
        client.rest()
    wait_until(lambda: re.search(r"and \d+ times more", program.log(1 << 20)))
    lines = [line for _, line in logged(program, "closed a client")]
    assert 3 <= len(lines) <= 5, lines
    untold = [int(number) for number in re.findall(r"and (\d+) times more", "\n".join(lines))]
    assert sum(untold) + len(lines) == sent + 1


# Levels


def at_level(program, level):
    """Moves the level of the log by signals, from 5."""
    for step in range(level - 5):
        program.process.send_signal(signal.SIGTTIN)
        assert wait_until(lambda: f"up log level to {6 + step}" in program.log())


@beyond
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("level", [5, 6, 7, 11])
def test_what_each_level_shows(start_fake, start, level, moved):
    """By -v and by SIGTTIN: server connections from 6 on, clients from 7 on."""
    fake = start_fake(echo)
    program = start(fake.port, *([] if moved else ["-v", str(level)]))
    if moved:
        at_level(program, level)
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == b"k"
        address = address_of(client)
    with AnyClient(program.address) as broken:
        broken_address = address_of(broken)
        assert broken.call("GET", "k") == b"k"
        broken.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert wait_until(lambda: program.stats()["pool"]["client_connections"] == 0)
    fake.connections[0].socket.shutdown(socket.SHUT_RDWR)
    assert wait_until(lambda: program.stats()["pool"]["s0"]["server_eof"] == 1)
    text = program.log(1 << 20)
    server = rf"info pool 'pool' server 's0' \({HOST}:{fake.port}\)"
    shown = {
        rf"{server} is connected": 6,
        rf"{server} ended an idle connection": 6,
        rf"debug pool 'pool' accepted client \d+ \({address}\)": 7,
        rf"debug pool 'pool' has done with client \d+ \({address}\)": 7,
        rf"debug pool 'pool' accepted client \d+ \({broken_address}\)": 7,
        r"debug pool 'pool' lost client \d+.*: Connection reset by peer": 7,
    }
    for pattern, least in shown.items():
        assert bool(re.search(pattern, text)) == (level >= least), (pattern, text)


@beyond
def test_level_goes_down_again(start_fake, start):
    program = start(start_fake(echo).port, "-v", "7")
    with AnyClient(program.address):
        logged(program, "accepted client")
    for level in (6, 5):
        program.process.send_signal(signal.SIGTTOU)
        assert wait_until(lambda: f"down log level to {level}" in program.log())
    before = program.log(1 << 20).count("accepted client")
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == b"k"
    assert program.log(1 << 20).count("accepted client") == before


@beyond
def test_probes_are_told_at_level_6(start_fake, start):
    fake = start_fake(echo)
    program = start(
        fake.port, "-v", "6", auto_eject_hosts="true", server_failure_limit=1,
        server_retry_timeout=100)
    fake.stop()
    with AnyClient(program.address) as client:
        client.call("GET", "k")
    logged(program, "is ejected; it is probed every 100 ms")
    lines = logged(program, "did not answer a probe: Connection refused")
    assert {level for level, _ in lines} == {"info"}


# The start


@beyond
def test_a_healthy_start_says_what_listens_where(start_fake, start):
    program = start(start_fake(echo).port, "--workers=2", "--memory=64")
    text = program.log()
    assert re.search(
        rf"notice configuration file '.*/proxy.yml': 1 pools, 1 servers; 2 workers, 64 MiB of "
        rf"message memory, statistics on '{HOST}:{program.stats_port}'", text), text
    line = f"notice pool 'pool' on '{HOST}:{program.port}': redis, 1 servers, modula of crc32a"
    assert line in text
    assert "password" not in text


@beyond
@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, False), (0o600, False)])
def test_a_password_that_everybody_may_read_is_warned_of(start_fake, start, mode, warned):
    before = os.umask(0o777 & ~mode)
    try:
        program = start(start_fake(echo).port, redis_auth="secret")
    finally:
        os.umask(before)
    assert program.configuration.stat().st_mode & 0o777 == mode
    assert ("warning configuration file" in program.log()) == warned
    assert "secret" not in program.log()
