"""A value that looks like protocol is never taken for it, whoever leaves while it arrives."""

import random
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


@pytest.fixture
def server():
    server = MemcachedServer("-I", "2m", "-m", "256")
    yield server
    server.stop()


def store(server, key, value):
    with Line(server.port) as line:
        line.send(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
        assert line.read_until(b"\r\n") == b"STORED\r\n"


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
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.socket.close()
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
    assert counts["asked"] > 100 and counts["left"] > 20
    assert proxy.stats()["pool"]["s0"]["server_err"] == 0
