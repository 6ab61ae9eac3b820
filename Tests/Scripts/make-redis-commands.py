#!/usr/bin/env python3
"""Writes the command table of the proxy from the COMMAND output of a running redis-server.

Facts (names, arity, flags, key positions) come from the server; what the proxy does with each
command is the policy below, and a command that neither decides is an error. The recorded answers
of COMMAND GETKEYS, which the tests compare with, come from the same server.

    make-redis-commands.py            writes both files
    make-redis-commands.py --check    compares instead; exit 1 and a diff when one is stale

The script starts its own redis-server 7.0 (from PATH, or $REDIS_SERVER) on a unix socket in a
temporary folder, and stops it. Exit 2 when that server cannot be had.
"""

import difflib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "Sources/Proxy/Protocol/RedisCommands.swift"
VECTORS = ROOT / "Tests/ProxyTests/Vectors/command-keys.json"
VERSION = "7.0."

# --- policy ---------------------------------------------------------------------------------

# Answered by the proxy itself. It keeps no transaction, so these have none to end.
LOCAL = "auth discard echo exec ping quit reset select"

# Read no key and change nothing: forwarded to the server of key `placeholder`, as twemproxy does.
# A container stands for its bare name, which redis refuses itself for the number of arguments.
PLACEHOLDER = """
    command lolwut time memory object xgroup xinfo
    memory|help object|help xgroup|help xinfo|help
    command|count command|docs command|getkeys command|getkeysandflags command|help command|info
    command|list
"""

# Cannot be right on a server connection shared by clients, or across servers. By the word for the
# reason in the table: it stops a shared connection, it turns one into another, it would reach one
# shard of many, it is about a server or moves keys away from where they hash (`Refusal`).
REFUSED = {
    "stops": """
        blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin wait""",
    "turns": """
        asking client hello monitor multi psubscribe punsubscribe readonly readwrite ssubscribe subscribe
        sunsubscribe unsubscribe unwatch watch""",
    "shards": """
        dbsize flushall flushdb info keys publish pubsub randomkey scan script spublish function""",
    "server": """
        acl bgrewriteaof bgsave cluster config debug failover lastsave latency migrate module
        move pfdebug pfselftest psync replconf replicaof restore-asking role save shutdown
        slaveof slowlog swapdb sync
        memory|doctor memory|malloc-stats memory|purge memory|stats""",
}

# Every other command must have keys. These are safe although redis says they may block, because
# they do so with the option BLOCK alone, which resolving their keys reports.
BLOCKING_BY_OPTION = "xread xreadgroup"

# How the answers of the parts become one.
SPLIT = {
    "values": "mget",
    "pairs": "mset",
    "sum": "del exists touch unlink",
}

# Key positions which the key specifications leave unknown (redis db.c: sortGetKeys).
KEYS = {"sort": "sort", "sort_ro": "range 1 1 1"}

# Redis' names of the flags that are kept, and ours.
FLAGS = {
    "readonly": "readonly",
    "write": "write",
    "blocking": "blocking",
    "pubsub": "pubsub",
    "admin": "admin",
    "no_mandatory_keys": "optionalkeys",
}

# --- recorded COMMAND GETKEYS -----------------------------------------------------------------

REQUESTS = """
    GET k1
    SET k1 v1 EX 10
    MGET k1 k2 k3
    MSET k1 v1 k2 v2
    MSETNX k1 v1 k2 v2 k3 v3
    DEL k1 k2
    BITOP AND dest k1 k2
    RENAME k1 k2
    COPY k1 k2 DB 3
    LMOVE k1 k2 LEFT RIGHT
    SMOVE k1 k2 member
    SDIFFSTORE dest k1 k2 k3
    PFMERGE dest k1 k2
    LCS k1 k2 LEN
    ZRANGESTORE dest k1 0 -1
    GEOSEARCHSTORE dest k1 FROMMEMBER m BYRADIUS 1 km
    GEORADIUS k1 15 37 200 km
    GEORADIUS k1 15 37 200 km WITHDIST COUNT 3 STORE dest
    GEORADIUS k1 15 37 200 km storedist dest ASC
    GEORADIUSBYMEMBER k1 m 200 km
    GEORADIUSBYMEMBER k1 m 200 km ANY Store dest
    GEORADIUSBYMEMBER_RO k1 m 200 km
    SORT k1
    SORT k1 LIMIT 0 5 ALPHA
    SORT k1 BY weight_* GET # GET data_* STORE dest
    SORT k1 store dest DESC
    SORT k1 STORE dest1 STORE dest2
    SORT k1 BY store ASC
    SORT_RO k1 BY weight_* LIMIT 0 1
    EVAL script 1 k1
    EVAL script 2 k1 k2 a1 a2
    EVAL script 0
    EVAL script 0 a1
    EVALSHA sha 2 k1 k2
    EVAL_RO script 1 k1 a1
    EVALSHA_RO sha 1 k1
    FCALL f 2 k1 k2 a1
    FCALL f 0 a1
    FCALL_RO f 1 k1
    ZUNION 2 k1 k2 WEIGHTS 1 2
    ZINTER 1 k1 WITHSCORES
    ZDIFF 3 k1 k2 k3
    ZINTERCARD 2 k1 k2 LIMIT 1
    SINTERCARD 3 k1 k2 k3 LIMIT 2
    ZUNIONSTORE dest 2 k1 k2 AGGREGATE MAX
    ZINTERSTORE dest 1 k1
    ZDIFFSTORE dest 2 k1 k2
    LMPOP 2 k1 k2 LEFT COUNT 3
    ZMPOP 1 k1 MIN
    BLMPOP 0 2 k1 k2 LEFT
    BLPOP k1 k2 0
    BZPOPMIN k1 0
    XADD k1 * f v
    XREAD STREAMS k1 0
    XREAD COUNT 2 streams k1 k2 0 $
    XREADGROUP GROUP g c STREAMS k1 >
    XREADGROUP GROUP g c COUNT 1 NOACK STREAMS k1 k2 k3 > 0 1
    XREADGROUP GROUP streams c STREAMS k1 >
    XGROUP CREATE k1 g $ MKSTREAM
    XINFO STREAM k1 FULL
    OBJECT ENCODING k1
    OBJECT HELP
    MEMORY USAGE k1 SAMPLES 5
    MEMORY STATS
    MIGRATE 127.0.0.1 7000 k1 0 100
    MIGRATE 127.0.0.1 7000 k1 0 100 COPY REPLACE
    MIGRATE 127.0.0.1 7000 "" 0 100 COPY KEYS k1 k2
    MIGRATE 127.0.0.1 7000 "" 0 100 AUTH keys KEYS k1
    RESTORE k1 0 payload REPLACE
    LOLWUT VERSION 5
    COMMAND COUNT
"""

# Run, not only asked about: redis must refuse them, because the proxy sends them anywhere.
INVALID = """
    GET
    SET k1
    MSET k1 v1 k2
    RENAME k1
    EVAL return
    EVAL return 3 k1 k2
    EVAL return -1 k1
    EVAL return text k1
    EVAL return 01 k1
    EVAL return +1 k1
    EVAL return 9223372036854775808 k1
    ZDIFF 0 k1
    ZDIFF 3 k1 k2
    ZINTERCARD -1 k1
    ZUNION 1.0 k1 k2
    SINTERCARD 99999999999999999999 k1
    ZDIFFSTORE dest 9 k1 k2
    ZUNIONSTORE dest zero k1
    LMPOP 3 k1 LEFT
    ZMPOP 00 k1 MIN
    GEORADIUS k1 15
    XREAD STREAMS k1 k2 0
    XREAD COUNT 2 k1
    XREADGROUP GROUP g c COUNT 1 k1
    XREADGROUP GROUP g c STREAMS k1 k2 >
    OBJECT ENCODING
    XGROUP DESTROY k1
"""

# --- the server -------------------------------------------------------------------------------


def fail(status, text):
    print(f"make-redis-commands: {text}", file=sys.stderr)
    sys.exit(status)


class Server:
    """A redis-server of our own, for the length of a `with`."""

    def __enter__(self):
        program = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
        if not program:
            fail(2, "no redis-server in PATH (Debian: apt install redis-server)")
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "redis.sock")
        options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", self.folder.name]
        try:
            self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        except OSError as error:
            fail(2, f"{program}: {error.strerror}")
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(100):
            try:
                self.socket.connect(path)
                self.file = self.socket.makefile("rb")
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        fail(2, f"{program} does not answer")

    def __exit__(self, *_):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def ask(self, *arguments):
        parts = [f"*{len(arguments)}\r\n".encode()]
        for argument in arguments:
            data = argument.encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.socket.sendall(b"".join(parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2].decode()
        kind, rest = line[0], line[1:]
        if kind == "+":
            return rest
        if kind == "-":
            return RuntimeError(rest)
        if kind == ":":
            return int(rest)
        if kind == "$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        return None if rest == "-1" else [self.reply() for _ in range(int(rest))]


# --- facts ------------------------------------------------------------------------------------


def pairs(flat):
    """A RESP2 map, however deep, as a dict."""
    return {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}


def key_positions(name, legacy, specs):
    """Redis' key specifications in the words of `KeyPositions`; see that type."""
    if name in KEYS:
        return KEYS[name]
    if not specs:
        return "none"
    found = []
    for spec in map(pairs, specs):
        begin, find = pairs(spec["begin_search"]), pairs(spec["find_keys"])
        found.append((begin["type"], pairs(begin["spec"]), find["type"], pairs(find["spec"])))
    shapes = [(begin, find) for begin, _, find, _ in found]
    if all(shape == ("index", "range") for shape in shapes):
        return "range {} {} {}".format(*legacy)
    if shapes in ([("index", "keynum")], [("index", "range"), ("index", "keynum")]):
        destination = found[0][1]["index"] if len(found) == 2 else 0
        _, begin, _, find = found[-1]
        if (find["keynumidx"], find["firstkey"], find["keystep"]) == (0, 1, 1):
            return f"counted {begin['index']} {destination}"
    words = [begin.get("keyword") for _, begin, _, _ in found]
    if words == ["STREAMS"]:
        return "streams"
    if words == [None, "STORE", "STOREDIST"]:
        return f"stored {found[1][1]['startfrom']}"
    if words == [None, "KEYS"]:
        return "migrate"
    fail(1, f"{name}: key positions of a new kind: {found}")


def listed(names):
    return names.split()


def handling(name, keys, flags):
    """Policy, with the facts it may not contradict: what is done, and the reason of a refusal."""
    lists = {("local", ""): listed(LOCAL), ("placeholder", ""): listed(PLACEHOLDER)}
    lists |= {("refused", reason): listed(names) for reason, names in REFUSED.items()}
    chosen = [kind for kind, names in lists.items() if name in names]
    container = name.split("|")[0]
    if not chosen and "|" in name:
        chosen = [kind for kind, names in lists.items() if kind[1] and container in names]
    if len(chosen) > 1:
        fail(1, f"{name}: more than one handling: {chosen}")
    if chosen:
        return chosen[0]
    dangerous = {"blocking", "pubsub", "admin"} & set(flags)
    if keys == "none" or (dangerous and name not in listed(BLOCKING_BY_OPTION)):
        fail(1, f"{name}: the policy does not say what to do with it")
    return "forward", ""


def rows(commands):
    """One line per command and subcommand, containers before what they contain."""
    every = list(commands) + [sub for command in commands for sub in command[9]]
    names = {command[0] for command in every}
    policy = [LOCAL, PLACEHOLDER, *REFUSED.values(), BLOCKING_BY_OPTION, *SPLIT.values(), *KEYS]
    for name in listed(" ".join(policy)):
        if name not in names:
            fail(1, f"{name}: in the policy, but redis does not know it")
    lines = []
    width = max(map(len, names))
    for command in sorted(every, key=lambda command: ("|" in command[0], command[0])):
        name, arity, all_flags = command[0], command[1], command[2]
        keys = key_positions(name, command[3:6], command[8])
        flags = [word for flag, word in FLAGS.items() if flag in all_flags]
        if command[9]:
            flags.append("container")
        split = [kind for kind, names in SPLIT.items() if name in listed(names)]
        done, reason = handling(name, keys, flags)
        columns = [f"{name:<{width}}", f"{arity:>2}", f"{done:<11}"]
        columns += [f"{reason or (split[0] if split else '-'):<6}"]
        columns += [f"{','.join(flags) or '-':<21}", keys]
        lines.append(" ".join(columns))
    return lines


# --- the perfect hash -------------------------------------------------------------------------

MASK = (1 << 64) - 1
FOLD = 0xDFDF_DFDF_DFDF_DFDF
SLOT_BITS = 13


def name_words(name):
    """`Span.nameWords()`, which see."""
    data, count = name.encode(), len(name)
    word = lambda start, size: int.from_bytes(data[start : start + size], "little")
    if count < 4:
        return data[0] | data[count // 2] << 8 | data[count - 1] << 16, 0
    if count < 8:
        return word(0, 4) | word(count - 4, 4) << 32, 0
    return word(0, 8), word(count - 8, 8)


def hash_input(name, container):
    """`CommandTable.slot` before it multiplies; `container` is 0 for a command."""
    first, last = (word & FOLD for word in name_words(name))
    rotated = (last << 29 | last >> 35) & MASK
    return (first ^ rotated) + (len(name) | container << 8) & MASK


def perfect_seed(lines):
    """The first odd multiplier of SplitMix64 that gives each name a slot of its own."""
    names = [line.split()[0] for line in lines]
    inputs = []
    for name in names:
        container, _, sub = name.rpartition("|")
        inputs.append(hash_input(sub, names.index(container) + 1 if container else 0))
    if len(set(inputs)) != len(inputs):
        fail(1, "two names hash alike under every seed")
    state = 0
    for _ in range(1_000_000):
        state = state + 0x9E37_79B9_7F4A_7C15 & MASK
        mixed = (state ^ state >> 30) * 0xBF58_476D_1CE4_E5B9 & MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB & MASK
        seed = (mixed ^ mixed >> 31) | 1
        taken = set()
        for value in inputs:
            slot = (value * seed & MASK) >> 64 - SLOT_BITS
            if slot in taken:
                break
            taken.add(slot)
        else:
            return seed
    fail(1, "no seed found: raise SLOT_BITS here and slotBits in CommandTable.swift")


# --- what is written --------------------------------------------------------------------------


def table(version, lines):
    seed = f"{perfect_seed(lines):016X}"
    seed = "_".join(seed[i : i + 4] for i in range(0, 16, 4))
    body = "\n".join("    " + line for line in lines)
    return f'''// Generated by Tests/Scripts/make-redis-commands.py from redis-server {version}. Do not edit.

/// How many lines `redisCommands` has.
let redisCommandCount = {len(lines)}

/// Makes `CommandTable` find every name at its first look; found by the generator.
let redisCommandSeed: UInt64 = 0x{seed}

/// Every command and subcommand of Redis {version}: name, arity as redis counts it (the name
/// included, negative for "at least"), handling, how it splits or why it is refused, flags, and
/// key positions, which `CommandRow` reads.
let redisCommands: StaticString = """
{body}
    """
'''


def vectors(server, version):
    """One object per request; `error` is redis' own text when it finds no keys.

    Those of INVALID, which were run, have `refused` alone: what redis answered.
    """
    lines = []
    for request in REQUESTS.strip().splitlines():
        arguments = [word.replace('""', "") for word in request.split()]
        answer = server.ask("COMMAND", "GETKEYS", *arguments)
        refused = isinstance(answer, RuntimeError)
        result = {"error": str(answer)} if refused else {"keys": answer}
        if any(arguments.count(key) > 1 for key in result.get("keys", [])):
            fail(1, f"{request}: GETKEYS does not tell which of two equal arguments is the key")
        lines.append("  " + json.dumps({"arguments": arguments, **result}))
    for request in INVALID.strip().splitlines():
        answer = server.ask(*request.split())
        if not isinstance(answer, RuntimeError):
            fail(1, f"{request}: redis answers {answer}, and the tests call it invalid")
        lines.append("  " + json.dumps({"arguments": request.split(), "refused": str(answer)}))
    body = ",\n".join(lines)
    return f'{{"source": "COMMAND GETKEYS of redis-server {version}", "requests": [\n{body}\n]}}\n'


def main(arguments):
    if arguments not in ([], ["--check"]):
        fail(2, f"usage: {sys.argv[0]} [--check]")
    with Server() as server:
        version = server.ask("INFO", "server").partition("redis_version:")[2].split()[0]
        if not version.startswith(VERSION):
            fail(2, f"redis-server {version} found, {VERSION}x needed")
        lines = rows(server.ask("COMMAND"))
        texts = {TABLE: table(version, lines), VECTORS: vectors(server, version)}
    stale = False
    for path, text in texts.items():
        if not arguments:
            path.write_text(text)
            continue
        old = path.read_text() if path.exists() else ""
        name = str(path.relative_to(ROOT))
        difference = difflib.unified_diff(
            old.splitlines(), text.splitlines(), name, "generated", lineterm="")
        for line in difference:
            stale = True
            print(line)
    if stale:
        fail(1, "stale; run it without --check")


if __name__ == "__main__":
    main(sys.argv[1:])
