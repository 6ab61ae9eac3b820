#!/usr/bin/env python3
"""What a memcached get costs by the number of its keys, over eight servers.

Prints a row for each number of keys: CPU time of the proxy per request and per key, and the
fragments of a request, as the statistics count them. Where the cost is linear in the keys, the
time per key stays the same; one fragment per server is the least there can be.
"""

import argparse
import json
import socket
import statistics

import harness
import workloads

SERVERS = 8
KEYS = 10_000
KEY_COUNTS = (10, 100, 1_000, 10_000)
HEADER = ["keys", "proxy", "CPU µs/get", "CPU ns/key", "fragments/get"]


def fragments(target):
    """The count of all fragments so far, from the stats port."""
    with socket.create_connection((harness.LOOPBACK, target.stats), 10) as connection:
        text = b""
        while piece := connection.recv(65536):
            text += piece
    return json.loads(text)[workloads.MC]["fragments"]


def measure(bench, target, keys, requests):
    """ns of CPU time and fragments, per request."""
    workload = workloads.Workload(
        "", "", "mget", requests, workloads.MC, connections=8, keys=KEYS, keys_per_request=keys)
    before = harness.cpu_ns(target.pid), fragments(target)
    result = bench.load(target, workload, requests)
    if result["bad"]:
        raise SystemExit(f"{target.name}: {result['bad']} bad replies to gets of {keys} keys")
    after = harness.cpu_ns(target.pid), fragments(target)
    return [(second - first) / requests for first, second in zip(before, after, strict=True)]


def measure_all(base, cpus, proxies, repetitions, key_total):
    """One dictionary per number of keys and proxy, medians of interleaved runs.

    `key_total` is how many keys the gets of one run ask for, about.
    """
    shards = {workloads.MC: range(1, SERVERS + 1)}
    results = []
    with harness.Bench(base, cpus, cpus, cpus, {workloads.MC}, shards) as bench:
        targets = [bench.start_target(name, command) for name, command in proxies.items()]
        for target in targets:
            bench.fill(target, workloads.Workload("", "", "get", KEYS, workloads.MC, keys=KEYS))
        for keys in KEY_COUNTS:
            found = {target.name: [] for target in targets}
            for _ in range(repetitions):
                for target in targets:
                    requests = max(24, key_total // keys)
                    found[target.name].append(measure(bench, target, keys, requests))
            for name, values in found.items():
                cpu, parts = (statistics.median(column) for column in zip(*values, strict=True))
                results.append({"keys": keys, "proxy": name, "cpu_ns": cpu, "fragments": parts})
    return results


def cells(row):
    """A row as texts, in the order of `HEADER`."""
    return [f"{row['keys']:,}", row["proxy"], f"{row['cpu_ns'] / 1000:,.1f}",
            f"{row['cpu_ns'] / row['keys']:,.0f}", f"{row['fragments']:.2f}"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    harness.add_proxy_arguments(parser)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()

    proxies = harness.chosen_targets(arguments)
    for name in (workloads.DIRECT, workloads.NUTCRACKER_QUIET):
        proxies.pop(name, None)
    print("\t".join(HEADER))
    for row in measure_all(
            arguments.base, arguments.proxy_cpus, proxies, arguments.repetitions, 300_000):
        print("\t".join(cells(row)))


if __name__ == "__main__":
    main()
