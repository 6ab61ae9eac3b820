"""Starts and stops the proxy under test, or nutcracker, from a pool's YAML."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from ports import HOST, free_port

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = REPOSITORY / os.environ.get("CASHEW", ".build/release/cashew")
# The suite also runs against the original (CASHEW=/usr/sbin/nutcracker); tests marked `beyond`
# then have to fail.
IS_NUTCRACKER = BINARY.name == "nutcracker"


def pool_yaml(name, listen, servers, **directives):
    """One pool. `servers` is a list of (port, name); directives override the defaults below."""
    settings = {
        "hash": "crc32a",
        "distribution": "modula",
        "hash_tag": '"{}"',
        "redis": "true",
        "timeout": 20000,
        **directives,
    }
    lines = [f"{name}:", f"  listen: {HOST}:{listen}"]
    lines += [f"  {key}: {value}" for key, value in settings.items()]
    lines += ["  servers:"]
    lines += [f"    - {HOST}:{port}:1 {server}" for port, server in servers]
    return "\n".join(lines) + "\n"


class Proxy:
    """A running proxy with one pool. `port` is where clients connect; `more` is YAML to add."""

    running = []

    def __init__(self, folder, servers, binary=BINARY, port=None, more="", **directives):
        self.port, self.stats_port = port or free_port(), free_port()
        self.binary = Path(binary)
        folder.mkdir(parents=True, exist_ok=True)
        self.log_path = folder / "proxy.log"
        configuration = folder / "proxy.yml"
        configuration.write_text(pool_yaml("pool", self.port, servers, **directives) + more)
        command = [self.binary, "-c", configuration, "-o", self.log_path, "-a", HOST]
        # nutcracker's statistics are as old as -i says, in ms, at most.
        command += ["-s", str(self.stats_port), "-i", "50", "-p", folder / "proxy.pid"]
        with open(folder / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
            )
        self.stderr_path = folder / "stderr"
        Proxy.running.append(self)
        self._wait_until_listening()

    def _wait_until_listening(self):
        end = time.time() + 10
        while time.time() < end:
            assert self.process.poll() is None, f"exited at start\n{self.log()}"
            try:
                socket.create_connection((HOST, self.port), 1).close()
                return
            except OSError:
                time.sleep(0.005)
        raise AssertionError(f"does not listen on {self.port}\n{self.log()}")

    def is_alive(self):
        return self.process.poll() is None

    def resident_kib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS: the proxy has gone")

    def stop(self):
        """SIGTERM; asserts that the proxy was alive and exits with 0 (nutcracker: by signal)."""
        Proxy.running.remove(self)
        status = self.process.poll()
        assert status is None, f"the proxy died with {status}\n{self.log()}"
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running 10 s after SIGTERM\n{self.log()}") from None
        clean = -signal.SIGTERM if self.binary.name == "nutcracker" else 0
        assert status == clean, f"exit status {status} after SIGTERM\n{self.log()}"

    def kill(self):
        """The last resort, when a fixture failed half-way."""
        if self in Proxy.running:
            Proxy.running.remove(self)
        self.process.kill()
        self.process.wait()

    def stats(self):
        """The statistics document."""
        with socket.create_connection((HOST, self.stats_port), 10) as connection:
            return json.load(connection.makefile("rb"))

    def log(self, last=4000):
        texts = [p.read_text("latin-1") for p in (self.stderr_path, self.log_path) if p.exists()]
        return "".join(texts)[-last:]
