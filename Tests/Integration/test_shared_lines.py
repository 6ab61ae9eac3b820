"""Gets of one key that go to the same memcached in one turn share a line and its reply."""

import threading

import pytest

from memcached import Line, MemcachedServer

pytestmark = pytest.mark.beyond
BIG = 3 << 20


def get(*keys):
    return b"".join(b"get %s\r\n" % key for key in keys)


def block(key, value):
    return b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(value), value)


END = b"END\r\n"


class Script:
    """A server that reads so many bytes, says its piece and then nothing."""

    def __init__(self, count, answer):
        self.count, self.answer, self.received = count, answer, b""
        self.has_received = threading.Event()

    def __call__(self, connection):
        while len(self.received) < self.count:
            self.received += connection.socket.recv(self.count - len(self.received))
        self.has_received.set()
        connection.send(self.answer)
        connection.wait_for_close()


@pytest.fixture
def ask_fake(start_proxy, start_fake):
    """What a server with this answer got, and what the client got that asked through the proxy."""

    def ask(request, answer, line, count):
        script = Script(len(line), answer)
        fake = start_fake(script)
        proxy = start_proxy([fake.port], redis="false")
        with Line(proxy.port) as client:
            client.send(request)
            reply = client.read(count)
            script.has_received.wait(10)
            assert script.received == line
            return reply

    return ask


@pytest.mark.parametrize(
    "request_, line",
    [
        (get(b"a"), b"get a\r\n"),
        (get(b"a", b"bb", b"ccc"), b"get a bb ccc\r\n"),
        # What belongs to a value that stands twice could not be told.
        (get(b"a", b"b", b"a", b"b"), b"get a b\r\nget a b\r\n"),
        # Nothing is overtaken.
        (get(b"a") + b"delete b\r\n" + get(b"c", b"b"), b"get a\r\ndelete b\r\nget c b\r\n"),
        (get(b"a") + b"delete b noreply\r\n" + get(b"b"), get(b"a") + b"delete b noreply\r\n" + get(b"b")),
        # Others are sent as they come.
        (b"get a\r\nget b c\r\nget d\r\n", b"get a\r\nget b c\r\nget d\r\n"),
        (b"gets a\r\ngets b\r\nget  c\r\nget d \r\nget e\r\n",) * 2,
    ],
)
def test_what_a_server_is_asked(request_, line, ask_fake):
    ask_fake(request_, b"", line, 0)


@pytest.mark.parametrize("length", [250, 100, 7])
def test_lines_are_short(length, start_proxy, start_fake):
    """memcached takes more time for lines that are longer than 2 KiB."""
    keys = [b"%0*d" % (length, number) for number in range(600)]
    lines = []

    def script(connection):
        while sum(len(line) - 1 for line in lines) < len(keys):
            text = connection.stream.readline()
            assert len(text) <= 2048
            lines.append(text.split())
        connection.send(END * len(lines))
        connection.wait_for_close()

    proxy = start_proxy([start_fake(script).port], redis="false")
    with Line(proxy.port) as client:
        client.send(get(*keys))
        assert client.read(len(END) * len(keys)) == END * len(keys)
    assert [key for line in lines for key in line[1:]] == keys
    assert len(lines) < len(keys) / 4


ANSWERS = [
    # Some are there, some not; and whose they are is told by their keys.
    (block(b"b", b"1"), [END, block(b"b", b"1") + END, END]),
    (block(b"c", b"1"), [END, END, block(b"c", b"1") + END]),
    (block(b"a", b"END\r\n") + block(b"c", b""), [block(b"a", b"END\r\n") + END, END, block(b"c", b"") + END]),
    (b"", [END] * 3),
]


@pytest.mark.parametrize("values, replies", ANSWERS)
@pytest.mark.parametrize("is_cut", [False, True])
def test_replies_are_told_apart(values, replies, is_cut, start_proxy, start_fake):
    line = b"get a b c\r\n"

    def script(connection):
        assert connection.socket.recv(len(line), 0x100) == line
        if is_cut:
            connection.send_split(values + END)
        else:
            connection.send(values + END)
        connection.wait_for_close()

    proxy = start_proxy([start_fake(script).port], redis="false")
    with Line(proxy.port) as client:
        client.send(get(b"a", b"b", b"c"))
        expected = b"".join(replies)
        assert client.read(len(expected)) == expected
    counts = proxy.stats()["pool"]["s0"]
    assert counts["requests"] == counts["responses"] == 3
    assert (counts["request_bytes"], counts["response_bytes"]) == (21, len(expected))
    assert counts["in_queue"] == counts["out_queue"] == counts["out_queue_bytes"] == 0


ERROR = b"SERVER_ERROR out of memory writing get response\r\n"


@pytest.mark.parametrize(
    "answer, replies",
    [
        (ERROR, ERROR * 3),
        (block(b"a", b"1") + ERROR, block(b"a", b"1") + END + ERROR * 2),
        (block(b"b", b"1") + ERROR, END + block(b"b", b"1") + END + ERROR),
        (block(b"c", b"1") + ERROR, END * 2 + block(b"c", b"1") + ERROR),
    ],
)
def test_an_error_is_that_of_all_who_have_no_value(answer, replies, ask_fake):
    reply = ask_fake(get(b"a", b"b", b"c"), answer, b"get a b c\r\n", len(replies))
    assert reply == replies


INVALID = b"SERVER_ERROR Invalid argument\r\n"


@pytest.mark.parametrize(
    "answer, replies",
    [
        (block(b"x", b"1") + END, INVALID * 3),
        (block(b"b", b"1") + block(b"x", b"1"), END + block(b"b", b"1") + END + INVALID),
        (block(b"b", b"1") + block(b"a", b"1"), END + block(b"b", b"1") + END + INVALID),
        (b"VA 1\r\nx\r\n", INVALID * 3),
        (b"OK\r\n", INVALID * 3),
        # Its header says that there is no value for the first.
        (b"VALUE b 0 1\r\nxy\r\n", END + INVALID * 2),
    ],
)
def test_a_value_that_nobody_asked_for_is_an_error(answer, replies, ask_fake):
    reply = ask_fake(get(b"a", b"b", b"c"), answer, b"get a b c\r\n", len(replies))
    assert reply == replies


def test_a_reply_that_breaks_off_ends_with_its_client(start_proxy, start_fake):
    """Half of a big value has left for its client: the others are told, and it is closed."""
    line = b"get a b c\r\n"
    half = b"VALUE b 0 %d\r\n" % BIG + b"x" * (BIG // 2)
    sent = threading.Event()

    def script(connection):
        if connection.index == 0:
            assert connection.socket.recv(len(line), 0x100) == line
            connection.send(half)
            sent.wait(10)
            connection.rst()
        else:
            connection.socket.recv(1 << 16)
            connection.send(END)
            connection.wait_for_close()

    proxy = start_proxy([start_fake(script).port], redis="false")
    with Line(proxy.port) as client:
        client.send(get(b"a", b"b", b"c"))
        assert client.read(len(END + half)) == END + half
        sent.set()
        assert client.is_closed()
    with Line(proxy.port) as client:
        client.send(get(b"a"))
        assert client.read(len(END)) == END


def test_values_of_all_sizes_from_a_real_server(start_proxy):
    """Many clients get the same keys at the same time, some big, some not there."""
    server = MemcachedServer("-I", "8m", "-m", "256")
    try:
        values = {b"k%d" % number: b"%d" % number * 10 for number in range(40)}
        values |= {b"big%d" % number: b"%d" % number * BIG for number in range(3)}
        for key, value in values.items():
            with Line(server.port) as line:
                line.send(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
                assert line.read_until(b"\r\n") == b"STORED\r\n"
        proxy = start_proxy([server.port], redis="false")
        failures = []

        def work(seed):
            keys = [*values, b"none1", b"none2"] * 2
            keys = keys[seed:] + keys[:seed]
            expected = b"".join(
                (block(key, values[key]) if key in values else b"") + END for key in keys)
            with Line(proxy.port) as line:
                line.send(get(*keys))
                if line.read(len(expected)) != expected:
                    failures.append(seed)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
    finally:
        server.stop()
