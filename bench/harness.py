"""Starts the proxies and their backends, loads them, and reads what they used.

Everything listens on loopback, ports `base` to `base + 99`, and ends with the `Bench`.
"""

import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

from workloads import CASHEW, DIRECT, TARGETS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
LOOPBACK = "127.0.0.1"
# Debian keeps nutcracker in /usr/sbin, which is not on everybody's path.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])
OPEN_FILES = 12_000
# Servers of the pool of a protocol.
SHARDS = {"redis": (1, 2), "memcached": (1, 2, 3, 4)}

SERVER_COMMANDS = {
    "redis": "redis-server --port {port} --save '' --appendonly no --bind 127.0.0.1",
    "memcached": "memcached -l 127.0.0.1 -p {port} -t 1 -m 256 -c 4000",
}


@dataclass
class Target:
    """One proxy, or a backend itself when `pid` is None."""

    name: str
    command: str
    pid: int | None = None
    ports: dict = field(default_factory=dict)
    """Protocol → port."""
    stats: int | None = None
    """The stats port."""


def cpu_list(text):
    """The set of a list such as `0,2-3`."""
    cpus = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return cpus


def cpu_ns(pid):
    """CPU time of all threads of a process, to the ns: `utime` counts ticks of 4 to 10 ms."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:  # the thread has just ended
            continue
    return total


def resident_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1]) * 1024


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def allow_open_files(count):
    """Raises the soft limit for this process and all it starts; exits when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise SystemExit(f"{count} open files are needed, and the hard limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def find_program(program):
    """The path of a program, by its name or relative to the repository; exits without it."""
    found = shutil.which(str(ROOT / program) if "/" in program else program, path=SEARCH_PATH)
    if found is None:
        raise SystemExit(f"there is no program {program}")
    return found


class Bench:
    """The processes of one run, in a context: leaving it ends all of them."""

    def __init__(self, base, proxy_cpus, load_cpus, backend_cpus, protocols, shards=SHARDS):
        self.base = base
        self.proxy_cpus = cpu_list(proxy_cpus)
        self.load_cpus = cpu_list(load_cpus)
        self.backend_cpus = cpu_list(backend_cpus)
        self.protocols = sorted(protocols)
        self.shards = shards
        self.started = []
        self.targets = []
        self.servers = {}

    def __enter__(self):
        # A killed run ends its children too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        allow_open_files(OPEN_FILES)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cashew-bench-"))
        try:
            self.load_program = self.folder / "load"
            compiler = [find_program("gcc"), "-O2", "-Wall", "-Wextra"]
            subprocess.check_call([*compiler, "-o", self.load_program, HERE / "load.c"])
            self._start_servers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, cpus, port):
        """Starts a program and waits until it listens on `port`."""
        if is_open(port):
            raise SystemExit(f"port {port}, wanted by {name}, is taken; choose another --base")
        words = shlex.split(command)
        words[0] = find_program(words[0])
        log = open(self.folder / f"{name}.out", "wb")
        process = subprocess.Popen(
            words, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        log.close()
        self.started.append(process)
        deadline = time.monotonic() + 10
        while not is_open(port):
            if process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / f"{name}.out").read_text(errors="replace")[-2000:]
                raise SystemExit(f"{name} does not listen on port {port}: {command}\n{said}")
            time.sleep(0.02)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start_servers(self):
        for index, protocol in enumerate(self.protocols):
            self.servers[protocol] = [
                self.base + 10 * index + shard for shard in self.shards[protocol]]
            for port in self.servers[protocol]:
                command = SERVER_COMMANDS[protocol].format(port=port)
                if protocol == "memcached" and os.getuid() == 0:
                    command += " -u nobody"
                self.start(f"{protocol}-{port}", command, self.backend_cpus, port)

    def start_target(self, name, command):
        """Starts a proxy with one pool for each protocol."""
        if command == DIRECT:
            ports = {protocol: servers[0] for protocol, servers in self.servers.items()}
            target = Target(name, command, None, ports)
        else:
            target = self._start_proxy(name, command)
        self.targets.append(target)
        return target

    def _start_proxy(self, name, command):
        first = self.base + 30 + 10 * len(self.targets)
        ports = {protocol: first + index for index, protocol in enumerate(self.protocols)}
        conf = self.folder / f"{name}.yml"
        conf.write_text("".join(self._pool(protocol, port) for protocol, port in ports.items()))
        filled = command.format(
            conf=conf, stats=first + 9, log=self.folder / f"{name}.log",
            pid=self.folder / f"{name}.pid")
        process = self.start(name, filled, self.proxy_cpus, max(ports.values()))
        return Target(name, command, process.pid, ports, first + 9)

    def _pool(self, protocol, port):
        servers = "".join(f"    - {LOOPBACK}:{server}:1\n" for server in self.servers[protocol])
        return (
            f"{protocol}:\n"
            f"  listen: {LOOPBACK}:{port}\n"
            "  hash: fnv1a_64\n"
            "  distribution: ketama\n"
            "  auto_eject_hosts: false\n"
            f"  redis: {'true' if protocol == 'redis' else 'false'}\n"
            f"  servers:\n{servers}")

    def load(self, target, workload, requests, command=None):
        """One run of the load generator: its JSON, with `bad` replies counted."""
        arguments = {
            "protocol": workload.protocol, "port": target.ports[workload.protocol],
            "command": command or workload.command, "requests": requests,
            "connections": workload.connections, "pipeline": workload.pipeline,
            "keys": workload.keys, "value-size": workload.value_size,
            "keys-per-request": workload.keys_per_request,
        }
        words = [f"--{name}={value}" for name, value in arguments.items()]
        run = subprocess.run(
            [self.load_program, *words], capture_output=True, text=True, timeout=120,
            preexec_fn=lambda: os.sched_setaffinity(0, self.load_cpus))
        if not run.stdout:
            raise SystemExit(f"{target.name}, {workload.name}: {run.stderr.strip()}")
        result = json.loads(run.stdout)
        result["bad"] = sum(result[kind] for kind in ("errors", "misses", "wrong", "missing"))
        if run.stderr:
            print(f"{target.name}, {workload.name}: {run.stderr.strip()}", file=sys.stderr)
        return result

    def fill(self, target, workload):
        """Every key of a workload, once, so that no GET misses; warms the path as well."""
        return self.load(target, workload, workload.keys, command="fill")


def add_proxy_arguments(parser):
    """The arguments that say what runs, and where."""
    parser.add_argument(
        "--proxy", action="append", default=[], metavar="NAME=COMMAND",
        help="add or replace a proxy; {conf} {stats} {log} {pid} stand for its files and port")
    parser.add_argument(
        "--without", action="append", default=[], metavar="NAME", help="leave a proxy out")
    parser.add_argument("--proxy-cpus", default="1", help="default: %(default)s")
    parser.add_argument("--base", type=int, default=24000, help="first of 100 ports used")


def chosen_targets(arguments):
    """Name → command; without a Cashew that is not built, which is said on stderr."""
    chosen = dict(TARGETS)
    for proxy in arguments.proxy:
        name, _, command = proxy.partition("=")
        if not command:
            raise SystemExit(f"--proxy {proxy}: NAME=COMMAND is expected")
        chosen[name] = command
    for name in arguments.without:
        if name not in chosen:
            raise SystemExit(f"--without {name}: known are {', '.join(chosen)}")
        del chosen[name]
    if chosen.get(CASHEW) == TARGETS[CASHEW] and not (ROOT / ".build/release/cashew").exists():
        print("cashew is not built (swift build -c release): left out", file=sys.stderr)
        del chosen[CASHEW]
    return chosen
