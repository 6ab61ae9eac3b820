"""Every request that a server gets has one reply, whatever clients send.

Replies are told apart by their order alone, so a request without a reply, or with two, would hand
one client what belongs to another. Requests made from every command of the server, with arguments
that mean something to some command, in odd forms, each followed by a marker on each server: all
markers must come back to the client and the place that they belong to, and no connection to a
server may have ended or stood still.
"""

import random

import pytest

from proxy import REPOSITORY
from resp import Client, Closed, Error, encode
from shards import key_on

pytestmark = pytest.mark.beyond

SERVERS = 2
ECHO = "return ARGV[1]"
# Each ends its own connection.
ENDING = {b"QUIT"}
# Each holds back what follows, until RESET.
RESTRICTING = {b"MULTI", b"SELECT", b"AUTH"}
# Made of arguments that get further than most at random would.
SHAPED = {b"EVAL", b"EVAL_RO", b"XREAD", b"XREADGROUP", b"SORT"}

UNKNOWN = [
    b"", b"NONSENSE", b"GET\0", b"\0GET", b"MULTI\0x", b"G\xc5T", b"get ", b"GET\r\n", b"x" * 300,
    b"{", b"HEXPIRE", b"VADD", b"*1", b"$4",
]
KEYWORDS = (
    "BLOCK STREAMS GROUP COUNT NOACK STORE STOREDIST BY GET LIMIT ALPHA ASC MATCH TYPE EX PX NX "
    "XX KEEPTTL WITHSCORES REV BYSCORE BYLEX WEIGHTS AGGREGATE SUM FROMMEMBER FROMLONLAT BYRADIUS "
    "BYBOX km MKSTREAM MAXLEN MINID LEFT RIGHT MIN MAX BEFORE REPLACE DB IDX LEN HELP DOCS FULL "
    "SAMPLES AND NOT u8 i16 INCRBY OVERFLOW CREATE ENCODING FREQ USAGE VERSION KEYS AUTH KEEPTTL "
    "PERSIST ID CONSUMERS"
).split()
VALUES = [
    b"", b"0", b"1", b"2", b"3", b"-1", b"-0", b"01", b"+1", b"7", b"1.5", b"inf", b"nan", b"-",
    b"9223372036854775807", b"-9223372036854775808", b"99999999999999999999", b"$", b"*", b">",
    b"+", b"(1", b"[a", b"1-1", b"#", b"\r\n", b"+OK\r\n", b"*0\r\n", b"$-1\r\n", b"a\0b",
    b"\xff\xfe", b"x" * 3000, b"y" * 70_000,
]
SCRIPTS = [
    "return redis.call('%s')" % name
    for name in ("SUBSCRIBE", "MONITOR", "QUIT", "RESET", "MULTI", "EXEC", "PING")
] + [
    "return redis.call('CLIENT','REPLY','OFF')", "return redis.call('CLIENT','REPLY','SKIP')",
    "return redis.call('HELLO','3')", "return redis.call('SUBSCRIBE','c')",
    "return redis.call('BLPOP','none',0)", "return redis.call('WAIT',1,0)",
    "return redis.call('XREAD','BLOCK',0,'STREAMS','none','$')", "return redis.call('SELECT',1)",
    "return redis.pcall('PUBLISH','c','m')", "return {ok='a\\r\\n+b'}", "return {err='a\\r\\n-b'}",
    "return {map={a=1}}", "return {double=1.5}", "return {set={a=true}}", "return {}", "return",
    "return {big_number='1\\r\\n2'}", "return {verbatim_string={format='txt',string='a'}}",
    "redis.setresp(3) return redis.call('HGETALL','none')", "return {1,{2,{3,{}}},'x',false}",
    "syntax error", "return redis.status_reply('a\\nb')",
    "local t = {} for i = 1, 15 do t = {t} end return t",
]


class Requests:
    """What one client sends, from a seed."""

    def __init__(self, seed, commands):
        self.chance, self.commands = random.Random(seed), commands

    def argument(self):
        pick, kind = self.chance.choice, self.chance.random()
        if kind < 0.3:
            return b"k%d" % self.chance.randrange(12)
        if kind < 0.5:
            return pick(VALUES)
        if kind < 0.6:
            return b"%d" % self.chance.randrange(4)
        if kind < 0.63:
            return pick(SCRIPTS).encode()
        word = pick(KEYWORDS).encode()
        if kind < 0.73:
            # Redis compares with strcasecmp(3), to which a zero is the end.
            word += b"\0" + pick([b"", b"x", b"x" * 40])
        return pick([word, word.lower(), word.upper()])

    def arguments(self):
        """A request as a list of arguments, which may be right for its command."""
        if self.chance.random() < 0.05:
            return [self.chance.choice(UNKNOWN)] + [self.argument() for _ in range(2)]
        *name, arity = self.chance.choice(self.commands)
        count = abs(arity) - len(name)
        if arity < 0 and self.chance.random() < 0.7:
            count += self.chance.randrange(6)
        if self.chance.random() < 0.1:
            count += self.chance.choice([-1, 1])
        made = [self.argument() for _ in range(count)]
        name = [self.mixed(word) for word in name]
        kind = name[0].upper()
        if kind in SHAPED and self.chance.random() < 0.8:
            made = self.shaped(kind)
        return name + made

    def shaped(self, kind):
        if kind.startswith(b"EVAL"):
            return [self.chance.choice(SCRIPTS).encode(), b"1", b"k1"]
        if kind == b"SORT":
            return [b"list"] + [self.argument() for _ in range(self.chance.randrange(4))]
        options = [b"GROUP", b"g", b"c"] if kind == b"XREADGROUP" else []
        for _ in range(self.chance.randrange(3)):
            zero = self.chance.choice([b"", b"\0", b"\0BLOCK"])
            options += [self.mixed(self.chance.choice([b"BLOCK", b"COUNT"])) + zero, b"0"]
        zero = self.chance.choice([b"", b"", b"\0y"])
        last = self.chance.choice([b"$", b">", b"9-9"])
        return options + [self.mixed(b"STREAMS") + zero, b"stream", last]

    def mixed(self, word):
        style = self.chance.choice([bytes.upper, bytes.lower, bytes.title, bytes])
        return style(word)

    def encoded(self, arguments):
        """One request in any of the forms that there are for it."""
        form = self.chance.random()
        if form < 0.7:
            return encode(*arguments)
        if form < 0.85:
            zeros = lambda: b"0" * self.chance.randrange(3)
            parts = [b"*%s%d\r\n" % (zeros(), len(arguments))]
            parts += [b"$%s%d\r\n%s\r\n" % (zeros(), len(one), one) for one in arguments]
            return b"".join(parts)
        line = b" ".join(b'"%s"' % b"".join(b"\\x%02x" % byte for byte in one) for one in arguments)
        end = self.chance.choice([b"\r\n", b"\n"])
        return line + end if len(line) < 60_000 else encode(*arguments)

    def silent(self):
        """Bytes that ask for nothing."""
        forms = [b"", b"", b"", b"\r\n", b"\n", b"  \r\n", b"*0\r\n", b"*-1\r\n", b"*-7\r\n"]
        return self.chance.choice(forms)


def all_commands():
    """(name, arity) or (container, name, arity) of each command in the proxy's table."""
    source = REPOSITORY / "Sources/Proxy/Protocol/RedisCommands.swift"
    lines = source.read_text().split('"""')[1].strip().splitlines()
    found = [(*line.split()[0].encode().split(b"|"), int(line.split()[1])) for line in lines]
    assert len(found) > 300
    return found


class Marked:
    """A client whose requests are each followed by marks, one on each server."""

    def __init__(self, port, seed, commands):
        self.client, self.requests = Client(port), Requests(seed, commands)
        self.seed, self.serial, self.due = seed, 0, []

    def mark(self):
        self.serial += 1
        marks = [b"%d:%d:%d" % (self.seed, self.serial, index) for index in range(SERVERS)]
        keys = [key_on(index, SERVERS, "mark") for index in range(SERVERS)]
        data = b"".join(encode("EVAL", ECHO, 1, key, mark) for key, mark in zip(keys, marks))
        return data, marks

    def send(self, count):
        pieces = []
        for _ in range(count):
            arguments = self.requests.arguments()
            name = arguments[0].upper()
            if name in ENDING or (name == b"CLIENT" and b"REPLY" in map(bytes.upper, arguments)):
                continue
            pieces += [self.requests.silent(), self.requests.encoded(arguments)]
            replies = 1
            if name in RESTRICTING:
                pieces.append(encode("RESET"))
                replies = 2
            marks, texts = self.mark()
            pieces.append(marks)
            self.due.append((arguments, replies, texts))
        self.client.write(b"".join(pieces))

    def check(self):
        for arguments, replies, marks in self.due:
            where = f"seed {self.seed}, after {[one[:60] for one in arguments]}"
            got = self.client.replies(replies)
            if replies == 2:
                assert got[1] == "RESET", where
            found = self.client.replies(SERVERS)
            assert found == marks, f"{where}, which got {str(got)[:200]}"
        self.due.clear()


def assert_in_step(proxy):
    servers = proxy.stats()["pool"]
    for index in range(SERVERS):
        counts = servers[f"s{index}"]
        ends = {name: counts[name] for name in ("server_eof", "server_err", "server_timedout")}
        assert set(ends.values()) == {0}, f"a connection to s{index} has ended: {ends}"
        assert counts["server_connections"] == 1
        assert counts["requests"] == counts["responses"]


@pytest.mark.parametrize("seed", range(4))
def test_each_request_has_one_reply(shards, start_proxy, seed):
    proxy = start_proxy([shard.port for shard in shards[:SERVERS]], timeout=4000)
    for shard in shards[:SERVERS]:
        shard.call("RPUSH", "list", "1", "2")
        shard.call("XADD", "stream", "1-1", "f", "v")
        shard.call("XGROUP", "CREATE", "stream", "g", "$")
    commands = all_commands()
    clients = [Marked(proxy.port, 2 * seed + number, commands) for number in range(2)]
    for _ in range(15):
        for client in clients:
            client.send(25)
        for client in clients:
            client.check()
    for client in clients:
        client.client.close()
    assert_in_step(proxy)


@pytest.mark.parametrize(
    "option", [b"BLOCK", b"block", b"BLOCK\0", b"Block\0x", b"BLOCK\0" + b"x" * 100], ids=repr)
@pytest.mark.parametrize("command", ["XREAD", "XREADGROUP GROUP g c"])
def test_no_block_option_stops_the_connection(shards, start_proxy, command, option):
    """Redis reads an option up to a zero, so what blocks may have a longer name."""
    shards[0].call("XGROUP", "CREATE", "stream", "g", "$", "MKSTREAM")
    proxy = start_proxy([shards[0].port], timeout=2000)
    with Client(proxy.port) as client, Client(proxy.port) as other:
        last = "$" if command == "XREAD" else ">"
        got = client.call(*command.split(), option, "0", "STREAMS", "stream", last)
        assert got == Error("ERR BLOCK is not supported on shared connections")
        assert other.call("GET", "none") is None
    assert proxy.stats()["pool"]["s0"]["server_timedout"] == 0


@pytest.mark.parametrize("option", [b"STORE", b"store\0", b"STORE\0x"], ids=repr)
def test_a_destination_is_never_written_to_the_wrong_server(shards, start_proxy, option):
    proxy = start_proxy([shard.port for shard in shards[:SERVERS]])
    source, destination = (key_on(index, SERVERS, "sorted") for index in range(SERVERS))
    with Client(proxy.port) as client:
        assert client.call("RPUSH", source, "2", "1") == 2
        for request in (
            ("SORT", source, option, destination),
            ("GEORADIUS", source, "1", "1", "1", "km", option, destination),
        ):
            assert client.call(*request).text.startswith("CROSSSLOT"), request
    assert [shard.call("EXISTS", destination) for shard in shards[:SERVERS]] == [0, 0]


@pytest.mark.parametrize(
    "end",
    [b"*1\r\n$4\r\nQUIT\r\n", b"quit now\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$536870913\r\n",
     b"client reply off\r\n"],
    ids=repr)
def test_a_client_that_ends_in_mid_pipeline_leaves_others_in_step(shards, start_proxy, end):
    proxy = start_proxy([shard.port for shard in shards[:SERVERS]])
    clients = [Marked(proxy.port, number, [(b"GET", 2)]) for number in range(2)]
    for _ in range(20):
        with Client(proxy.port) as leaver:
            leaver.write(clients[0].mark()[0] + end + clients[0].mark()[0])
            for client in clients:
                client.send(5)
            for client in clients:
                client.check()
            with pytest.raises(Closed):
                leaver.replies(2 * SERVERS + 2)
    for client in clients:
        client.client.close()
    assert_in_step(proxy)
