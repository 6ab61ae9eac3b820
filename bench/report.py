"""Turns the runs into medians, limits and a Markdown document."""

import statistics
from dataclasses import dataclass

import multiget
import worker_count
from workloads import (
    CASHEW, DIRECT, IDLE_CLIENT_BYTES_LIMIT, MEMORY_LIMIT, NUTCRACKER, NUTCRACKER_QUIET, WORKLOADS)

TITLES = {
    NUTCRACKER: "nutcracker", NUTCRACKER_QUIET: "nutcracker -v 4", CASHEW: "Cashew",
    DIRECT: "direct",
}

INTRODUCTION = """\
# Benchmark results

Cashew beside nutcracker (twemproxy) and beside the backend itself, in one run on one host:
`make bench`. Each proxy has the same two servers behind it; the repetitions of a workload
go round the proxies in turn. *Direct* is a client without a proxy between.

![CPU time per request and more, relative to nutcracker](results.svg)

"""

READING = """\
## How to read it

- **CPU** is the CPU time (user and kernel) of the proxy alone, per client request: the growth
  of `/proc/PID/task/*/schedstat` over a fixed number of requests; median, and the range of
  all repetitions in parentheses. It includes what the kernel does for TCP in the proxy's
  name, which for small requests without a pipeline is nearly all of it.
- **Ratios** are medians divided by medians: against nutcracker's default command line, and
  against `-v 4`, where it does not ask for the peer's name on every request.
- **Requests/s and latency** come from a closed loop in which proxy, load generator and
  servers share the cores named above: they compare programs, and are not what a host can do.
  A latency counts from the write of its batch, so a pipeline of 64 waits for 64.
- **Memory** is resident memory right after the runs of the workload, the proxies having run
  all workloads above it as well: what nutcracker once allocates it keeps.
- **System calls** are counted by `strace -f -c` in a run of its own. io_uring's work inside
  the kernel is not counted as calls, but its CPU time is in the CPU column.
"""


@dataclass(frozen=True)
class Median:
    """What is kept of the repetitions of one workload on one target."""

    cpu: float | None
    """Microseconds of CPU time per request, like the next two; None without a proxy."""
    cpu_min: float | None
    cpu_max: float | None
    ratio: float | None
    ratio_min: float | None
    """Of the repetitions, each against nutcracker's run of the same repetition."""
    ratio_max: float | None
    ratio_quiet: float | None
    rps: float
    p50: float
    p99: float
    p999: float
    resident: float | None
    syscalls: float | None


@dataclass(frozen=True)
class Bar:
    """One promise, and what was measured."""

    title: str
    limit: float
    measured: float
    spread: str
    unit: str = ""

    @property
    def passed(self):
        return self.measured <= self.limit


def middle(runs, key):
    values = [run[key] for run in runs if key in run]
    return statistics.median(values) if values else None


def divide(part, whole):
    return None if part is None or not whole else part / whole


def summarize(results):
    """Workload name → target name → Median."""
    summary = {}
    for workload, targets in results["runs"].items():
        calls = results["syscalls"].get(workload, {})
        summary[workload] = {
            name: summarize_runs(runs, targets, calls.get(name)) for name, runs in targets.items()}
    return summary


def summarize_runs(runs, targets, calls):
    cpu = [run["cpu_us"] for run in runs if "cpu_us" in run]
    base = targets.get(NUTCRACKER, [])
    paired = [run["cpu_us"] / other["cpu_us"] for run, other in zip(runs, base) if "cpu_us" in run]
    median = middle(runs, "cpu_us")
    return Median(
        cpu=median,
        cpu_min=min(cpu, default=None),
        cpu_max=max(cpu, default=None),
        ratio=divide(median, middle(base, "cpu_us")),
        ratio_min=min(paired, default=None),
        ratio_max=max(paired, default=None),
        ratio_quiet=divide(median, middle(targets.get(NUTCRACKER_QUIET, []), "cpu_us")),
        rps=middle(runs, "rps"),
        p50=middle(runs, "p50"),
        p99=middle(runs, "p99"),
        p999=middle(runs, "p999"),
        resident=middle(runs, "resident"),
        syscalls=sum(calls.values()) if calls is not None else None)


def bars(results, summary):
    """The limits that this run can speak about."""
    found = []
    for workload in WORKLOADS:
        mine = summary.get(workload.name, {}).get(CASHEW)
        if workload.limit is None or mine is None or mine.ratio is None:
            continue
        spread = f"{mine.ratio_min:.3f}–{mine.ratio_max:.3f}"
        found.append(
            Bar(f"CPU per request, {workload.title}", workload.limit, mine.ratio, spread))
    resident = results["resident"]
    if CASHEW in resident and NUTCRACKER in resident:
        sizes = f"{mebibytes(resident[CASHEW])} of {mebibytes(resident[NUTCRACKER])} MiB"
        ratio = resident[CASHEW] / resident[NUTCRACKER]
        found.append(Bar("Resident memory after all runs", MEMORY_LIMIT, ratio, sizes))
    idle = results["idle"].get(CASHEW)
    if idle:
        reference = results["idle"].get(NUTCRACKER)
        beside = f"nutcracker {reference['per_client']:.0f}" if reference else ""
        title = f"Resident bytes per idle client, {idle['clients']:,} clients"
        found.append(
            Bar(title, IDLE_CLIENT_BYTES_LIMIT, idle["per_client"], beside, unit="bytes"))
    return found


# Numbers as text. None is a dash: the target has no such number.


def ratio_text(value):
    return "–" if value is None else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def cpu_text(median):
    if median.cpu is None:
        return "–"
    return f"{median.cpu:.2f} ({median.cpu_min:.2f}–{median.cpu_max:.2f})"


def mebibytes(size):
    return "–" if size is None else f"{size / 2**20:.1f}"


def calls_text(value):
    return "–" if value is None else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def bar_text(bar, value):
    return f"{value:.0f} {bar.unit}" if bar.unit else f"{value:.3f}"


def table(header, rows, text_columns=1):
    """A Markdown table: `text_columns` to the left, numbers to the right."""
    rule = [":--" if column < text_columns else "--:" for column in range(len(header))]
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, rule, *rows])


def limits_section(results, summary):
    found = bars(results, summary)
    if not found:
        return "## Limits\n\nCashew was not part of this run.\n"
    rows = [
        [bar.title, f"≤ {bar_text(bar, bar.limit)}", bar_text(bar, bar.measured),
         bar.spread, "pass" if bar.passed else "**FAIL**"]
        for bar in found]
    header = ["against nutcracker's default", "limit", "measured", "spread", "verdict"]
    return "## Limits\n\n" + table(header, rows)


def comparison_section(summary):
    header = ["workload", "target", "CPU µs/request (range)", "ratio", "ratio to -v 4",
              "requests/s", "p50 µs", "p99 µs", "p999 µs", "memory MiB", "calls/request"]
    rows = []
    for workload in WORKLOADS:
        for name, median in summary.get(workload.name, {}).items():
            rows.append([
                workload.title, TITLES.get(name, name), cpu_text(median),
                ratio_text(median.ratio), ratio_text(median.ratio_quiet), f"{median.rps:,.0f}",
                f"{median.p50:,.0f}", f"{median.p99:,.0f}", f"{median.p999:,.0f}",
                mebibytes(median.resident), calls_text(median.syscalls)])
    return "## Comparison\n\n" + table(header, rows, text_columns=2)


def memory_section(results):
    header = ["", "after all runs, MiB", "idle clients", "without them, MiB", "with them, MiB",
              "bytes per idle client"]
    rows = []
    for name, size in results["resident"].items():
        idle = results["idle"].get(name)
        rows.append([TITLES.get(name, name), mebibytes(size)] + ([
            f"{idle['clients']:,}", mebibytes(idle["before"]), mebibytes(idle["after"]),
            f"{idle['per_client']:.0f}"] if idle else ["–"] * 4))
    return "## Memory\n\n" + table(header, rows) + (
        "\nAn idle client has made one request and stays connected. It was measured on a\n"
        "freshly started proxy (`bench/idle_clients.py`).\n")


def multiget_section(results):
    if not results["multiget"]:
        return ""
    rows = [multiget.cells(row | {"proxy": TITLES.get(row["proxy"], row["proxy"])})
            for row in results["multiget"]]
    return "## Multi-key get\n\n" + table(multiget.HEADER, rows, text_columns=2) + (
        f"\nA memcached get of so many keys over {multiget.SERVERS} servers (`bench/multiget.py`).\n"
        "nutcracker does not count its fragments.\n")


def workers_section(results):
    if not results["workers"]:
        return ""
    rows = [worker_count.cells(row) for row in results["workers"]]
    return "## Two workers\n\n" + table(worker_count.HEADER, rows) + (
        "\nNothing is pinned here: proxy, load generator and servers share all cores, so what two\n"
        "workers use more for a request is missing elsewhere.\n")


def syscalls_section(results):
    if not results["syscalls"]:
        return ""
    rows = []
    for workload in WORKLOADS:
        for name, calls in results["syscalls"].get(workload.name, {}).items():
            frequent = [f"{call} {calls_text(count)}" for call, count in list(calls.items())[:5]]
            rows.append([workload.title, TITLES.get(name, name), ", ".join(frequent)])
    header = ["workload", "proxy", "system calls per request, the five most frequent"]
    return "## System calls\n\n" + table(header, rows, text_columns=3)


def micro_section(results):
    if not results["micro"]:
        return ""
    return ("## Inside the process\n\nParts of Cashew alone, by `swift run -c release micro`:"
            f"\n\n```text\n{results['micro'].rstrip()}\n```\n")


def host_section(results):
    lines = [f"- {label}: {text}" for label, text in results["host"].items()]
    pinning = results["pinning"]
    lines.append(
        f"- Cores: proxy {pinning['proxy']}, load generator {pinning['load']},"
        f" servers {pinning['backend']}")
    lines.append(f"- Repetitions: {results['repetitions']}")
    lines += [f"- {note}" for note in results["notes"]]
    proxies = "\n".join(
        f"{TITLES.get(name, name)}: {command}" for name, command in results["proxies"].items())
    return "## Host and commands\n\n" + "\n".join(lines) + (
        f"\n\n```text\n$ {results['command']}\n\n{proxies}\n```\n")


def document(results, summary):
    sections = [
        limits_section(results, summary), host_section(results), comparison_section(summary),
        memory_section(results), multiget_section(results), workers_section(results),
        syscalls_section(results), micro_section(results), READING]
    return INTRODUCTION + "\n".join(section for section in sections if section)


def terminal(results, summary):
    """A short account of the run: one line per workload and proxy, and the limits."""
    lines = []
    for workload in WORKLOADS:
        for name, median in summary.get(workload.name, {}).items():
            lines.append(
                f"{workload.title:18} {TITLES.get(name, name):16} {cpu_text(median):>20} µs"
                f" {ratio_text(median.ratio):>6} {median.rps:>10,.0f}/s"
                f" p99 {median.p99:>8,.0f} µs {mebibytes(median.resident):>7} MiB")
    for bar in bars(results, summary):
        verdict = "pass" if bar.passed else "FAIL"
        measured = f"{bar_text(bar, bar.measured)}, limit {bar_text(bar, bar.limit)}"
        lines.append(f"{verdict} {bar.title}: {measured}")
    return "\n".join(lines)
