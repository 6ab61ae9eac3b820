"""Several connections to a server: which of them a request goes on, and what there is of them."""

import resource
import subprocess
import threading

import pytest

from fakes import answer
from launch import AnyClient, Program, lines_of, pool
from memcached import Line, MemcachedServer
from ports import HOST, free_port
from proxy import BINARY
from resp import Error

beyond = pytest.mark.beyond


@pytest.fixture
def start(tmp_path):
    """Starts proxies: `start([port, …], directive=value)`."""
    programs = []

    def start_one(ports, *arguments, files=None, **directives):
        listen = free_port()
        yaml = pool("pool", f"{HOST}:{listen}", lines_of(ports), **directives)
        folder = tmp_path / str(len(programs))
        programs.append(Program(folder, yaml, listen, *arguments, files=files))
        return programs[-1]

    yield start_one
    for program in programs:
        program.kill()


class Slow:
    """A script: servers of one store, whose first connection does nothing until it is told."""

    def __init__(self):
        self.values, self.go_on = {}, threading.Event()
        self.used = []

    def __call__(self, connection):
        while (arguments := connection.request()) is not None:
            self.used.append(connection.index)
            if connection.index == 0:
                self.go_on.wait(20)
            if arguments[0].upper() == b"SET":
                self.values[arguments[1]] = arguments[2]
                connection.send(b"+OK\r\n")
            elif arguments[0].upper() == b"MGET":
                found = [self.values.get(key, b"old") for key in arguments[1:]]
                connection.send(b"*%d\r\n" % len(found))
                for value in found:
                    connection.send(b"$%d\r\n%s\r\n" % (len(value), value))
            else:
                value = self.values.get(arguments[1], b"old")
                connection.send(b"$%d\r\n%s\r\n" % (len(value), value))


@beyond
@pytest.mark.parametrize("connections", [2, 3, 20])
def test_a_pipelined_get_reads_what_the_set_before_it_has_written(start_fake, start, connections):
    """The connection of the SET is slow; every other would answer at once, with the old value."""
    script = Slow()
    program = start([start_fake(script).port], server_connections=connections)
    with AnyClient(program.address) as client:
        for request in [("SET", "k", "new"), ("GET", "k"), ("MGET", "k", "k")] * 3:
            client.send(*request)
        threading.Timer(0.2, script.go_on.set).start()
        assert client.replies(9) == ["OK", b"new", [b"new", b"new"]] * 3
    assert set(script.used) == {0}


@beyond
def test_fragments_of_two_servers_stay_in_order_too(start_fake, start):
    """Requests with keys on both, then on one: the first server's lane is the second's too."""
    from shards import keys_on
    scripts = [Slow(), Slow()]
    program = start([start_fake(script).port for script in scripts], server_connections=3)
    one, two = keys_on(0, 2, 1)[0], keys_on(1, 2, 1)[0]
    with AnyClient(program.address) as client:
        for request in [("SET", two, "b"), ("SET", one, "a"), ("MGET", two, one), ("GET", one)]:
            client.send(*request)
        for script in scripts:
            threading.Timer(0.2, script.go_on.set).start()
        assert client.replies(4) == ["OK", "OK", [b"b", b"a"], b"a"]
    assert [len(set(script.used)) for script in scripts] == [1, 1]


@beyond
def test_connections_are_still_used_in_turn_by_clients_that_wait(start_fake, start):
    used = []

    def note(connection):
        while (arguments := connection.request()) is not None:
            used.append(connection.index)
            connection.send(answer(arguments))

    program = start([start_fake(note).port], server_connections=3)
    with AnyClient(program.address) as client, AnyClient(program.address) as other:
        for turn in range(12):
            assert (client, other)[turn % 2].call("SET", "k", turn) == "OK"
    assert used == [0, 1, 2] * 4


@beyond
def test_a_get_behind_a_set_without_reply(start):
    """`noreply` ends at nothing that the proxy could see: such a client stays on its connection."""
    server = MemcachedServer()
    try:
        program = start([server.port], redis="false", server_connections=4)
        with Line(program.address) as client:
            for turn in range(300):
                value = b"%d" % turn
                client.send(b"set k 0 0 %d noreply\r\n%s\r\nget k\r\n" % (len(value), value))
                got = client.read_until(b"END\r\n")
                assert got == b"VALUE k 0 %d\r\n%s\r\nEND\r\n" % (len(value), value)
    finally:
        server.stop()


# More of them than there are descriptors


@beyond
def test_more_server_connections_than_descriptors(shards, start):
    """As many clients as there are descriptors for, while servers' connections share the rest."""
    ports = [shard.port for shard in shards[:2]]
    program = start(ports, files=(256, 256), server_connections=20000, client_connections=75000)
    clients = [AnyClient(program.address) for _ in range(100)]
    for turn in range(4):
        for index, client in enumerate(clients):
            assert client.call("SET", f"k{index}", turn) == "OK"
    stats = program.stats()["pool"]
    used = stats["s0"]["server_connections"] + stats["s1"]["server_connections"]
    # Half of what is not kept for the first two.
    assert used == 2 + (256 - 33 - 2) // 2, used
    # The clients that are left get the other half.
    while len(clients) < 256 - 33 - used - 1:
        clients.append(AnyClient(program.address))
        assert clients[-1].call("GET", "k1") == b"3"
    for client in clients:
        client.close()


@beyond
def test_clients_that_were_first_leave_one_connection_per_server(shards, start):
    ports = [shard.port for shard in shards[:2]]
    program = start(ports, files=(128, 128), server_connections=1000)
    clients = [AnyClient(program.address) for _ in range(128 - 33 - 2 - 1)]
    for client in clients:
        assert client.call("PING") == "PONG"
    for turn in range(3):
        for index, client in enumerate(clients):
            assert client.call("SET", f"k{index}", turn) == "OK"
    stats = program.stats()["pool"]
    used = stats["s0"]["server_connections"] + stats["s1"]["server_connections"]
    # One for each server, and what one client less leaves.
    assert used == 3, used
    assert (stats["s0"]["server_err"], stats["s1"]["server_err"]) == (0, 0)
    for client in clients:
        client.close()


@beyond
def test_no_descriptor_for_the_first_connection_is_no_failure_of_the_server(shards, start):
    directives = {"auto_eject_hosts": "true", "server_failure_limit": 1}
    program = start([shards[0].port], **directives)
    with AnyClient(program.address) as client:
        assert client.call("PING") == "PONG"
        limits = resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (5, limits[1]))
        assert client.call("GET", "k") == Error("ERR Too many open files")
        resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, limits)
        assert client.call("GET", "k") is None
    assert program.stats()["pool"]["server_ejects"] == 0


@beyond
@pytest.mark.parametrize("connections, is_warned", [(20000, True), (10, False)])
def test_what_does_not_fit_the_limit_is_said(shards, start, tmp_path, connections, is_warned):
    program = start([shards[0].port], files=(1024, 1024), server_connections=connections)
    words = f"{connections} connections to servers are configured"
    assert (words in program.log()) == is_warned
    tested = subprocess.run(
        [BINARY, "-t", "-c", program.configuration], capture_output=True, text=True, timeout=20,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)))
    assert tested.returncode == 0
    assert (words in tested.stderr) == is_warned
    assert "syntax is ok" in tested.stderr


@beyond
def test_the_largest_number_of_server_connections(shards, start):
    """It reserves little memory, and nothing overflows."""
    program = start([shards[0].port, shards[1].port], server_connections=2147483647)
    with AnyClient(program.address) as client:
        for turn in range(20):
            assert client.call("SET", "k", turn) == "OK"
    assert program.resident_kib() < 30000
