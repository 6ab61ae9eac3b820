"""Real redis-servers, and where keys belong among them."""

import subprocess
import time
import zlib

from ports import HOST, free_port
from resp import Client


class RedisServer:
    """A redis-server on loopback that saves nothing."""

    def __init__(self, folder):
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", HOST, "--save", ""]
            + ["--appendonly", "no", "--enable-debug-command", "yes"]
            + ["--dir", str(folder), "--logfile", str(folder / "redis.log")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self._control = None

    @property
    def control(self):
        """A direct connection, past any proxy."""
        end = time.time() + 10
        while self._control is None:
            try:
                self._control = Client(self.port)
            except OSError:
                assert time.time() < end, "redis-server does not listen"
                time.sleep(0.01)
        return self._control

    def call(self, *arguments):
        return self.control.call(*arguments)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def named(ports):
    """Servers s0, s1, … for a pool: index in the list = index in the modula table (at most 10)."""
    return [(port, f"s{index}") for index, port in enumerate(ports)]


def hashed_part(key):
    """What a pool with hash_tag "{}" hashes of a key."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    return key[start + 1:end] if start >= 0 and end > start + 1 else key


def index_of(key, servers):
    """The server of a key in a pool with crc32a and modula: its index among so many servers."""
    key = key if isinstance(key, bytes) else key.encode()
    part = hashed_part(key)
    # An empty key hashes to 0 whatever the function.
    return zlib.crc32(part) % servers if part else 0


def keys_on(index, servers, count, prefix="k"):
    """So many different keys which all belong to that server."""
    keys, number = [], 0
    while len(keys) < count:
        key = f"{prefix}:{number}"
        number += 1
        if index_of(key, servers) == index:
            keys.append(key)
    return keys


def key_on(index, servers, prefix="k"):
    return keys_on(index, servers, 1, prefix)[0]
