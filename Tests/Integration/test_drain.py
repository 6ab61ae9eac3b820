"""How clients end when the proxy is told to: each in a quiet moment, none with a request lost."""

import signal
import socket
import threading
import time

import pytest

from launch import AnyClient, Program, connect, pool, wait_until
from memcached import Line, MemcachedServer
from ports import HOST, free_port
from resp import Closed, encode

pytestmark = pytest.mark.beyond


@pytest.fixture
def start(tmp_path):
    programs = []

    def start_one(port, *arguments, **directives):
        listen = free_port()
        yaml = pool("pool", f"{HOST}:{listen}", [f"{HOST}:{port}:1 s0"], **directives)
        folder = tmp_path / str(len(programs))
        programs.append(Program(folder, yaml, listen, *arguments))
        return programs[-1]

    yield start_one
    for program in programs:
        program.kill()


def end(program, seconds=5):
    """SIGTERM; returns how long the proxy took to end."""
    Program.running.remove(program)
    since = time.monotonic()
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(seconds) == 0
    return time.monotonic() - since


class Busy:
    """Asks again as soon as it has its replies, as pools do: looks first whether it still may."""

    def __init__(self, address, pipeline=1, pause=0.0, think=0.0):
        self.connection = connect(address)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.setblocking(False)
        self.pipeline, self.pause, self.think = pipeline, pause, think
        self.answered = self.lost = self.waiting = 0
        self.due, self.rest, self.is_over = time.monotonic(), b"", False

    def is_ended(self):
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False

    def act(self):
        """Whatever can be done without waiting."""
        if self.waiting:
            self.read()
        if not self.is_over and not self.rest and self.waiting == 0 and self.is_due():
            self.is_over = self.is_ended()
            if not self.is_over:
                requests = encode("INCR", "k") * self.pipeline
                half = len(requests) // 2 if self.pause else len(requests)
                self.connection.sendall(requests[:half])
                self.waiting, self.rest = self.pipeline, requests[half:]
                self.due = time.monotonic() + self.pause
        elif not self.is_over and self.rest and self.is_due():
            try:
                self.connection.sendall(self.rest)
            except OSError:
                self.lose()
            self.rest = b""

    def is_due(self):
        return time.monotonic() >= self.due

    def read(self):
        try:
            data = self.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.lose()
        count = data.count(b"\n")
        self.waiting -= count
        self.answered += count
        if self.waiting == 0:
            self.due = time.monotonic() + self.think

    def lose(self):
        self.lost, self.is_over = self.waiting, True


def load(clients, until):
    """Lets them ask on one thread, so that none is interrupted between looking and asking."""
    while not until() and not all(client.is_over for client in clients):
        for client in clients:
            if not client.is_over:
                client.act()


@pytest.mark.parametrize(
    "how", [{}, {"think": 0.002}, {"pipeline": 20}, {"pipeline": 20, "pause": 0.0005}],
    ids=["at once", "thinking", "pipelines", "in two pieces"],
)
def test_no_request_of_a_busy_client_is_lost(shards, start, how):
    lost, ended = 0, []
    for _ in range(5):
        shards[0].call("FLUSHALL")
        program = start(shards[0].port)
        clients = [Busy(program.address, **how) for _ in range(16)]
        soon = time.monotonic() + 0.2
        load(clients, lambda: time.monotonic() > soon)
        Program.running.remove(program)
        since = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        load(clients, lambda: time.monotonic() > since + 10)
        assert all(client.is_over and client.answered > 0 for client in clients)
        for client in clients:
            client.connection.close()
        assert program.process.wait(5) == 0
        ended.append(time.monotonic() - since)
        lost += sum(client.lost for client in clients)
    assert lost == 0, lost
    assert max(ended) < 3, ended


def test_requests_that_wait_to_be_accepted_are_answered(shards, start):
    """They have arrived when the signal comes: the kernel has them."""
    program = start(shards[0].port)
    program.process.send_signal(signal.SIGSTOP)
    clients = [AnyClient(program.address) for _ in range(10)]
    for number, client in enumerate(clients):
        client.send("SET", f"k{number}", number)
    program.process.send_signal(signal.SIGTERM)
    program.process.send_signal(signal.SIGCONT)
    for number, client in enumerate(clients):
        assert client.reply() == "OK"
    Program.running.remove(program)
    assert program.process.wait(5) == 0


def test_a_request_in_pieces_is_answered(shards, start):
    program = start(shards[0].port)
    request = encode("SET", "k", "v" * 10000)
    with AnyClient(program.address) as client:
        client.write(request[:20])
        time.sleep(0.05)
        Program.running.remove(program)
        program.process.send_signal(signal.SIGTERM)
        for start_ in range(20, len(request), 1000):
            client.write(request[start_:start_ + 1000])
            time.sleep(0.03)
        assert client.reply() == "OK"
        with pytest.raises(Closed):
            client.reply()
    assert program.process.wait(5) == 0


def test_a_client_that_never_stops_is_ended_in_time(shards, start):
    """One that writes on and on, without waiting for replies, is never quiet."""
    program = start(shards[0].port, "--shutdown-timeout", "2")
    stopped = threading.Event()
    connection = connect(program.address)

    def write():
        try:
            while not stopped.is_set():
                connection.sendall(encode("GET", "k"))
                time.sleep(0.0005)
        except OSError:
            pass

    def read():
        try:
            while connection.recv(65536):
                pass
        except OSError:
            pass

    threads = [threading.Thread(target=run, daemon=True) for run in (write, read)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert end(program) < 2
    stopped.set()
    connection.close()


def test_a_client_that_does_not_close_holds_up_nobody(shards, start):
    program = start(shards[0].port)
    clients = [AnyClient(program.address) for _ in range(10)]
    for client in clients:
        assert client.call("PING") == "PONG"
    assert end(program) < 1.5
    for client in clients:
        assert client.rest() == b""


def test_what_has_no_reply_is_sent_before_the_end(start):
    """Sets with `noreply`, for which nobody waits, to a memcached that reads them later."""
    server = MemcachedServer()
    try:
        program = start(server.port, redis="false")
        with Line(program.address) as client:
            client.send(b"get k\r\n")
            client.read_until(b"END\r\n")
            server.process.send_signal(signal.SIGSTOP)
            value = b"x" * 1000
            client.send(b"".join(
                b"set k%d 0 0 1000 noreply\r\n%s\r\n" % (number, value) for number in range(8000)))
        threading.Timer(0.7, lambda: server.process.send_signal(signal.SIGCONT)).start()
        end(program, 10)
        # It may still have to read what lies in its socket.
        assert wait_until(lambda: b"STAT curr_items 8000\r\n" in server.ask(b"stats\r\n"))
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.stop()
