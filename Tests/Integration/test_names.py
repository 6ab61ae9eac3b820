"""Servers that are given by name: names that move, have several addresses, or stop resolving.

The proxy gets a hosts file of its own, in a mount namespace, which needs root.
"""

import os
import shlex
import socket
import subprocess
import time

import pytest

from launch import AnyClient, Program, pool
from ports import HOST, free_port
from proxy import BINARY
from resp import Error

OTHER, SILENT = "127.0.0.2", "127.0.0.3"
NAME = "moving.test"

CAN_MOUNT = os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"]).returncode == 0
pytestmark = [
    pytest.mark.beyond,
    pytest.mark.skipif(not CAN_MOUNT, reason="mounting needs root"),
]


def saying(text):
    """A script: a server that says which one it is."""

    def serve(connection):
        while connection.request() is not None:
            connection.send(b"+%s\r\n" % text)

    return serve


class Named:
    """A hosts file for one proxy, which may change at any time."""

    def __init__(self, folder):
        self.path = folder / "hosts"
        self.program = folder / "with-hosts"
        mount = f"mount --bind {shlex.quote(str(self.path))} /etc/hosts"
        self.program.write_text(
            f"#!/bin/sh\nexec unshare -m sh -c '{mount} && exec \"$@\"' sh "
            f"{shlex.quote(str(BINARY.resolve()))} \"$@\"\n")
        self.program.chmod(0o755)
        self.point()

    def point(self, *addresses):
        """In place: the proxy sees the same file."""
        with open(self.path, "w") as file:
            file.writelines(f"{address} {NAME}\n" for address in addresses)


@pytest.fixture
def named(tmp_path):
    return Named(tmp_path)


@pytest.fixture
def start(tmp_path, named):
    programs = []

    def start_one(port, **directives):
        listen = free_port()
        yaml = pool("pool", f"{HOST}:{listen}", [f"{NAME}:{port}:1 s0"], **directives)
        folder = tmp_path / f"program{len(programs)}"
        programs.append(Program(folder, yaml, listen, binary=named.program))
        return programs[-1]

    yield start_one
    for program in programs:
        program.kill()


class SilentAddress:
    """A listener whose queue is full: nobody is accepted, and nobody is refused."""

    def __init__(self, port):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((SILENT, port))
        self.listener.listen(0)
        self.waiting = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((SILENT, port))
            self.waiting.append(client)
        time.sleep(0.05)

    def close(self):
        for client in self.waiting:
            client.close()
        self.listener.close()


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def silent(port):
    address = SilentAddress(port)
    yield address
    address.close()


def timed(client, *request):
    since = time.monotonic()
    reply = client.call(*request)
    return reply, time.monotonic() - since


@pytest.mark.parametrize("timeout", [0, 400])
def test_no_request_fails_when_a_name_has_moved(named, start, start_fake, port, timeout):
    fakes = [start_fake(saying(b"one"), port, HOST), start_fake(saying(b"two"), port, OTHER)]
    named.point(HOST)
    program = start(port, timeout=timeout)
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == "one"
        time.sleep(1.1)
        named.point(OTHER)
        fakes[0].stop()
        assert fakes[0].wait_ended(0)
        time.sleep(0.05)
        replies = client.pipeline([("GET", "k")] * 5)
        assert replies == ["two"] * 5
    assert program.stats()["pool"]["forward_error"] == 0


@pytest.mark.parametrize("timeout", [0, 400])
def test_no_request_fails_when_a_name_has_left_a_silent_address(
    named, start, start_fake, port, silent, timeout
):
    start_fake(saying(b"two"), port, OTHER)
    named.point(SILENT)
    program = start(port, timeout=timeout)
    time.sleep(1.1)
    named.point(OTHER)
    with AnyClient(program.address) as client:
        for _ in range(4):
            reply, seconds = timed(client, "GET", "k")
            assert reply == "two" and seconds < 0.3, (reply, seconds)


@pytest.mark.parametrize("timeout, most", [(0, 5), (400, 0.4)])
def test_the_next_address_is_tried(named, start, start_fake, port, silent, timeout, most):
    """One that accepts nobody costs its share of the time-out, or some seconds, and only once."""
    start_fake(saying(b"two"), port, OTHER)
    named.point(SILENT, OTHER)
    program = start(port, timeout=timeout)
    with AnyClient(program.address) as client:
        reply, seconds = timed(client, "GET", "k")
        assert reply == "two" and seconds < most, (reply, seconds)
        for _ in range(10):
            reply, seconds = timed(client, "GET", "k")
            assert reply == "two" and seconds < 0.3, (reply, seconds)


def test_addresses_that_refuse_are_passed(named, start, start_fake, port):
    start_fake(saying(b"two"), port, OTHER)
    named.point("127.0.0.4", "127.0.0.5", OTHER)
    program = start(port, auto_eject_hosts="true", server_failure_limit=1)
    with AnyClient(program.address) as client:
        assert client.pipeline([("GET", "k")] * 5) == ["two"] * 5
    assert program.stats()["pool"]["server_ejects"] == 0


def test_a_silent_address_without_a_time_out(named, start, port, silent):
    """There is no other: each request gets an error in some seconds, not in 127."""
    named.point(SILENT)
    program = start(port)
    with AnyClient(program.address) as client, AnyClient(program.address) as other:
        other.send("GET", "k")
        reply, seconds = timed(client, "GET", "k")
        assert reply == Error("ERR Connection timed out") and seconds < 6, (reply, seconds)
        assert other.reply() == reply


def test_a_name_that_does_not_resolve_any_more(named, start, start_fake, port):
    """The name server may be what failed: what is known last is used, and soon."""
    script = saying(b"one")
    fake = start_fake(script, port, HOST)
    named.point(HOST)
    program = start(port)
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == "one"
        time.sleep(1.1)
        named.point()
        fake.stop()
        assert fake.wait_ended(0)
        start_fake(script, port, HOST)
        reply, seconds = timed(client, "GET", "k")
        assert reply == "one" and seconds < 0.5, (reply, seconds)


def test_a_name_that_resolves_later(named, start, start_fake, port):
    start_fake(saying(b"two"), port, OTHER)
    program = start(port)
    with AnyClient(program.address) as client:
        assert client.call("GET", "k") == Error("ERR Host is down")
        named.point(OTHER)
        time.sleep(1.1)
        assert client.call("GET", "k") == "two"
