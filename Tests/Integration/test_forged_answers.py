"""A value that looks like protocol is never taken for it, whoever leaves while it arrives."""

import os
import pathlib
import queue
import random
import signal
import socket
import struct
import threading
import time

import pytest

from memcached import Line, MemcachedServer

pytestmark = pytest.mark.beyond
SIZE = 1 << 20
FORGED = b"VALUE victim 0 5\r\nEVIL!\r\nEND\r\n"
VICTIM = b"VALUE victim 0 5\r\nright\r\nEND\r\n"
SECONDS = 3
END = b"END\r\n"


@pytest.fixture
def server():
    server = MemcachedServer("-I", "2m", "-m", "256")
    yield server
    server.stop()


def store(server, key, value):
    with Line(server.port) as line:
        line.send(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
        assert line.read_until(b"\r\n") == b"STORED\r\n"


def reset(line):
    line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.socket.close()


def test_clients_that_leave_in_the_middle_of_a_value(server, start_proxy):
    """The value is a megabyte of replies to what others ask. Nobody ever reads one of them."""
    store(server, b"evil", (FORGED * (SIZE // len(FORGED) + 1))[: SIZE - 512])
    store(server, b"victim", b"right")
    proxy = start_proxy([server.port], redis="false")
    end = time.monotonic() + SECONDS
    wrong, counts = [], {"asked": 0, "left": 0}

    def attack(seed):
        chance = random.Random(seed)
        while time.monotonic() < end:
            line = Line(proxy.port)
            line.send(b"get none\r\nget evil\r\nget victim\r\n"[chance.choice((0, 10)) :])
            time.sleep(chance.random() * 0.003)
            reset(line)
            counts["left"] += 1

    def ask():
        with Line(proxy.port) as line:
            while time.monotonic() < end and not wrong:
                line.send(b"get victim\r\nget absent\r\nget victim\r\n")
                expected = VICTIM + b"END\r\n" + VICTIM
                reply = line.read(len(expected))
                counts["asked"] += 3
                if reply != expected:
                    wrong.append(reply)

    threads = [threading.Thread(target=attack, args=(seed,)) for seed in range(4)]
    threads += [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0][:200]
    assert counts["asked"] > 10 and counts["left"] > 10
    assert proxy.stats()["pool"]["s0"]["server_err"] == 0


def block(key, value):
    return b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(value), value)


class SharedLine:
    """Three clients whose gets share a line, and a server that answers it in two pieces."""

    def __init__(self, start_proxy, start_fake):
        self.lines = queue.Queue()
        self.pieces = queue.Queue()
        self.proxy = start_proxy([start_fake(self.serve).port], redis="false")

    def serve(self, connection):
        while line := connection.stream.readline():
            self.lines.put(line)
            while (piece := self.pieces.get()) is not None:
                connection.send(piece)

    def connect(self):
        """A client that the proxy has accepted."""
        client = Line(self.proxy.port)
        client.send(b"mn\r\n")
        assert client.read(4) == b"MN\r\n"
        return client

    def ask(self, clients):
        """Asks for all keys, until their gets share a line. Returns the keys in its order."""
        for _ in range(50):
            self.stop()
            for key, client in clients.items():
                client.send(b"get %s\r\n" % key)
            os.kill(self.proxy.process.pid, signal.SIGCONT)
            keys = self.lines.get(timeout=10).split()[1:]
            if len(keys) == len(clients):
                return keys
            self.pieces.put(END)
            self.pieces.put(None)
            while len(keys) < len(clients):
                keys += self.lines.get(timeout=10).split()[1:]
                self.pieces.put(END)
                self.pieces.put(None)
            for client in clients.values():
                assert client.read(len(END)) == END
        raise AssertionError("the gets share no line")

    def stop(self):
        """Then the proxy finds all requests at once when it goes on."""
        pid = self.proxy.process.pid
        os.kill(pid, signal.SIGSTOP)
        while pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "T":
            time.sleep(0.0005)


LIKE_PROTOCOL = [b"\r\nEND\r\n" + block(b"b", b"EVIL!") + b"END\r\n", b"\r\n" + block(b"c", b"x")]


@pytest.mark.parametrize("stored", [b"abc", b"ac", b"b"])
@pytest.mark.parametrize("value", LIKE_PROTOCOL)
def test_clients_that_leave_at_every_byte(stored, value, start_proxy, start_fake):
    """Whoever leaves, and however much has come of the reply: the others get their own."""
    shared = SharedLine(start_proxy, start_fake)
    values = {key: value + key for key in (b"a", b"b", b"c") if key in stored}
    count = sum(len(block(key, text)) for key, text in values.items()) + 5
    clients = {key: shared.connect() for key in (b"a", b"b", b"c")}
    for cut in range(1, count):
        keys = shared.ask(clients)
        reply = b"".join(block(key, values[key]) for key in keys if key in values) + b"END\r\n"
        shared.pieces.put(reply[:cut])
        time.sleep(0.001)
        leaves = keys[cut % 3]
        reset(clients.pop(leaves))
        time.sleep(0.001)
        shared.pieces.put(reply[cut:])
        shared.pieces.put(None)
        for key, client in clients.items():
            expected = (block(key, values[key]) if key in values else b"") + b"END\r\n"
            assert client.read(len(expected)) == expected, f"cut at {cut}, {leaves} leaves"
        clients[leaves] = shared.connect()
    for client in clients.values():
        client.socket.close()
