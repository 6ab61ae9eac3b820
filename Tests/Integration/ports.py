"""Loopback ports for servers, proxies and fakes, taken in turn from one fixed range.

The range lies below the kernel's ephemeral ports, so that no outgoing connection can sit on a port
between the moment it is handed out and the moment somebody listens on it.
"""

import itertools
import os
import socket

HOST = "127.0.0.1"
FIRST, LAST = map(int, os.environ.get("CASHEW_TEST_PORTS", "25400-25499").split("-"))
_turn = itertools.cycle(range(FIRST, LAST + 1))


def free_port():
    """The next port of the range on which nobody listens."""
    for port in itertools.islice(_turn, LAST - FIRST + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"no free port in {FIRST}-{LAST}; set CASHEW_TEST_PORTS")
