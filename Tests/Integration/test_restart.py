"""A proxy that ends, in whatever way, can be followed by the next one at once."""

import signal
import socket

import pytest

from ports import HOST
from proxy import Proxy
from resp import Client
from shards import named


def can_listen(port):
    """Whether the port is free for the next proxy, which takes it as a server does."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()
        except OSError:
            return False
        return True


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_port_is_free_when_the_process_has_ended(shards, tmp_path, sent):
    """Even after SIGKILL: no operation in the kernel may keep the listening socket."""
    for turn in range(5):
        proxy = Proxy(tmp_path / str(turn), named([shards[0].port]))
        try:
            with Client(proxy.port) as client:
                assert client.call("SET", "k", "v") == "OK"
                proxy.process.send_signal(sent)
                proxy.process.wait(10)
                assert can_listen(proxy.port), f"the port is still taken after {sent.name}"
        finally:
            proxy.kill()


def test_killed_and_started_again_on_the_same_port(shards, tmp_path):
    port = None
    for turn in range(10):
        proxy = Proxy(tmp_path / str(turn), named([shards[0].port]), port=port)
        try:
            port = proxy.port
            with Client(port) as client:
                assert client.pipeline([("INCR", "starts"), ("PING",)]) == [turn + 1, "PONG"]
        finally:
            proxy.kill()
