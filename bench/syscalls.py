"""System calls per request, counted by strace on a run of its own: tracing slows the proxy."""

import re
import shutil
import signal
import subprocess
import time

COUNT_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", re.M)


def why_not():
    """None, or the reason why system calls cannot be counted here."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    traced = subprocess.run(["strace", "-c", "true"], capture_output=True, text=True)
    return None if traced.returncode == 0 else f"strace: {traced.stderr.strip()}"


def per_request(bench, target, workload, requests):
    """System call → calls per request of a short traced run, most frequent first."""
    output = bench.folder / "strace.out"
    tracer = subprocess.Popen(
        ["strace", "-f", "-c", "-o", output, "-p", str(target.pid)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        attached = tracer.stderr.readline()  # "strace: Process N attached"
        if "attached" not in attached:
            raise SystemExit(f"strace of {target.name}: {attached.strip()}")
        time.sleep(0.1)
        done = bench.load(target, workload, requests)["done"]
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=10)
    counts = {name: int(count) for count, name in COUNT_LINE.findall(output.read_text())}
    counts.pop("total", None)
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return {name: round(count / done, 4) for name, count in ordered}
