"""What is measured, against whom, and which limits Cashew promises to keep."""

from dataclasses import dataclass

NUTCRACKER = "nutcracker"
NUTCRACKER_QUIET = "nutcracker-v4"
CASHEW = "cashew"
DIRECT = "direct"

# Name → command line, in the order of the tables. `direct` is the first backend itself.
# nutcracker logs at level 5 by default and then calls getpeername once per request; at -v 4
# it does not. Ratios are given against both, so that no gain is a log level in disguise.
ARGUMENTS = "-c {conf} -a 127.0.0.1 -s {stats} -o {log} -p {pid}"
TARGETS = {
    NUTCRACKER: f"nutcracker {ARGUMENTS}",
    NUTCRACKER_QUIET: f"nutcracker -v 4 {ARGUMENTS}",
    CASHEW: f".build/release/cashew {ARGUMENTS}",
    DIRECT: DIRECT,
}


@dataclass(frozen=True)
class Workload:
    """One load: `requests` at full length, of one command, from so many connections."""

    name: str
    title: str
    command: str
    requests: int
    protocol: str = "redis"
    connections: int = 50
    pipeline: int = 1
    value_size: int = 64
    keys: int = 10_000
    keys_per_request: int = 10
    """Of a multi-key command."""
    limit: float | None = None
    """The CPU time per request that is allowed, relative to nutcracker's; None: no promise."""


MC = "memcached"

BIG = {"value_size": 64 * 1024, "keys": 200}

WORKLOADS = [
    Workload("a_get", "GET, 50 clients", "get", 100_000, limit=0.65),
    Workload("a_set", "SET, 50 clients", "set", 100_000, limit=0.65),
    Workload("b16_get", "GET, pipeline 16", "get", 300_000, pipeline=16, limit=0.24),
    Workload("b16_set", "SET, pipeline 16", "set", 300_000, pipeline=16, limit=0.24),
    Workload("b64_get", "GET, pipeline 64", "get", 300_000, pipeline=64, limit=0.10),
    Workload("b64_set", "SET, pipeline 64", "set", 300_000, pipeline=64, limit=0.10),
    Workload("c1000_get", "GET, 1,000 clients", "get", 80_000, connections=1000, limit=0.53),
    Workload("d_mget10", "MGET of 10 keys", "mget", 50_000, limit=0.48),
    Workload("e64k_get", "GET of 64 KiB", "get", 20_000, limit=0.88, **BIG),
    Workload("e64k_set", "SET of 64 KiB", "set", 20_000, limit=0.98, **BIG),
    Workload("m_get", "memcached get, 50 clients", "get", 100_000, MC, limit=0.65),
    Workload("m_set", "memcached set, 50 clients", "set", 100_000, MC, limit=0.65),
    Workload("m16_get", "memcached get, pipeline 16", "get", 300_000, MC, pipeline=16, limit=0.25),
    Workload("m_get10", "memcached get of 10 keys", "mget", 50_000, MC),
    Workload(
        "m_get100", "memcached get of 100 keys", "mget", 10_000, MC, keys_per_request=100,
        limit=0.4),
]

# Resident memory after all runs, relative to nutcracker's.
MEMORY_LIMIT = 0.2

# Resident bytes per idle client that has made a request: nutcracker's own figure.
IDLE_CLIENT_BYTES_LIMIT = 272


def named(names):
    """The workloads of a comma-separated list, in its order; all of them for None."""
    if names is None:
        return WORKLOADS
    known = {workload.name: workload for workload in WORKLOADS}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise SystemExit(f"unknown workload {unknown[0]}; known: {', '.join(known)}")
    return [known[name] for name in names.split(",")]
