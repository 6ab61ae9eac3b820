"""Two proxies behind HAProxy, as conf/haproxy.cfg has it: one may end at any time."""

import shutil
import signal
import subprocess
import threading
import time

import pytest

from ports import HOST, free_port
from proxy import REPOSITORY, Proxy
from resp import Client, Closed, Error
from shards import named

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CLIENTS = 20
# Down takes two checks half a second apart, up two checks a fifth of a second apart.
SECONDS_TO_NOTICE = 2


class HAProxy:
    """conf/haproxy.cfg with other ports."""

    def __init__(self, folder, ports):
        self.port = free_port()
        text = (REPOSITORY / "conf/haproxy.cfg").read_text()
        for written, real in zip((22120, 22121, 22122), (self.port, *ports), strict=True):
            address = f" {HOST}:{written}\n"
            assert text.count(address) == 1, f"conf/haproxy.cfg does not name {written} once"
            text = text.replace(address, f" {HOST}:{real}\n")
        configuration = folder / "haproxy.cfg"
        configuration.write_text(text)
        self.log_path = folder / "haproxy.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [HAPROXY, "-db", "-f", configuration], stdin=subprocess.DEVNULL, stderr=log
            )

    def wait_until_serving(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log_path.read_text()
            try:
                with Client(self.port, timeout=1) as client:
                    if client.call("PING") == "PONG":
                        return
            except (OSError, Closed):
                pass
            time.sleep(0.05)
        raise AssertionError(f"haproxy passes nothing on\n{self.log_path.read_text()}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class LoadingClient(threading.Thread):
    """Writes and reads back values of its own until it is told to stop, and connects again when
    its connection ends."""

    def __init__(self, number, port):
        super().__init__(daemon=True)
        self.number, self.port = number, port
        self.requests = 0
        self.last_success = 0.0
        # When each failed request failed, and with what.
        self.failures = []
        self.wrong = None
        self.is_stopping = False

    def run(self):
        while not self.is_stopping and self.wrong is None:
            try:
                with Client(self.port, timeout=5) as client:
                    self.use(client)
            except (OSError, Closed) as failure:
                self.failures.append((time.monotonic(), repr(failure)))

    def use(self, client):
        while not self.is_stopping and self.wrong is None:
            key, value = f"client:{self.number}:{self.requests % 50}", b"%d" % self.requests
            self.check(client.call("SET", key, value), "OK")
            self.check(client.call("GET", key), value)
            self.requests += 2
            self.last_success = time.monotonic()

    def check(self, reply, expected):
        if isinstance(reply, Error):
            self.failures.append((time.monotonic(), repr(reply)))
        elif reply != expected:
            self.wrong = f"client {self.number} got {reply!r}, not {expected!r}"


@pytest.fixture
def load():
    """Starts clients on a port; they are stopped at the end of the test."""
    clients = []

    def start(port):
        clients.extend(LoadingClient(number, port) for number in range(CLIENTS))
        for client in clients:
            client.start()
        return clients

    yield start
    for client in clients:
        client.is_stopping = True
    for client in clients:
        client.join(10)


@pytest.fixture
def start_haproxy(tmp_path):
    started = []

    def start(ports):
        started.append(HAProxy(tmp_path, ports))
        started[-1].wait_until_serving()
        return started[-1]

    yield start
    for haproxy in started:
        haproxy.stop()


@pytest.fixture
def proxies(shards, tmp_path):
    """Two with the same pool; what is left of them is ended after the test."""
    servers = named([shard.port for shard in shards])
    started = [Proxy(tmp_path / name, servers) for name in ("a", "b")]
    yield started
    for proxy in started:
        proxy.kill()


def start_again(proxy, shards, tmp_path, name):
    servers = named([shard.port for shard in shards])
    return Proxy(tmp_path / name, servers, port=proxy.port)


def end(proxy, how):
    """By a signal, without asking whether it was alive: the test is about the others."""
    Proxy.running.remove(proxy)
    proxy.process.send_signal(how)
    proxy.process.wait(20)


def failures_since(clients, moment):
    return [text for client in clients for time_, text in client.failures if time_ >= moment]


def assert_served(clients):
    """Every client has had replies within the last second, and only right ones."""
    now = time.monotonic()
    assert [client.wrong for client in clients if client.wrong] == []
    waiting = [client.number for client in clients if client.last_success < now - 1]
    assert waiting == [], f"clients {waiting} are not served"


@pytest.mark.timeout(90)
@pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_either_of_two_proxies_may_end_under_load(
    proxies, shards, start_haproxy, load, tmp_path, how
):
    """Each client loses the request it waits for at most, and is served again at once."""
    haproxy = start_haproxy([proxy.port for proxy in proxies])
    clients = load(haproxy.port)
    time.sleep(1)
    assert_served(clients)
    assert failures_since(clients, 0) == []

    counts = []
    for index in (0, 1):
        moment = time.monotonic()
        end(proxies[index], how)
        time.sleep(SECONDS_TO_NOTICE)
        assert_served(clients)
        failed = failures_since(clients, moment)
        assert len(failed) <= CLIENTS, failed
        counts.append(len(failed))
        proxies[index] = start_again(proxies[index], shards, tmp_path, f"again{index}")
        time.sleep(SECONDS_TO_NOTICE)
        assert_served(clients)
        assert failures_since(clients, moment)[len(failed):] == [], "the return of one fails others"
    total = sum(client.requests for client in clients)
    print(f"{total} requests of {CLIENTS} clients; failed when one proxy ended: {counts}")
    # Half of the clients were on the first, so it cannot have ended unnoticed.
    assert sum(counts) > 0
