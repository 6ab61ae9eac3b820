"""Servers that fail leave the topology after a few errors, and come back when they answer.

Pools here have two servers: s0 misbehaves, s1 is a real redis-server. An incident may cost clients
`server_failure_limit` errors, however long it lasts.
"""

import threading
import time

import pytest

from fakes import answer, echo
from launch import IS_LONG, AnyClient, Program, lines_of, pool, wait_until
from ports import HOST, free_port
from resp import Error, bulk
from shards import keys_on
from two_servers import BAD, GOOD, REFUSED

LIMIT, RETRY = 2, 0.5
SECONDS = 60 if IS_LONG else 2.5

pytestmark = pytest.mark.timeout(SECONDS + 60)
beyond = pytest.mark.beyond


class Store:
    """The script of a server that keeps its keys when it is stopped and started again."""

    def __init__(self):
        self.values = {}

    def __call__(self, connection):
        while (arguments := connection.request()) is not None:
            if arguments[0].upper() == b"GET":
                value = self.values.get(arguments[1])
                connection.send(b"$-1\r\n" if value is None else bulk(value))
            else:
                if arguments[0].upper() == b"SET":
                    self.values[arguments[1]] = arguments[2]
                connection.send(answer(arguments))


def silent(connection):
    connection.wait_for_close()


def loading(connection):
    while connection.request() is not None:
        connection.send(b"-LOADING Redis is loading the dataset in memory\r\n")


@pytest.fixture
def start(tmp_path):
    """Starts proxies over two servers: `start(port, port, directive=value)`."""
    programs = []

    def start_one(*ports, arguments=(), **directives):
        listen = free_port()
        settings = {
            "auto_eject_hosts": "true", "server_failure_limit": LIMIT, "timeout": 200,
            "server_retry_timeout": int(RETRY * 1000), **directives,
        }
        yaml = pool("pool", f"{HOST}:{listen}", lines_of(ports), **settings)
        programs.append(Program(tmp_path / str(len(programs)), yaml, listen, *arguments))
        return programs[-1]

    yield start_one
    try:
        for program in programs:
            program.stop()
    finally:
        for program in programs:
            program.kill()


def load(program, clients, seconds, errors):
    """Requests one after another, from one client after another, to both servers."""
    keys = keys_on(0, 2, 20) + keys_on(1, 2, 20)
    connections = [AnyClient(program.address) for _ in range(clients)]
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        reply = connections[turn % clients].call("GET", keys[turn % len(keys)])
        if isinstance(reply, Error):
            errors.append(reply)
        elif reply is not None:
            errors.append(f"a value from nowhere: {reply}")
        turn += 1
        time.sleep(0.001)
    for connection in connections:
        connection.close()
    assert turn > 100 * seconds, "that was no load"


def ejections(program):
    return program.stats()["pool"]["server_ejects"]


@beyond
@pytest.mark.parametrize("script", [None, silent, loading], ids=["refused", "silent", "loading"])
def test_incident_costs_as_many_errors_as_the_limit_however_long(
    shards, start_fake, start, script
):
    """From one client, and from five in turn, at the same time with a proxy each."""
    port = start_fake(script).port if script else free_port()
    programs = [start(port, shards[0].port) for _ in range(2)]
    counts, threads = [[], []], []
    for program, clients, errors in zip(programs, (1, 5), counts):
        thread = threading.Thread(target=load, args=(program, clients, SECONDS, errors))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    assert [len(errors) for errors in counts] == [LIMIT, LIMIT], counts
    assert [ejections(program) for program in programs] == [1, 1]


def test_without_ejection_every_request_to_a_dead_server_fails(shards, start):
    program = start(free_port(), shards[0].port, auto_eject_hosts="false")
    with AnyClient(program.address) as client:
        assert client.pipeline([("GET", BAD), ("GET", GOOD)] * 20) == [REFUSED, None] * 20
    assert ejections(program) == 0


def test_server_that_comes_back_is_used_again_with_its_keys(shards, start_fake, start):
    store = Store()
    fake = start_fake(store)
    program = start(fake.port, shards[0].port)
    with AnyClient(program.address) as client:
        assert client.call("SET", BAD, "kept") == "OK"
        for turn in range(1, 3):
            fake.stop()
            errors = [client.call("GET", BAD) for _ in range(10)]
            assert sum(isinstance(reply, Error) for reply in errors) <= LIMIT, errors
            assert errors[-1] is None, "the other server does not have it"
            time.sleep(1.2 * RETRY)
            fake = start_fake(store, fake.port)
            since = time.monotonic()
            assert wait_until(lambda: client.call("GET", BAD) == b"kept", 10)
            assert time.monotonic() - since < 2 * RETRY + 0.5
            assert ejections(program) == turn
        assert client.pipeline([("GET", BAD)] * 50) == [b"kept"] * 50


@beyond
def test_limit_counts_failures_in_a_row(shards, start_fake, start):
    """A reply takes back the failures before it: a server that flaps is not ejected."""
    fake = start_fake(Store())
    program = start(fake.port, shards[0].port)
    with AnyClient(program.address) as client:
        for turn in range(4):
            assert client.call("SET", BAD, turn) == "OK"
            fake.stop()
            assert wait_until(lambda: fake.connections[-1].ended.is_set())
            assert isinstance(client.call("GET", BAD), Error)
            fake = start_fake(Store(), fake.port)
    assert ejections(program) == 0


@beyond
def test_all_servers_ejected_then_back(start_fake, start):
    """Nothing waits, not even what is split; a probe brings each back."""
    ports = free_port(), free_port()
    program = start(*ports)
    with AnyClient(program.address) as client:
        for key in (BAD, GOOD):
            assert client.pipeline([("GET", key)] * 5) == [REFUSED] * 5
        assert wait_until(lambda: [client.call("GET", key) for key in (BAD, GOOD)]
                          and ejections(program) == 2)
        requests = [("GET", BAD), ("MGET", BAD, GOOD), ("PING",)]
        assert client.pipeline(requests) == [REFUSED, REFUSED, "PONG"]
        stores = Store(), Store()
        for store, port in zip(stores, ports):
            start_fake(store, port)

        def both_are_back():
            client.pipeline([("SET", BAD, "1"), ("SET", GOOD, "2")])
            return BAD.encode() in stores[0].values and GOOD.encode() in stores[1].values

        assert wait_until(both_are_back)
        assert client.pipeline([("GET", GOOD), ("GET", BAD)] * 10) == [b"2", b"1"] * 10


@beyond
@pytest.mark.parametrize("end", ["rst", "fin"])
def test_five_idle_connections_that_end_at_once_are_no_failure(shards, start_fake, start, end):
    now = threading.Event()

    def end_when_told(connection):
        if connection.index >= 5:
            return echo(connection)
        connection.send(answer(connection.request()))
        now.wait(20)
        getattr(connection, end)()

    fake = start_fake(end_when_told)
    program = start(fake.port, shards[0].port, server_connections=5, server_failure_limit=1)
    with AnyClient(program.address) as client:
        assert [client.call("SET", BAD, "x") for _ in range(5)] == ["OK"] * 5
        assert len(fake.connections) == 5
        now.set()

        def counted():
            server = program.stats()["pool"]["s0"]
            return server["server_err" if end == "rst" else "server_eof"] == 5

        assert wait_until(counted)
        replies = [client.call("GET", key) for key in (BAD, GOOD) * 10]
        assert replies == [BAD.encode(), None] * 10
    stats = program.stats()["pool"]
    assert (stats["server_ejects"], stats["forward_error"]) == (0, 0)
    assert stats["s0"]["server_connections"] == 5


@beyond
def test_five_busy_connections_reset_at_once_are_one_failure(shards, start_fake, start):
    """The five requests fail. The server, which is there, is not ejected."""
    arrived = threading.Barrier(6)

    def reset_when_all_have_come(connection):
        if connection.index >= 5:
            return echo(connection)
        connection.request()
        arrived.wait(10)
        connection.rst()

    fake = start_fake(reset_when_all_have_come)
    program = start(fake.port, shards[0].port, server_connections=5, timeout=5000)
    clients = [AnyClient(program.address) for _ in range(5)]
    for client in clients:
        client.send("GET", BAD)
    arrived.wait(10)
    assert all(isinstance(client.reply(), Error) for client in clients)
    for client in clients:
        assert client.pipeline([("GET", BAD)] * 20) == [BAD.encode()] * 20
        client.close()
    assert ejections(program) == 0


@beyond
def test_silent_probe_does_not_bring_a_server_back(shards, start_fake, start):
    """A server that accepts and says nothing is probed again and again, for nobody's request."""
    fake = start_fake(silent)
    program = start(fake.port, shards[0].port, timeout=100, server_retry_timeout=200)
    with AnyClient(program.address) as client:
        for _ in range(LIMIT):
            assert isinstance(client.call("GET", BAD), Error)
        before = len(fake.connections)
        assert wait_until(lambda: len(fake.connections) >= before + 3)
        assert client.pipeline([("GET", BAD)] * 20) == [None] * 20
    assert ejections(program) == 1
