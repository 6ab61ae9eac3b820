"""Several workers look like one: to clients, to servers that fail, and to whoever sets limits."""

import asyncio
import signal
import threading
from pathlib import Path

import pytest

from fakes import answer, echo
from launch import AnyClient, Program, lines_of, pool, wait_until
from ports import HOST, free_port
from proxy import IS_NUTCRACKER
from resp import AsyncClient, Closed, Error
from two_servers import BAD, GOOD, REFUSED

pytestmark = pytest.mark.skipif(IS_NUTCRACKER, reason="nutcracker has no workers")
WORKERS = 2


@pytest.fixture
def start(tmp_path):
    """Starts proxies with two workers: `start([port, …], directive=value)`."""
    programs = []

    def start_one(ports, **directives):
        listen = free_port()
        yaml = pool("pool", f"{HOST}:{listen}", lines_of(ports), **directives)
        arguments = ["--workers", str(WORKERS)]
        programs.append(Program(tmp_path / str(len(programs)), yaml, listen, *arguments))
        programs[-1].is_empty = lambda: counts(programs[-1])["client_connections"] == 0
        # The client that has found it listening may still be counted with a worker.
        assert wait_until(programs[-1].is_empty)
        return programs[-1]

    yield start_one
    try:
        for program in programs:
            if program in Program.running:
                program.stop()
    finally:
        for program in programs:
            program.kill()


def counts(program):
    return program.stats()["pool"]


def processor_times(program):
    """Nanoseconds on a processor, per thread, the busiest first."""
    tasks = Path(f"/proc/{program.process.pid}/task").iterdir()
    return sorted((int((task / "schedstat").read_text().split()[0]) for task in tasks))[::-1]


async def run_client(port, number, rounds):
    """Reads back what it has written, and nobody else's."""
    client = await AsyncClient.connect(port)
    for turn in range(rounds):
        names = [f"{number}:{turn}:{index}" for index in range(8)]
        assert await client.pipeline([("SET", name, name) for name in names]) == ["OK"] * 8
        requests = [("GET", name) for name in names]
        values = [name.encode() for name in names]
        assert await client.pipeline([*requests, ("MGET", *names)]) == [*values, values]
        assert await client.pipeline([("DEL", *names), ("PING",)]) == [8, "PONG"]
    await client.close()


def test_two_hundred_clients_keep_both_workers_busy(shards, start):
    program = start([shard.port for shard in shards[:4]], server_connections=2)

    async def everyone():
        await asyncio.gather(*(run_client(program.address, n, 10) for n in range(200)))

    asyncio.run(everyone())
    times = processor_times(program)
    assert times[1] > 0.5 * times[0], times
    assert wait_until(program.is_empty)
    stats = counts(program)
    assert stats["client_eof"] >= 200 and stats["client_err"] == 0
    assert [stats[f"s{n}"]["server_connections"] for n in range(4)] == [2 * WORKERS] * 4
    assert sum(shard.call("DBSIZE") for shard in shards) == 0


def test_clients_are_given_to_the_worker_that_has_fewest(start_fake, start):
    """Seen from a server: each worker has a connection of its own, for its half of the clients."""
    used = {}

    def note(connection):
        while (arguments := connection.request()) is not None:
            used[arguments[1]] = connection.index
            connection.send(answer(arguments))

    program = start([start_fake(note).port])
    clients = []

    def connect(count):
        for _ in range(count):
            clients.append(AnyClient(program.address))
            assert clients[-1].call("PING") == "PONG"

    def share():
        used.clear()
        for number, client in enumerate(clients):
            assert client.call("GET", f"{number}") == b"%d" % number
        return sorted(list(used.values()).count(worker) for worker in range(WORKERS))

    connect(40)
    assert share() == [20, 20]
    # Those of one worker leave; the next ones make up for them.
    leaving = [client for number, client in enumerate(clients) if used[b"%d" % number] == 0]
    for client in leaving:
        client.close()
        clients.remove(client)
    assert wait_until(lambda: counts(program)["client_connections"] == 20)
    connect(20)
    assert share() == [20, 20]


EJECT = {"auto_eject_hosts": "true", "server_failure_limit": 2, "server_retry_timeout": 300}


def test_server_is_ejected_and_comes_back_for_all_workers_at_once(shards, start_fake, start):
    port = free_port()
    program = start([port, shards[0].port], timeout=300, **EJECT)
    with AnyClient(program.address) as one, AnyClient(program.address) as other:
        assert [one.call("GET", BAD), one.call("GET", BAD)] == [REFUSED] * 2
        assert other.pipeline([("GET", BAD)] * 10) == [None] * 10
        assert one.pipeline([("GET", BAD)] * 10) == [None] * 10
        assert counts(program)["server_ejects"] == 1
        start_fake(echo, port)
        assert wait_until(lambda: one.call("GET", BAD) == BAD.encode())
        assert other.pipeline([("GET", BAD)] * 10) == [BAD.encode()] * 10
    assert counts(program)["server_ejects"] == 1


def test_failures_are_counted_over_workers(shards, start):
    program = start([free_port(), shards[0].port], timeout=300, **EJECT)
    with AnyClient(program.address) as one, AnyClient(program.address) as other:
        assert [one.call("GET", BAD), other.call("GET", BAD)] == [REFUSED] * 2
        assert [one.call("GET", BAD), other.call("GET", BAD)] == [None] * 2


def test_connections_of_all_workers_reset_at_once_are_one_failure(shards, start_fake, start):
    """However close to each other the workers see it."""
    arrived = threading.Barrier(WORKERS)

    def reset_together(connection):
        assert connection.request()[0] == b"GET"
        arrived.wait(10)
        connection.rst()

    program = start([start_fake(reset_together).port, shards[0].port], **EJECT)
    clients = [AnyClient(program.address) for _ in range(WORKERS)]
    for client in clients:
        client.send("GET", BAD)
    assert all(isinstance(client.reply(), Error) for client in clients)
    assert counts(program)["server_ejects"] == 0
    for client in clients:
        client.close()


def test_client_connections_are_counted_over_workers(start_fake, start):
    program = start([start_fake(echo).port], client_connections=7)
    # The connection that found out whether it listens has to be gone.
    assert wait_until(lambda: counts(program)["client_connections"] == 0)
    clients = [AnyClient(program.address) for _ in range(7)]
    assert [client.call("GET", "k") for client in clients] == [b"k"] * 7
    for _ in range(4):
        with AnyClient(program.address) as refused:
            assert refused.rest() == b"-ERR max number of clients reached\r\n"
    for client in clients[:2]:
        client.close()
    assert wait_until(lambda: counts(program)["client_connections"] == 5)
    clients[:2] = [AnyClient(program.address) for _ in range(2)]
    assert [client.call("GET", "k") for client in clients] == [b"k"] * 7


def test_drain(start_fake, start):
    release = threading.Event()

    def slow(connection):
        while (arguments := connection.request()) is not None:
            release.wait(10)
            connection.send(answer(arguments))

    program = start([start_fake(slow).port])
    clients = [AnyClient(program.address) for _ in range(10)]
    idle = [AnyClient(program.address) for _ in range(10)]
    for number, client in enumerate(clients):
        client.send("GET", f"k{number}")
    assert wait_until(lambda: counts(program)["s0"]["requests"] == 10)
    program.process.send_signal(signal.SIGTERM)
    assert [client.rest() for client in idle] == [b""] * 10
    assert program.is_alive()
    Program.running.remove(program)
    release.set()
    for number, client in enumerate(clients):
        assert client.reply() == b"k%d" % number
        with pytest.raises(Closed):
            client.reply()
    assert program.process.wait(5) == 0


def test_no_worker_is_left_when_the_process_is_asked_to_end(start_fake, start):
    """Right after the start, under connections that are being handed over."""
    for _ in range(5):
        program = start([start_fake(echo).port])
        clients = [AnyClient(program.address) for _ in range(30)]
        program.stop()
        assert [client.rest() for client in clients] == [b""] * 30


def test_requests_go_to_the_other_server_in_both_workers(shards, start):
    """`GOOD` is served throughout an incident of the other server."""
    program = start([free_port(), shards[0].port], **EJECT)
    clients = [AnyClient(program.address) for _ in range(4)]
    for turn in range(30):
        client = clients[turn % 4]
        assert client.call("SET", GOOD, turn) == "OK"
        client.call("GET", BAD)
        assert client.call("GET", GOOD) == b"%d" % turn
    assert counts(program)["forward_error"] == 2
