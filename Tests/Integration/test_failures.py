"""A server that fails takes down its own requests and nothing else.

Pools here have two servers: s0 misbehaves, s1 is a real redis-server.
"""

import time

import pytest

from fakes import answer, echo
from ports import free_port
from resp import Client, Error
from shards import keys_on
from two_servers import BAD, ENDED, GOOD, INVALID, REFUSED, RESET, TIMED_OUT


def fin(connection):
    connection.request()
    connection.fin()


def fin_within_a_reply(connection):
    connection.request()
    connection.send(b"*1\r\n$10\r\nabc")
    time.sleep(0.05)
    connection.fin()


def rst(connection):
    connection.request()
    connection.rst()


def hold(connection):
    connection.request()
    connection.wait_for_close()


def hold_within_a_reply(connection):
    connection.request()
    connection.send(b"*2\r\n$3\r\nabc\r\n$10\r\nabc")
    connection.wait_for_close()


def garbage(connection):
    connection.request()
    connection.send(b"GARBAGE\r\n")
    connection.wait_for_close()


def malformed_bulk(connection):
    connection.request()
    connection.send(b"$3\r\nabcdef\r\n")
    connection.wait_for_close()


def endless_number(connection):
    connection.request()
    connection.send(b":12x4\r\n")
    connection.wait_for_close()


FAILURES = [
    (fin, ENDED), (fin_within_a_reply, ENDED), (rst, RESET), (hold, TIMED_OUT),
    (hold_within_a_reply, TIMED_OUT), (garbage, INVALID), (malformed_bulk, INVALID),
    (endless_number, INVALID),
]


each_failure = pytest.mark.parametrize(
    "failure, error", FAILURES, ids=[script.__name__ for script, _ in FAILURES]
)


def failing_once(failure):
    """A script: the first connection fails, later ones echo."""

    def script(connection):
        (failure if connection.index == 0 else echo)(connection)

    return script


@each_failure
def test_only_the_guilty_servers_requests_fail(shards, start_fake, start_proxy, failure, error):
    """Others on the same client connection succeed, in order, and the next request reconnects."""
    fake = start_fake(failing_once(failure))
    proxy = start_proxy([fake.port, shards[0].port], timeout=300)
    with Client(proxy.port) as client:
        requests = [("SET", GOOD, "1"), ("GET", BAD), ("GET", GOOD), ("PING",), ("INCR", GOOD)]
        assert client.pipeline(requests) == ["OK", error, b"1", "PONG", 2]
        assert client.pipeline([("GET", BAD), ("GET", GOOD)]) == [BAD.encode(), b"2"]
    assert len(fake.connections) == 2


def test_refused_then_back(shards, start_fake, start_proxy):
    port = free_port()
    proxy = start_proxy([port, shards[0].port])
    with Client(proxy.port) as client:
        requests = [("SET", GOOD, "1"), ("GET", BAD), ("GET", GOOD), ("SET", BAD, "x")]
        for _ in range(3):
            assert client.pipeline(requests) == ["OK", REFUSED, b"1", REFUSED]
        start_fake(echo, port)
        assert client.pipeline([("GET", BAD), ("GET", GOOD)]) == [BAD.encode(), b"1"]


def test_all_requests_on_a_failed_connection_fail_together(shards, start_fake, start_proxy):
    """Ten are answered; the rest, sent or not, get the error; none of the good server's does."""

    def ten_then_rst(connection):
        if connection.index > 0:
            return echo(connection)
        for _ in range(10):
            connection.send(answer(connection.request()))
        time.sleep(0.1)
        connection.rst()

    proxy = start_proxy([start_fake(ten_then_rst).port, shards[0].port])
    keys = keys_on(0, 2, 50)
    with Client(proxy.port) as client:
        assert client.call("SET", GOOD, "1") == "OK"
        requests = [request for key in keys for request in (("GET", key), ("GET", GOOD))]
        got = client.pipeline(requests)
        assert got[1::2] == [b"1"] * 50
        assert got[0:20:2] == [key.encode() for key in keys[:10]]
        assert got[20::2] == [RESET] * 40
        assert client.call("GET", BAD) == BAD.encode()


def test_clients_of_other_servers_do_not_wait_for_a_timeout(shards, start_fake, start_proxy):
    proxy = start_proxy([start_fake(hold).port, shards[0].port], timeout=1000)
    with Client(proxy.port) as stuck, Client(proxy.port) as other:
        stuck.send("GET", BAD)
        start = time.monotonic()
        for number in range(50):
            assert other.call("SET", GOOD, number) == "OK"
        assert time.monotonic() - start < 0.9, "other clients waited"
        assert stuck.reply() == TIMED_OUT
        assert 0.8 < time.monotonic() - start < 3


@pytest.mark.beyond
@each_failure
def test_failed_fragment_fails_its_request_alone(shards, start_fake, start_proxy, failure, error):
    """B1: the client stays connected and gets the replies of its other requests."""
    proxy = start_proxy([start_fake(failing_once(failure)).port, shards[0].port], timeout=300)
    with Client(proxy.port) as client:
        requests = [("SET", GOOD, "1"), ("MGET", GOOD, BAD), ("GET", GOOD), ("PING",)]
        assert client.pipeline(requests) == ["OK", error, b"1", "PONG"]
        assert client.call("MGET", GOOD, BAD, GOOD) == [b"1", BAD.encode(), b"1"]


def test_healthy_part_of_a_failed_mset_is_written(shards, start_proxy):
    proxy = start_proxy([free_port(), shards[0].port])
    with Client(proxy.port) as client:
        assert client.pipeline([("MSET", BAD, "1", GOOD, "2"), ("PING",)]) == [REFUSED, "PONG"]
    assert shards[0].call("GET", GOOD) == b"2"


@pytest.mark.beyond
@pytest.mark.parametrize("text", ["ERR boom", "FOO", "OOM no memory", "READONLY x", "BUSY x"])
def test_error_of_a_fragment_is_passed_on(shards, start_fake, start_proxy, text):
    def script(connection):
        while connection.request() is not None:
            connection.send(b"-%s\r\n" % text.encode())

    proxy = start_proxy([start_fake(script).port, shards[0].port])
    with Client(proxy.port) as client:
        requests = [("MSET", GOOD, "1", BAD, "2"), ("DEL", BAD, GOOD), ("MGET", BAD, GOOD)]
        assert client.pipeline([*requests, ("PING",)]) == [Error(text)] * 3 + ["PONG"]


@pytest.mark.parametrize("text", ["FOO", "ERR x", "MOVED 1 a:1", "NOAUTH Authentication required."])
def test_error_without_or_with_blanks_goes_to_its_request(start_fake, start_proxy, text):
    def script(connection):
        while (arguments := connection.request()) is not None:
            failed = arguments[1].endswith(b"odd")
            connection.send(b"-%s\r\n" % text.encode() if failed else answer(arguments))

    proxy = start_proxy([start_fake(script).port])
    with Client(proxy.port) as client:
        got = client.pipeline([("GET", "a"), ("GET", "odd"), ("GET", "b")])
        assert got == [b"a", Error(text), b"b"]


def test_idle_server_connection_that_ends_costs_no_error(start_fake, start_proxy):
    def once(connection):
        connection.send(answer(connection.request()))
        time.sleep(0.05)
        connection.fin()
        connection.wait_for_close()

    fake = start_fake(once)
    proxy = start_proxy([fake.port])
    with Client(proxy.port) as client:
        for number in range(5):
            assert client.call("GET", f"k{number}") == b"k%d" % number
            assert fake.wait_ended(number)
