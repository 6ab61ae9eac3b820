#!/usr/bin/env python3
"""Compares Cashew with nutcracker and with redis itself, interleaved, on one host.

Every proxy runs for the whole time, each with the same two servers behind it; each repetition
of a workload goes to each proxy in turn, and medians are kept. What is compared is the CPU
time of the proxy alone, per request. Writes a Markdown document and a plot beside it.

By default all shares one core: then nothing waits for a wake-up across cores, which in a
virtual machine costs more than a proxy does and hides what it saves.

Exits 1 when Cashew misses a limit (not with --quick or --tiny), 2 when a reply was wrong.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
import time

import harness
import idle_clients
import multiget
import plot
import report
import syscalls
import worker_count
import workloads

MICRO = ".build/release/micro"

# Seconds in which a proxy notices that the clients of a run have left, so that this work always
# counts in the run.
SETTLE = 0.05


@dataclasses.dataclass(frozen=True)
class Length:
    """How much is run: `scale` 0 means the fewest requests that exercise everything."""

    repetitions: int = 5
    scale: float = 1
    idle_clients: int = 10_000
    idle_wait: float = 2
    traced: int = 5_000
    """The fewest requests under strace."""

    traced_per_client: int = 20
    """At least so many, or connecting is a visible part of the system calls."""

    keys: int = 300_000
    """Asked for in one run of multi-key gets."""

    def requests(self, workload):
        fewest = 2 * workload.connections * workload.pipeline
        return max(fewest, int(workload.requests * self.scale))

    def shorten(self, workload):
        keys = workload.keys if self.scale > 0 else min(workload.keys, 100)
        return dataclasses.replace(workload, keys=keys)


FULL = Length()
QUICK = Length(repetitions=1, scale=0.05, idle_wait=0.5, traced=1_000, traced_per_client=2,
               keys=50_000)
TINY = Length(
    repetitions=1, scale=0, idle_clients=100, idle_wait=0.1, traced=200, traced_per_client=2, keys=0)


def first_line(*command):
    """What a program says about itself, or None if it is not there."""
    try:
        words = [harness.find_program(command[0]), *command[1:]]
        run = subprocess.run(words, cwd=harness.ROOT, capture_output=True, text=True)
    except (OSError, SystemExit):
        return None
    return ((run.stdout or run.stderr).splitlines() or [None])[0] if run.returncode == 0 else None


def host_facts(proxies):
    """Label → text: everything that the numbers may depend on."""
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    congestion = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")
    facts = {
        "Processor": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "Kernel": platform.release(),
        "System": platform.freedesktop_os_release().get("PRETTY_NAME"),
        "TCP congestion control": congestion.read_text().strip(),
        "Redis": first_line("redis-server", "--version"),
        "nutcracker": first_line("nutcracker", "-V"),
        "Commit": first_line("git", "describe", "--always", "--dirty"),
        "Load average before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
    if workloads.CASHEW in proxies:
        program = shlex.split(proxies[workloads.CASHEW])[0]
        facts["Cashew"] = first_line(program, "-V")
    return {label: text for label, text in facts.items() if text}


def measure_once(bench, target, workload, requests):
    """One run: what the load generator saw and what the proxy used."""
    before = target.pid and harness.cpu_ns(target.pid)
    run = bench.load(target, workload, requests)
    if target.pid:
        time.sleep(SETTLE)
        run["cpu_us"] = (harness.cpu_ns(target.pid) - before) / 1000 / run["done"]
        run["resident"] = harness.resident_bytes(target.pid)
    return run


def measure_workload(bench, workload, length):
    """Target name → its runs. Who goes first changes with each repetition."""
    runs = {target.name: [] for target in bench.targets}
    for target in bench.targets:
        bench.fill(target, workload)
    for repetition in range(length.repetitions):
        first = repetition % len(bench.targets)
        for target in bench.targets[first:] + bench.targets[:first]:
            run = measure_once(bench, target, workload, length.requests(workload))
            runs[target.name].append(run)
    return runs


def count_syscalls(bench, chosen, length):
    """Workload → target → system call → calls per request."""
    counts = {}
    for workload in chosen:
        requests = max(length.traced, length.traced_per_client * workload.connections)
        counts[workload.name] = {
            target.name: syscalls.per_request(bench, target, workload, requests)
            for target in bench.targets if target.pid}
    return counts


def progress(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def measure(arguments, chosen, proxies, length):
    """Everything the document says, as values JSON can hold."""
    results = {
        "host": host_facts(proxies),
        "command": shlex.join(["python3", "bench/compare.py", *sys.argv[1:]]),
        "pinning": {"proxy": arguments.proxy_cpus, "load": arguments.load_cpus,
                    "backend": arguments.backend_cpus},
        "repetitions": length.repetitions, "proxies": proxies, "runs": {}, "notes": [],
    }
    protocols = {workload.protocol for workload in chosen}
    with harness.Bench(arguments.base, arguments.proxy_cpus, arguments.load_cpus,
                       arguments.backend_cpus, protocols) as bench:
        for name, command in proxies.items():
            bench.start_target(name, command)
        for workload in chosen:
            progress(workload.title)
            results["runs"][workload.name] = measure_workload(bench, workload, length)
        results["resident"] = {
            target.name: harness.resident_bytes(target.pid)
            for target in bench.targets if target.pid}
        reason = "--no-strace was given" if arguments.no_strace else syscalls.why_not()
        if reason is None:
            progress("system calls")
            results["syscalls"] = count_syscalls(bench, chosen, length)
        else:
            results["syscalls"] = {}
            results["notes"].append(f"System calls were not counted: {reason}.")
    progress("idle clients")
    idle = {name: command for name, command in proxies.items()
            if name not in (workloads.DIRECT, workloads.NUTCRACKER_QUIET)}
    results["idle"] = idle_clients.measure_all(
        arguments.base, arguments.proxy_cpus, idle, length.idle_clients, length.idle_wait)
    progress("multi-key gets")
    results["multiget"] = multiget.measure_all(
        arguments.base, arguments.proxy_cpus, idle, length.repetitions, length.keys)
    results["workers"] = []
    if workloads.CASHEW in proxies:
        progress("two workers")
        results["workers"] = worker_count.measure_all(
            arguments.base, proxies[workloads.CASHEW], length)
    results["micro"] = run_micro(arguments.proxy_cpus, length)
    return results


def run_micro(cpus, length):
    """What the micro benchmarks print, or None if they are not built."""
    if not (harness.ROOT / MICRO).exists():
        return None
    progress("micro benchmarks")
    words = [harness.ROOT / MICRO] + (["--tiny"] if length is TINY else [])
    return subprocess.run(
        words, check=True, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, harness.cpu_list(cpus))).stdout


def bad_replies(results):
    return sum(run["bad"] for targets in results["runs"].values()
               for runs in targets.values() for run in runs)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    harness.add_proxy_arguments(parser)
    parser.add_argument("--load-cpus", default="1", help="default: %(default)s")
    parser.add_argument("--backend-cpus", help="default: those of the load")
    parser.add_argument("--workloads", help="comma-separated names; default: all")
    parser.add_argument("--repetitions", type=int, help=f"default: {FULL.repetitions}")
    parser.add_argument("--scale", type=float, help="multiplies the number of requests")
    parser.add_argument("--quick", action="store_true", help="a smoke run of half a minute")
    parser.add_argument("--tiny", action="store_true", help="the least that runs everything")
    parser.add_argument("--no-strace", action="store_true", help="do not count system calls")
    parser.add_argument("--output", type=pathlib.Path,
                        default=harness.ROOT / "bench/RESULTS.md",
                        help="the document; its plot is results.svg beside it")
    parser.add_argument("--json", type=pathlib.Path, help="also write every run as JSON")
    parser.add_argument("--render", type=pathlib.Path, metavar="JSON",
                        help="measure nothing: write the document of an earlier --json")
    arguments = parser.parse_args()
    arguments.backend_cpus = arguments.backend_cpus or arguments.load_cpus
    return arguments


def chosen_length(arguments):
    length = TINY if arguments.tiny else QUICK if arguments.quick else FULL
    changes = {"repetitions": arguments.repetitions, "scale": arguments.scale}
    changes = {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(length, **changes) if changes else length


def main():
    arguments = parse_arguments()
    length = chosen_length(arguments)
    if arguments.render:
        results = json.loads(arguments.render.read_text())
    else:
        chosen = [length.shorten(workload) for workload in workloads.named(arguments.workloads)]
        results = measure(arguments, chosen, harness.chosen_targets(arguments), length)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    summary = report.summarize(results)
    arguments.output.write_text(report.document(results, summary))
    arguments.output.with_name("results.svg").write_text(plot.svg(summary))
    print(report.terminal(results, summary))
    if bad_replies(results):
        sys.exit(2)
    missed = [bar for bar in report.bars(results, summary) if not bar.passed]
    if missed and not (arguments.quick or arguments.tiny):
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
