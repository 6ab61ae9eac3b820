"""Fixtures of the black-box tests. Everything they start is stopped at the end."""

import resource
import shutil

import pytest

from fakes import FakeServer
from ports import HOST
from proxy import BINARY, IS_NUTCRACKER, Proxy
from resp import Client
from shards import RedisServer, named

SHARDS = 8


def pytest_configure(config):
    config.addinivalue_line("markers", "beyond: what nutcracker does not do, or does wrong")
    # A thousand clients and their servers need descriptors here and in the proxy, which inherits.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60))
        if IS_NUTCRACKER and item.get_closest_marker("beyond"):
            item.add_marker(pytest.mark.xfail(strict=True, reason="nutcracker cannot do this"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for proxy in Proxy.running:
            report.sections.append((f"log of the proxy on {proxy.port}", proxy.log()))


@pytest.fixture(scope="session", autouse=True)
def programs():
    """Fails at once, and says why, when there is nothing to test."""
    if not BINARY.exists():
        pytest.exit(f"{BINARY} does not exist: build it first, or name another with CASHEW", 3)
    if shutil.which("redis-server") is None:
        pytest.exit("redis-server is not installed", 3)


@pytest.fixture(autouse=True)
def proxies_survive(programs):
    """After each test every proxy still runs."""
    yield
    for proxy in Proxy.running:
        assert proxy.is_alive(), f"died with {proxy.process.poll()}\n{proxy.log()}"


@pytest.fixture(scope="session")
def redis_factory(tmp_path_factory):
    """Starts redis-servers which live to the end of the session."""
    servers = []

    def start(count):
        folders = [tmp_path_factory.mktemp("redis") for _ in range(count)]
        started = [RedisServer(folder) for folder in folders]
        servers.extend(started)
        for server in started:
            assert server.call("PING") == "PONG"
        return started

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def shared_shards(redis_factory):
    return redis_factory(SHARDS)


@pytest.fixture
def shards(shared_shards):
    """Eight empty redis-servers."""
    for shard in shared_shards:
        assert shard.call("FLUSHALL") == "OK"
    return shared_shards


@pytest.fixture(scope="module")
def shared_proxy(shared_shards, tmp_path_factory):
    proxy = Proxy(tmp_path_factory.mktemp("proxy"), named([s.port for s in shared_shards]))
    try:
        yield proxy
        proxy.stop()
    finally:
        proxy.kill()


@pytest.fixture
def proxy(shared_proxy, shards):
    """A proxy over the eight shards, s0 to s7. It serves all tests of a module."""
    return shared_proxy


@pytest.fixture
def client(proxy):
    with Client(proxy.port) as client:
        yield client


@pytest.fixture
def start_proxy(tmp_path):
    """Starts a proxy for one test: `start_proxy([port, …], directive=value)`, servers s0, s1, …"""
    proxies = []

    def start(ports, **directives):
        folder = tmp_path / f"proxy{len(proxies)}"
        proxies.append(Proxy(folder, named(ports), **directives))
        return proxies[-1]

    try:
        yield start
        for proxy in proxies:
            proxy.stop()
    finally:
        for proxy in proxies:
            proxy.kill()


@pytest.fixture
def start_fake():
    """Starts scripted servers: `start_fake(script)`."""
    fakes = []

    def start(script, port=None, host=HOST):
        fakes.append(FakeServer(script, port, host))
        return fakes[-1]

    yield start
    for fake in fakes:
        fake.stop()
