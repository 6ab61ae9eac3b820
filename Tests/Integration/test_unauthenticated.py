"""Clients of a pool with a password that have not given it: what they may send, hold, and how long."""

import threading
import time

import pytest

from launch import IS_LONG, Program, pool, wait_until
from ports import HOST, free_port
from resp import Client, encode

pytestmark = pytest.mark.beyond

COUNT_ERROR = b"-ERR Protocol error: unauthenticated multibulk length\r\n"
LENGTH_ERROR = b"-ERR Protocol error: unauthenticated bulk length\r\n"
NOAUTH = b"-NOAUTH Authentication required\r\n"


@pytest.fixture
def program(tmp_path, shards):
    """In front of a server without a password, which is as usable as one that has it."""
    address = free_port()
    server = f"{HOST}:{shards[0].port}:1"
    text = pool("pool", f"{HOST}:{address}", [server], redis_auth="secret", redis="true")
    with Program(tmp_path, text, address) as started:
        yield started


def authenticated(program):
    client = Client(program.address)
    assert client.call("AUTH", "secret") == "OK"
    return client


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"*11\r\n", COUNT_ERROR),
        (b"*000011\r\n", COUNT_ERROR),
        (b"*2147483647\r\n", COUNT_ERROR),
        (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16385\r\n", LENGTH_ERROR),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n" + b"x" * 1_000_000, LENGTH_ERROR),
        (b"*1\r\n$16385\r\n", LENGTH_ERROR),
        (b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (encode("PING") + b"*11\r\n", NOAUTH + COUNT_ERROR),
        (encode("AUTH", "secret") + encode("AUTH", "wrong") + b"*11\r\n",
         b"+OK\r\n-ERR invalid password\r\n" + COUNT_ERROR),
        (b"a" * 65_537, b"-ERR Protocol error: too big inline request\r\n"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_more_than_a_stranger_may_send_ends_the_connection(program, sent, answer):
    with Client(program.address) as client:
        try:
            client.write(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.rest() == answer
    assert wait_until(lambda: "closed a client" in program.log(), 3)


def test_as_much_as_a_stranger_may_send_is_answered(program):
    with Client(program.address) as client:
        client.write(encode("SET", *["x" * 16_384] * 9) + encode(*["a"] * 10))
        assert [reply.text for reply in client.replies(2)] == ["NOAUTH Authentication required"] * 2
        # Once it is no stranger any more, in the same write.
        value = "v" * 100_000
        client.write(encode("AUTH", "secret") + encode("SET", "k", value)
                     + encode("MSET", *["m", "1"] * 20))
        assert client.replies(3) == ["OK", "OK", "OK"]
        assert client.call("GET", "k") == value.encode()


def p99(client, seconds):
    took, end = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        assert client.call("SET", "key", "value") == "OK"
        took.append(time.perf_counter() - start)
    return sorted(took)[len(took) * 99 // 100]


def test_strangers_that_send_half_of_something_huge_hold_up_nobody(program):
    """Four of them, again and again, each as much of 500 MB as it gets rid of."""
    half = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n" + b"x" * 4_000_000
    is_over = threading.Event()

    def stranger():
        while not is_over.is_set():
            try:
                with Client(program.address) as client:
                    client.write(half)
                    client.rest()
            except OSError:
                pass
            time.sleep(0.05)

    with authenticated(program) as client:
        quiet = p99(client, 1)
        before = program.resident_kib()
        strangers = [threading.Thread(target=stranger) for _ in range(4)]
        for thread in strangers:
            thread.start()
        try:
            busy = p99(client, 3)
            held = program.resident_kib() - before
        finally:
            is_over.set()
            for thread in strangers:
                thread.join()
        # They share two processors with the proxy and the test itself.
        assert busy < 20 * quiet + 0.1, (busy, quiet)
        assert held < 32 << 10


@pytest.mark.timeout(120)
@pytest.mark.skipif(not IS_LONG, reason="takes a minute: CASHEW_LONG=1")
def test_time_to_authenticate_is_limited(program):
    """60 s for all tries together; who has authenticated may be idle for as long as it likes."""
    idle, guesser, friend = Client(program.address), Client(program.address), authenticated(program)
    start = time.monotonic()
    while time.monotonic() - start < 57:
        assert guesser.call("AUTH", "wrong").text == "ERR invalid password"
        assert idle.is_quiet(0.01)
        time.sleep(3)
    assert idle.rest() == b"" and guesser.rest() == b""
    assert 59 < time.monotonic() - start < 66
    assert friend.call("PING") == "PONG"
    assert wait_until(lambda: "did not authenticate in time" in program.log(), 3)
    friend.close()
