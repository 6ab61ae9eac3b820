"""Memory has a bound while clients do not read, and goes back when they leave (P3).

Sizes are in MiB. The bounds follow from the limits of one client's unsent replies: above 1 no more
of its requests are executed, above an eighth of the memory its server connection waits for it.
"""

import time

import pytest

from resp import Client, encode
from shards import key_on

MIB = 2**20
CLIENTS = 10
REPLIES = 32
PAUSE_LIMIT = 128
# Requests which were already read when the soft limit was passed are answered all the same.
SLACK = 64
CAP_OF_ONE_REPLY_AT_A_TIME = CLIENTS * 4 + SLACK
CAP_OF_ALL_REPLIES_AT_ONCE = CLIENTS * REPLIES + SLACK
CAP_OF_ONE_CLIENT = PAUSE_LIMIT + SLACK
# What may remain 10 s after everybody left, above what the fresh proxy used.
REMAINDER = 16


class Watch:
    """Resident memory of a proxy, in MiB: its start, its peak, what it falls back to."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.start = self.peak = self.now()

    def now(self):
        return self.proxy.resident_kib() / 1024

    def sample(self, seconds):
        """Watches for so long, or until nothing has changed for a while."""
        end = time.monotonic() + seconds
        last, since = 0, time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < 1.5:
            resident = self.now()
            self.peak = max(self.peak, resident)
            if abs(resident - last) > 0.5:
                last, since = resident, time.monotonic()
            time.sleep(0.02)

    def falls_back(self, seconds=10):
        """Whether memory is near its start again within so many seconds."""
        end = time.monotonic() + seconds
        while self.now() > self.start + REMAINDER:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True


@pytest.fixture
def big_key(shards):
    """A key whose value is 1 MiB, on the first shard."""
    key = key_on(0, len(shards), "big")
    assert shards[0].call("SET", key, b"v" * MIB) == "OK"
    return key


@pytest.fixture
def fresh_proxy(shards, start_proxy):
    """A proxy that has served a few requests, so that its buffers exist."""
    proxy = start_proxy([shard.port for shard in shards])
    with Client(proxy.port) as client:
        assert client.pipeline([("SET", f"k{n}", "v") for n in range(500)]) == ["OK"] * 500
    return proxy


def non_reading_clients(proxy, count=CLIENTS):
    return [Client(proxy.port, receive_buffer=16384) for _ in range(count)]


@pytest.mark.beyond
def test_clients_that_ask_on_without_reading_are_not_read_either(fresh_proxy, big_key):
    watch = Watch(fresh_proxy)
    clients = non_reading_clients(fresh_proxy)
    for _ in range(REPLIES):
        for client in clients:
            client.send("GET", big_key)
        watch.sample(0.05)
    watch.sample(3)
    assert watch.peak < watch.start + CAP_OF_ONE_REPLY_AT_A_TIME
    with Client(fresh_proxy.port) as other:
        assert other.call("STRLEN", big_key) == MIB, "others are served meanwhile"
    for client in clients:
        assert [len(reply) for reply in client.replies(REPLIES)] == [MIB] * REPLIES
        client.close()
    assert watch.falls_back(), f"{watch.now():.0f} MiB, at first {watch.start:.0f}"


@pytest.mark.beyond
@pytest.mark.parametrize("leave", ["close", "reset"])
def test_memory_falls_back_after_clients_that_never_read_have_left(fresh_proxy, big_key, leave):
    watch = Watch(fresh_proxy)
    clients = non_reading_clients(fresh_proxy)
    for client in clients:
        client.write(encode("GET", big_key) * REPLIES)
    watch.sample(5)
    assert watch.peak < watch.start + CAP_OF_ALL_REPLIES_AT_ONCE
    for client in clients:
        getattr(client, leave)()
    assert watch.falls_back(), f"{watch.now():.0f} MiB, at first {watch.start:.0f}"
    with Client(fresh_proxy.port) as other:
        assert other.call("STRLEN", big_key) == MIB


@pytest.mark.beyond
def test_client_that_asks_for_more_than_it_may_hold_gets_it_as_it_reads(fresh_proxy, big_key):
    """Up to a limit its replies are kept, and then its server connection waits for it to read."""
    watch = Watch(fresh_proxy)
    (greedy,) = non_reading_clients(fresh_proxy, 1)
    count = 3 * PAUSE_LIMIT // 2
    with Client(fresh_proxy.port) as other:
        greedy.write(encode("GET", big_key) * count)
        watch.sample(3)
        assert watch.peak < watch.start + CAP_OF_ONE_CLIENT
        assert other.call("STRLEN", big_key) == MIB
        for _ in range(count):
            assert len(greedy.reply()) == MIB
    greedy.close()
    assert watch.falls_back(), f"{watch.now():.0f} MiB, at first {watch.start:.0f}"


def test_slow_reader_gets_everything(fresh_proxy, big_key):
    """A client may be as slow as it likes."""
    (slow,) = non_reading_clients(fresh_proxy, 1)
    slow.write(encode("GET", big_key) * REPLIES)
    time.sleep(1)
    for _ in range(REPLIES):
        assert slow.reply() == b"v" * MIB
        time.sleep(0.005)
    slow.close()


@pytest.mark.beyond
def test_memory_after_big_values_and_deep_pipelines_falls_back(fresh_proxy):
    watch = Watch(fresh_proxy)
    with Client(fresh_proxy.port) as client:
        requests = [("SET", f"b{n}", b"x" * 5_000_000) for n in range(10)]
        assert client.pipeline(requests) == ["OK"] * 10
        requests = [("SET", f"k{n % 100}", b"y" * 1000) for n in range(20_000)]
        assert client.pipeline(requests) == ["OK"] * 20_000
        assert watch.falls_back(), f"{watch.now():.0f} MiB, at first {watch.start:.0f}"
