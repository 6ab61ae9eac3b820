"""Throughput of two workers beside that of one, where clients and servers share the cores.

Nothing is pinned: load generator, servers and proxy have all cores of the host. What two workers
spend more of the CPU for a request is then missing elsewhere, so this is the hard case for them.
"""

import os
import statistics

import harness
import workloads

NAMES = ("a_get", "a_set", "b16_get", "b16_set", "c1000_get", "d_mget10")
HEADER = ["workload", "workers", "requests/s", "ratio", "p99 µs", "CPU µs/request"]


def measure(bench, target, workload, requests):
    before = harness.cpu_ns(target.pid)
    result = bench.load(target, workload, requests)
    if result["bad"]:
        raise SystemExit(f"{target.name}, {workload.name}: {result['bad']} bad replies")
    cpu = (harness.cpu_ns(target.pid) - before) / 1000 / requests
    return result["rps"], result["p99"], cpu


def measure_all(base, command, length):
    """One dictionary per workload and number of workers, medians of interleaved runs.

    `command` starts one worker; `length` says how much is run.
    """
    cpus = f"0-{os.cpu_count() - 1}"
    results = []
    with harness.Bench(base, cpus, cpus, cpus, {"redis"}) as bench:
        targets = {
            count: bench.start_target(f"workers-{count}", f"{command} --workers {count}")
            for count in (1, 2)}
        for workload in workloads.named(",".join(NAMES)):
            workload = length.shorten(workload)
            requests = length.requests(workload)
            found = {count: [] for count in targets}
            for target in targets.values():
                bench.fill(target, workload)
            for _ in range(length.repetitions):
                for count, target in targets.items():
                    found[count].append(measure(bench, target, workload, requests))
            for count, values in found.items():
                rps, p99, cpu = (
                    statistics.median(column) for column in zip(*values, strict=True))
                results.append({
                    "workload": workload.title, "workers": count, "rps": rps, "p99": p99,
                    "cpu_us": cpu, "ratio": rps / statistics.median(v[0] for v in found[1])})
    return results


def cells(row):
    """A row as texts, in the order of `HEADER`."""
    return [row["workload"], str(row["workers"]), f"{row['rps']:,.0f}", f"{row['ratio']:.2f}",
            f"{row['p99']:,.0f}", f"{row['cpu_us']:.2f}"]
