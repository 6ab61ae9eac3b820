#!/usr/bin/env python3
"""Resident memory per idle client: many connections that have each made one request.

Prints bytes per client for each proxy. A client is a connection that did one GET, got its
reply, and stays open. Memory of the kernel (sockets) is not resident memory of the proxy.
"""

import argparse
import socket
import sys
import time

import harness
import workloads

REQUEST = b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n"
REPLY = b"$-1\r\n"


def open_client(port):
    """A connection that has made its request."""
    client = socket.create_connection((harness.LOOPBACK, port), 10)
    client.sendall(REQUEST)
    reply = b""
    while len(reply) < len(REPLY):
        received = client.recv(64)
        if not received:
            raise SystemExit(f"port {port} closed a client instead of answering")
        reply += received
    if reply != REPLY:
        raise SystemExit(f"port {port} answered {reply!r}")
    return client


def measure(bench, target, clients, wait):
    """Resident bytes with and without the clients of a freshly started proxy.

    One client comes before the first reading, so that what the first one alone costs
    (server connections, first-touched code) is not shared out among all.
    """
    port = target.ports["redis"]
    opened = [open_client(port)]
    time.sleep(wait)
    before = harness.resident_bytes(target.pid)
    opened += [open_client(port) for _ in range(clients)]
    time.sleep(wait)
    after = harness.resident_bytes(target.pid)
    for client in opened:
        client.close()
    return {
        "clients": clients, "before": before, "after": after,
        "per_client": (after - before) / clients,
    }


def measure_all(base, cpus, proxies, clients, wait):
    """Name → result, one proxy at a time, each freshly started."""
    results = {}
    with harness.Bench(base, cpus, cpus, cpus, {"redis"}) as bench:
        for name, command in proxies.items():
            target = bench.start_target(name, command)
            results[name] = measure(bench, target, clients, wait)
            bench.stop(bench.started.pop())
    return results


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    harness.add_proxy_arguments(parser)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--wait", type=float, default=2, help="seconds before each reading")
    arguments = parser.parse_args()

    proxies = harness.chosen_targets(arguments)
    proxies.pop(workloads.DIRECT, None)
    proxies.pop(workloads.NUTCRACKER_QUIET, None)
    results = measure_all(
        arguments.base, arguments.proxy_cpus, proxies, arguments.clients, arguments.wait)
    for name, result in results.items():
        print(
            f"{name}: {result['per_client']:.0f} bytes per client"
            f" ({result['before'] / 1024:.0f} KiB without and {result['after'] / 1024:.0f} KiB"
            f" with {result['clients']:,} clients)")
    mine = results.get(workloads.CASHEW)
    if mine and mine["per_client"] > workloads.IDLE_CLIENT_BYTES_LIMIT:
        sys.exit(f"more than {workloads.IDLE_CLIENT_BYTES_LIMIT} bytes per client")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
