"""nutcracker goes, Cashew comes with the same command line and file, and every key is found."""

import os
import shutil
import threading

import pytest

from launch import AnyClient, Program, pool, wait_until
from ports import HOST, free_port
from proxy import BINARY, IS_NUTCRACKER
from resp import Closed

NUTCRACKER = shutil.which("nutcracker") or "/usr/sbin/nutcracker"
HASHES = (
    "one_at_a_time md5 crc16 crc32 crc32a fnv1_64 fnv1a_64 fnv1_32 fnv1a_32 hsieh murmur jenkins"
).split()
# Name of a pool, and what makes its ring.
RINGS = {
    **{f"ketama-{name}": {"hash": name, "distribution": "ketama"} for name in HASHES},
    **{f"modula-{name}": {"hash": name, "distribution": "modula"} for name in HASHES[::3]},
    "weights-ketama": {"hash": "murmur", "distribution": "ketama"},
    "weights-modula": {"hash": "fnv1a_64", "distribution": "modula"},
    "tags-ketama": {"hash": "md5", "distribution": "ketama", "hash_tag": '"{}"'},
    "tags-modula": {"hash": "crc32a", "distribution": "modula", "hash_tag": '"$$"'},
    "unnamed-ketama": {"hash": "fnv1a_64", "distribution": "ketama"},
}

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not os.path.exists(NUTCRACKER), reason="nutcracker is not installed"),
    pytest.mark.skipif(IS_NUTCRACKER, reason="there is nothing to switch to"),
]


def servers(name, shards):
    for index, shard in enumerate(shards):
        weight = 1 + index * 3 % 7 if name.startswith("weights") else 1
        yield f"{HOST}:{shard.port}:{weight}" + ("" if "unnamed" in name else f" shard{index}")


def keys(ring, count, prefix=""):
    """Keys of each shape: short and long, with and without tags, and not of letters only."""
    shapes = ["{n}", "user:{{{n}}}:name", "${n}$x", "a{{}}{n}", "key-{n}-" + "x" * 50, "\u00e4{n}"]
    return [
        f"{ring}/{prefix}{shapes[number % len(shapes)].format(n=number)}"
        for number in range(count)
    ]


def test_both_find_what_the_other_has_written(shards, tmp_path):
    """They run side by side on the same servers, pools of every kind of ring."""
    programs = []
    try:
        for binary in (NUTCRACKER, BINARY):
            ports = {name: free_port() for name in RINGS}
            yaml = "".join(
                pool(name, f"{HOST}:{port}", servers(name, shards), **RINGS[name])
                for name, port in ports.items()
            )
            folder = tmp_path / str(len(programs))
            program = Program(folder, yaml, list(ports.values())[-1], binary=binary)
            program.ports = ports
            programs.append(program)
        for ring in RINGS:
            clients = [AnyClient(program.ports[ring]) for program in programs]
            for writer, reader in (clients, clients[::-1]):
                exchange(writer, reader, keys(ring, 120))
            for client in clients:
                client.close()
        for program in programs:
            program.stop()
    finally:
        for program in programs:
            program.kill()


def exchange(writer, reader, names):
    """One at a time and many at once: one writes, the other reads, and deletes."""
    values = [f"value of {name}".encode() for name in names]
    requests = [("SET", *pair) for pair in zip(names, values)]
    assert writer.pipeline(requests) == ["OK"] * len(names)
    assert reader.pipeline([("GET", name) for name in names]) == values
    assert reader.call("DEL", *names) == len(names)
    assert writer.call("MGET", *names) == [None] * len(names)
    assert writer.call("MSET", *(word for pair in zip(names, values) for word in pair)) == "OK"
    assert reader.call("MGET", *names) == values
    assert reader.pipeline([("UNLINK", name) for name in names]) == [1] * len(names)


class Load(threading.Thread):
    """A client that writes and reads without a break, and connects again when it must."""

    def __init__(self, address, ring):
        super().__init__(daemon=True)
        self.address, self.ring = address, ring
        self.written, self.wrong, self.is_over = [], [], threading.Event()
        self.start()

    def run(self):
        number = 0
        while not self.is_over.is_set():
            try:
                with AnyClient(self.address) as client:
                    while not self.is_over.is_set():
                        self.write(client, f"{self.ring}/{number}")
                        number += 1
            except (OSError, Closed):
                self.is_over.wait(0.005)

    def write(self, client, name):
        if client.call("SET", name, name) == "OK":
            self.written.append(name)
            value = client.call("GET", name)
            if value != name.encode():
                self.wrong.append((name, value))


@pytest.mark.parametrize("kind", ["port", "unix"])
@pytest.mark.parametrize("ring", ["ketama-fnv1a_64", "weights-modula", "tags-ketama"])
def test_switch_under_load(shards, tmp_path, kind, ring):
    """The same arguments and file, under load, to Cashew and back: every key is where it was."""
    address = free_port() if kind == "port" else tmp_path / "pool.sock"
    listen = f"{HOST}:{address}" if kind == "port" else f"{address} 0666"
    yaml = pool("pool", listen, servers(ring, shards), **RINGS[ring])
    stats_port, commands = free_port(), []
    names = keys(ring, 500)
    load = None
    for binary in (NUTCRACKER, BINARY, NUTCRACKER):
        program = Program(tmp_path, yaml, address, binary=binary, stats_port=stats_port)
        with program, AnyClient(address) as client:
            commands.append(program.process.args[1:])
            if load is None:
                requests = [("SET", name, name) for name in names]
                assert client.pipeline(requests) == ["OK"] * len(names)
                load = Load(address, ring)
            count = len(load.written)
            assert wait_until(lambda: len(load.written) > count + 200), "the load stands still"
            wanted = [name.encode() for name in names + load.written]
            assert client.call("MGET", *wanted) == wanted
    load.is_over.set()
    load.join(10)
    assert not load.wrong
    assert commands[0] == commands[1] == commands[2]
