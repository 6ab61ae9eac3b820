"""Every token of every memcached request, malformed in every way: the proxy answers as memcached.

Replies find their requests by their number. A request that a server answers twice, or not at all,
puts everybody behind it on the same connection out of step. So each request here goes to a memcached
directly and through the proxy, and the replies are compared; and somebody else, whose requests share
the server connection, still gets what is his.
"""

import itertools
import re

import pytest

from memcached import Line, MemcachedServer, ask_to_the_end
from proxy import Proxy
from shards import named

pytestmark = [pytest.mark.beyond, pytest.mark.timeout(300)]
LONG, LONGEST = b"k" * 251, b"k" * 250
END = b"mn\r\nbarrier\r\n"
ERROR = b"ERROR\r\n"
BAD_LINE = b"CLIENT_ERROR bad command line format\r\n"
BAD_CHUNK = b"CLIENT_ERROR bad data chunk\r\n"

# ---------------------------------------------------------------- the paths of memcached's parser

# In the order of its source: try_read_command, tokenize_command, process_command, then each command.
# What stands here as the answer is memcached 1.6.18's; `other` marks what the proxy says otherwise.
PATHS = [
    # A line ends at LF; a CR before it is no part of it, unless it is all there is.
    (b"get none\n", b"END\r\n"), (b"get none\r\n", b"END\r\n"), (b"get none\r\r\n", b"END\r\n"),
    (b"\n", ERROR), (b"\r\n", ERROR), (b"\r\r\n", ERROR), (b" \n", ERROR), (b"x\n", ERROR),
    (b"mn\n", b"MN\r\n"), (b"set a 0 0 1\n1\r\n", b"STORED\r\n"),
    (b"set a 0 0 1 \n1\r\nget a\n", b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n"),
    # Only blanks separate words, and only the first word is looked up.
    (b"  get   none  \r\n", b"END\r\n"), (b"get\tnone\r\n", ERROR), (b"get none\t\r\n", b"END\r\n"),
    (b" set  a 0  0 1 \r\n1\r\n", b"STORED\r\n"), (b"GET none\r\n", ERROR), (b"g\r\n", ERROR),
    # Commands of too few words or too many.
    (b"get\r\n", ERROR), (b"gat\r\n", ERROR), (b"set a 0 0\r\n", ERROR), (b"cas a 0 0 1\r\n", ERROR),
    (b"set a 0 0 1 2 3\r\n", ERROR), (b"incr a\r\n", ERROR), (b"incr a 1 2 3\r\n", ERROR),
    (b"touch a\r\n", ERROR), (b"delete\r\n", ERROR), (b"delete a 1 2 3\r\n", ERROR),
    (b"verbosity\r\n", ERROR), (b"flush_all 1 2 3\r\n", ERROR), (b"mg\r\n", ERROR),
    (b"me\r\n", BAD_LINE), (b"ms a\r\n", BAD_LINE), (b"version x\r\n", b"VERSION 1.6.18\r\n"),
    # Keys that are too long, wherever: what was to be sent already is thrown away.
    (b"get " + LONG + b"\r\n", BAD_LINE), (b"get a " + LONG + b" b\r\n", BAD_LINE),
    (b"gets a b " + LONG + b"\r\n", BAD_LINE), (b"gat 0 a " + LONG + b"\r\n", BAD_LINE),
    (b"get " + b"a " * 30 + LONG + b"\r\n", BAD_LINE),
    # A data block is read as long as it was said to be, its end with it, and then looked at.
    (b"set a 0 0 3\r\nabcd\r\n", BAD_CHUNK + ERROR),
    (b"set a 0 0 3\r\nabcde\r\n", BAD_CHUNK + ERROR),
    (b"set a 0 0 3\r\nabcdef\r\n", BAD_CHUNK + ERROR),
    (b"set a 0 0 3\r\nabcdeget none\r\n", BAD_CHUNK + b"END\r\n"),
    (b"set a 0 0 3\r\nabc\nget none\r\n", BAD_CHUNK + ERROR),
    (b"set a 0 0 3\r\nabc\n\nget none\r\n", BAD_CHUNK + b"END\r\n"),
    (b"set a 0 0 3\r\nabc\r\rget none\r\n", BAD_CHUNK + b"END\r\n"),
    (b"set a 0 0 3\r\na\r\nget none\r\n", BAD_CHUNK + ERROR),
    (b"set a 0 0 3\r\n\r\n\r\nget none\r\n", BAD_CHUNK + ERROR),
    (b"set a 0 0 0\r\n\nget none\r\n", BAD_CHUNK + ERROR),
    (b"set a 0 0 3 noreply\r\nabcdef\r\n", ERROR),
    (b"ms a 3 q\r\nabcdef\r\n", BAD_CHUNK + ERROR), (b"ms a 3 q\r\nabc\r\n", b""),
    # Of a request that is refused as it is read, the data block is not swallowed …
    (b"set a x 0 5\r\nstats\r\n", None), (b"set a 0 0 x\r\nmn\r\n", BAD_LINE + b"MN\r\n"),
    (b"set " + LONG + b" 0 0 2\r\nmn\r\n", BAD_LINE + b"MN\r\n"),
    (b"ms " + LONG + b" 2\r\nmn\r\n", BAD_LINE + b"MN\r\n"),
    (b"set a 0 0 -1\r\nmn\r\n", BAD_LINE + b"MN\r\n"),
    (b"ms a 2 " + b" ".join(b"%c" % (97 + i) for i in range(17)) + b"\r\nmn\r\n",
     b"CLIENT_ERROR options flags too long\r\nMN\r\n"),
    # … but that of a meta command with a wrong flag is.
    (b"ms a 2 Z\r\nmn\r\n", b"CLIENT_ERROR invalid flag\r\n"),
    (b"ms a 2 k k\r\nmn\r\n", b"CLIENT_ERROR duplicate flag\r\n"),
    (b"ms a 2 !\r\nmn\r\n", b"CLIENT_ERROR invalid flag\r\n"),
    (b"ms a 2 \x01\r\nmn\r\n", b"CLIENT_ERROR invalid flag\r\n"),
    (b"ms a 2 \xff\r\nmn\r\n", b"CLIENT_ERROR duplicate flag\r\n"),
    (b"ms a 2 b\r\nmn\r\n", b"CLIENT_ERROR error decoding key\r\n"),
    (b"ms a 2 O" + b"o" * 40 + b"\r\nmn\r\n", b"CLIENT_ERROR opaque token too long\r\n"),
    (b"ms a 2 MM\r\nmn\r\n", b"CLIENT_ERROR invalid mode for ms M token\r\n"),
    (b"ms a 2 T\r\nmn\r\n", b"CLIENT_ERROR bad token in command line format\r\n"),
    # `noreply` is the last word, or it is none.
    (b"get noreply\r\n", b"END\r\n"), (b"delete none noreply\r\n", b""),
    (b"delete none 0 noreply\r\n", b""), (b"delete none 1 noreply\r\n", b""),
    (b"delete none noreply noreply\r\n", b""), (b"touch none 0 noreply\r\n", b""),
    (b"touch none noreply\r\n", b""), (b"touch none x noreply\r\n", b""),
    (b"touch none noreply noreply\r\n", b""),
    (b"incr none noreply\r\n", b""), (b"incr none x noreply\r\n", b""),
    (b"verbosity noreply\r\n", b""), (b"flush_all x noreply\r\n", b""),
    (b"cas a 0 0 1 noreply\r\n", b""), (b"set a x 0 1 noreply\r\n", b""),
    (b"set a 0 0 1 noreply noreply\r\n", ERROR),
    # Unknown commands. Of those whose last word starts so, the connection ends.
    (b"foo\r\n", ERROR), (b"m\r\n", ERROR), (b"mx a\r\n", ERROR), (b"mnn\r\n", ERROR),
    (b"GET / HTTP/1.1\r\nHost: a\r\nget none\r\n", b""), (b"GET / HTTP/1.0\nget none\n", b""),
    (b"POST /x HTTP/2\r\nget none\r\n", b""), (b"HTTP/1.1\r\nget none\r\n", b""),
    (b"GET / HTTP/1.1 \r\nget none\r\n", b""), (b"GET / HTTP/1.1 x\r\n", ERROR),
    (b"get / HTTP/1.1\r\n", b"END\r\n"), (b"set / HTTP/1.1\r\n", ERROR),
]

# Keys of every byte but NUL, LF and the blank.
KEYS = [bytes([byte]) for byte in range(1, 256) if byte not in b"\n "]
KEYS += [b"a" + key + b"b" for key in KEYS] + [b"\r\r", b"\x01" * 250, bytes(range(128, 256))]


def label(request):
    return repr(request)[2:60].replace("k" * 20, "k")


@pytest.fixture(scope="module", params=[1, 3], ids=["one server", "three servers"])
def pool(request, tmp_path_factory):
    servers = [MemcachedServer() for _ in range(request.param)]
    folder = tmp_path_factory.mktemp("parser")
    proxy = Proxy(folder, named([server.port for server in servers]), redis="false")
    try:
        yield proxy
        proxy.stop()
    finally:
        proxy.kill()
        for server in servers:
            server.stop()


@pytest.fixture(scope="module")
def direct(pool):
    """A server that has been told the same as those behind the proxy."""
    server = MemcachedServer()
    yield server
    server.stop()


@pytest.mark.parametrize("request_, answer", PATHS, ids=map(label, next(zip(*PATHS))))
def test_a_path_of_the_parser(request_, answer, direct, pool):
    """On every path as memcached, up to the barrier behind it."""
    found = ask_to_the_end(pool.port, request_ + END)
    if answer is not None:
        assert found == answer + (b"" if b"HTTP/" in request_ and not answer else b"MN\r\nERROR\r\n")
        assert ask_to_the_end(direct.port, request_ + END) == found


# ---------------------------------------------------------------- every token

NUMBERS = [b"0", b"1", b"-1", b"+1", b"01", b"-0", b"x", b"1x", b"0x1", b"1.5", b"-", b"+", b"1-",
           b"4294967295", b"4294967296", b"9223372036854775807", b"9223372036854775808",
           b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809", b"9" * 30,
           b"0" * 10 + b"1", b"0" * 30 + b"1", b"1\t", b"\t1", b"1\rx", b"\v1"]
WORDS = [b"noreply", b"q", b"k", b"a\tb", b"\r", b"a\r", b"\x01", b"\x7f", b"\x80", b"\xff", b"''",
         b"HTTP/1.1", LONGEST, LONG, b"x" * 300, b"q q", b"0 0", b"noreply noreply", b""]
LENGTHS = [number for number in NUMBERS if len(number) < 10 or number.strip(b"0") == b"1"]
FLAGS = [bytes([letter]) + argument for letter in range(33, 127)
         for argument in (b"", b"0", b"1", b"-1", b"x", b"E", b"99999999999", b"9" * 20, b"o" * 31,
                          b"o" * 32, b"1\t")]

# Of each command its words; behind it, perhaps, a data block. What stands in brackets is a length.
COMMANDS = [
    (b"get a", None), (b"get a b none", None), (b"gets a none b", None), (b"gat 0 a", None),
    (b"gats 0 a b", None), (b"incr n 1", None), (b"decr n 1", None), (b"touch a 0", None),
    (b"touch a 0 noreply", None), (b"incr n 1 noreply", None), (b"delete d", None),
    (b"delete d 0", None), (b"delete d 0 noreply", None), (b"delete d noreply", None),
    (b"flush_all 1000", None), (b"flush_all 1000 noreply", None), (b"verbosity 0", None),
    (b"verbosity 0 noreply", None), (b"version", None), (b"mn", None), (b"me a b", None),
    (b"mg a k v O1 q", None), (b"md d k O1 q", None), (b"ma n k N0 J5 D1 q", None),
    (b"mg YQ== b k v", None), (b"ma n MD v", None),
] + [
    (verb + b" s 0 0 [1]" + end, b"1\r\n") for verb, end in itertools.product(
        [b"set", b"add", b"replace", b"append", b"prepend"], [b"", b" noreply", b" x"])
] + [
    (b"cas s 0 0 [1] 1", b"1\r\n"), (b"cas s 0 0 [1] 1 noreply", b"1\r\n"),
    (b"ms s [1]", b"1\r\n"), (b"ms s [1] q k O1 T0 F0", b"1\r\n"), (b"ms cw== [1] b k", b"1\r\n"),
]


def requests():
    """Each command with each word left out, doubled, or another, and with words added."""
    for command, data in COMMANDS:
        words = command.replace(b"[", b"").replace(b"]", b"").split()
        length = next((i for i, word in enumerate(command.split()) if word[:1] == b"["), None)
        yield join(words, data)
        for i in range(len(words) + 1):
            for word in WORDS:
                yield join([*words[:i], word, *words[i:]], data)
            if i == len(words):
                break
            others = LENGTHS if i == length else NUMBERS + WORDS
            for word in others:
                yield join([*words[:i], word, *words[i + 1:]], data)
            yield join(words[:i] + words[i + 1:], data)
    for verb in (b"mg a", b"md d", b"ma n", b"ms s 1"):
        for flag in FLAGS:
            for more in (b"", b" q", b" k O1"):
                yield b"%s %s%s\r\n%s" % (verb, flag, more, b"1\r\n" if verb[1:2] == b"s" else b"")


def join(words, data):
    return b" ".join(words) + b"\r\n" + (data or b"")


SETUP = b"".join(b"set %s 0 0 1 noreply\r\n5\r\n" % key for key in (b"a", b"b", b"d", b"n", b"s"))


def is_beyond(request):
    """What the proxy refuses though memcached 1.6.18 does it, as other versions do not, or take its
    data block for commands; each is answered with an error, and the data block is swallowed."""
    words = [word for word in request.split(b"\n")[0].removesuffix(b"\r").split(b" ") if word]
    if words[0][:1] == b"m" and any(re.match(rb"F(?![0-9]{1,10}$)", word) for word in words[2:]):
        return True
    if words[0] == b"me":  # 1.6.18 looks at the first flag only.
        return len(words) > 2
    if words[0] in (b"gat", b"gats"):
        return len(words) < 3  # 1.6.18 takes `gat 0` for a request of no keys.
    if words[0] == b"ms":
        # Of a wrong flag and a wrong data block the proxy tells the second.
        return not re.fullmatch(rb"-?\d{1,10}", words[2]) or int(words[2]) == 0
    if not request.endswith(b"\r\n1\r\n"):
        return False
    length = words[4] if len(words) > 4 else b""
    if words[0] == b"cas" and not re.fullmatch(rb"\d{1,20}", words[5]):
        return True
    return not re.fullmatch(rb"-?\d{1,10}", length) or any(
        re.search(rb"[\t\v\r]|-[0-9]{19}", word) for word in words[2:6])


def told(replies):
    """Without what depends on the moment, or on how many requests a server has had."""
    replies = re.sub(rb"(VALUE \S+ \d+ \d+) \d+\r", rb"\1\r", replies)
    replies = re.sub(rb"ME (\S+) .*", rb"ME \1", replies)
    return re.sub(rb" [chlt]-?\d+", b"", replies)


def ask_all(port, batch):
    """What is said to each request of a batch, before the barrier behind it."""
    asked = b"".join(SETUP + request + END for request in batch)
    return [told(reply) for reply in ask_to_the_end(port, asked).split(b"MN\r\nERROR\r\n")]


def test_every_word_of_every_request(direct, pool):
    """As memcached, and in step: what another client asks for is what it gets."""
    all_requests = list(dict.fromkeys(requests()))
    single = [r for r in all_requests if b"HTTP/" in r]
    rest = [r for r in all_requests if b"HTTP/" not in r]
    batches = [[r] for r in single] + [rest[i:i + 100] for i in range(0, len(rest), 100)]
    differences = []
    with Line(pool.port) as other:
        for batch in batches:
            assert other.call(b"set secret 0 0 6\r\nsecret\r\n") == b"STORED\r\n"
            expected, found = ask_all(direct.port, batch), ask_all(pool.port, batch)
            if b"flush_all" not in b"".join(batch):
                secret = other.call(b"get secret\r\n")
                assert secret == b"VALUE secret 0 6\r\nsecret\r\nEND\r\n", batch
            if found == expected:
                continue
            for request in batch:
                there, here = ask_all(direct.port, [request]), ask_all(pool.port, [request])
                if there != here and not is_beyond(request):
                    differences.append((request, there, here))
    assert not differences, f"{len(differences)}: {differences[:20]}"


def test_keys_of_every_byte(direct, pool):
    """Stored, found, counted on, and told apart, alone and among others, in lines of any end."""
    for port in (direct.port, pool.port):
        with Line(port) as line:
            for key in KEYS:
                assert line.call(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(key), key)) == b"STORED\r\n"
            values = {key: b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(key), key) for key in KEYS}
            # A line of one key each: they share a line to the server.
            line.send(b"".join(b"get %s\r\n" % key for key in KEYS))
            expected = b"".join(values[key] + b"END\r\n" for key in KEYS)
            assert line.read(len(expected)) == expected
            asked = [key for key in KEYS if not key.endswith(b"\r")]
            line.send(b"".join(b"get %s\n" % key for key in asked))
            expected = b"".join(values[key] + b"END\r\n" for key in asked)
            assert line.read(len(expected)) == expected
            line.send(b"get " + b" ".join(KEYS) + b"\r\n")
            expected = b"".join(values[key] for key in KEYS) + b"END\r\n"
            assert line.read(len(expected)) == expected
            for key in KEYS:
                assert line.call(b"mg %s v k\r\n" % key) == (
                    b"VA %d k%s\r\n%s\r\n" % (len(key), key, key))
                assert line.call(b"delete %s\r\n" % key) == b"DELETED\r\n"


@pytest.mark.parametrize("key", [b"\0", b"a\0b", b"\0a"])
def test_no_key_has_a_nul(key, pool):
    """Whatever is behind it, memcached does not see it; nothing of the data block is a command."""
    for request in (b"get %s\r\n", b"get a %s b\r\n", b"mg %s v\r\n", b"delete %s\r\n",
                    b"set %s 0 0 11\r\nflush_all\r\n\r\n", b"ms %s 11\r\nflush_all\r\n\r\n"):
        assert ask_to_the_end(pool.port, request % key + END) == ERROR + b"MN\r\nERROR\r\n"
