"""A proxy with a file and arguments of the test's own, at any address, and clients for it.

An address is a port on 127.0.0.1, the path of a unix socket, or (IPv6 address, port).
"""

import json
import os
import resource
import socket
import subprocess
import time
from pathlib import Path

from ports import HOST, free_port
from proxy import BINARY, Proxy
from resp import Client

# CASHEW_LONG=1 lets the tests that put load on a proxy for some time do so much longer.
IS_LONG = os.environ.get("CASHEW_LONG") == "1"


def connect(address, timeout=20):
    if isinstance(address, int):
        return socket.create_connection((HOST, address), timeout)
    family = socket.AF_INET6 if isinstance(address, tuple) else socket.AF_UNIX
    connection = socket.socket(family)
    connection.settimeout(timeout)
    try:
        connection.connect(address if family == socket.AF_INET6 else str(address))
    except OSError:
        connection.close()
        raise
    return connection


class AnyClient(Client):
    """A `Client` of any address."""

    def __init__(self, address, timeout=20):
        self.socket = connect(address, timeout)
        self.stream = self.socket.makefile("rb", 1 << 16)


def pool(name, listen, servers, **directives):
    """A redis pool as YAML; `servers` are lines as in the file."""
    settings = {"redis": "true", "hash": "crc32a", "distribution": "modula", **directives}
    lines = [f"{name}:", f"  listen: {listen}"]
    lines += [f"  {key}: {value}" for key, value in settings.items()]
    lines += ["  servers:", *(f"    - {server}" for server in servers)]
    return "\n".join(lines) + "\n"


def lines_of(ports):
    """Servers s0, s1, … on loopback, as in the file."""
    return [f"{HOST}:{port}:1 s{index}" for index, port in enumerate(ports)]


def wait_until(condition, seconds=10):
    """What `condition` returns, once that is true; else what it returns at the end."""
    end = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return result


class Program(Proxy):
    """A proxy that is stopped at the end of its `with` block, which checks that it lived."""

    def __init__(
        self, folder, yaml, address, *arguments, binary=BINARY, files=None, stats_port=None
    ):
        """`address` is one it listens on; `files` its RLIMIT_NOFILE, soft and hard."""
        folder.mkdir(parents=True, exist_ok=True)
        self.address, self.port = address, address
        self.binary, self.stats_port = Path(binary), stats_port or free_port()
        self.log_path, self.stderr_path = folder / "proxy.log", folder / "stderr"
        self.pid_path = folder / "proxy.pid"
        self.configuration = folder / "proxy.yml"
        self.configuration.write_text(yaml)
        command = [self.binary, "-c", self.configuration, "-o", self.log_path, "-a", HOST]
        # nutcracker's statistics are as old as -i says, in ms, at most.
        command += ["-s", str(self.stats_port), "-i", "50", "-p", self.pid_path, *arguments]
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                cwd=folder,
                preexec_fn=files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, files)),
            )
        Proxy.running.append(self)
        self._wait_until_listening()

    def _wait_until_listening(self):
        def answers():
            assert self.process.poll() is None, f"exited at start\n{self.log()}"
            try:
                connect(self.address, 1).close()
                return True
            except OSError:
                return False

        assert wait_until(answers), f"does not listen on {self.address}\n{self.log()}"

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        try:
            if failure is None and self in Proxy.running:
                self.stop()
        finally:
            self.kill()

    def stats(self):
        """The statistics document."""
        with connect(self.stats_port) as connection, connection.makefile("rb") as stream:
            return json.loads(stream.read())

    def cpu_seconds(self):
        """User and system time of all threads, so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
