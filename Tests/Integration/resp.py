"""RESP2 on a blocking socket and on an asyncio stream, kept so small that it can be trusted.

A status is a `str`, a bulk is `bytes`, an integer an `int`, a null is `None`, an array a `list`,
and an error an `Error`, which is equal to another with the same text.
"""

import asyncio
import socket
import threading

from ports import HOST


class Error:
    """An error reply, without the minus sign and the line end."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Error) and other.text == self.text

    def __repr__(self):
        return f"Error({self.text!r})"


def to_bytes(argument):
    return argument if isinstance(argument, bytes) else str(argument).encode()


def encode(*arguments):
    """One request as an array of bulks."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in map(to_bytes, arguments):
        parts += (b"$%d\r\n" % len(argument), argument, b"\r\n")
    return b"".join(parts)


def bulk(value):
    return b"$%d\r\n%s\r\n" % (len(value), value)


def scalar(line):
    """The value of a one-line reply, or None when `line` opens a bulk or an array."""
    kind, rest = line[:1], line[1:-2]
    if not line.endswith(b"\r\n"):
        raise AssertionError(f"reply line {line[:200]!r} does not end in CR LF")
    if kind == b"+":
        return rest.decode("latin-1")
    if kind == b"-":
        return Error(rest.decode("latin-1"))
    if kind == b":":
        return int(rest)
    if kind not in (b"$", b"*"):
        raise AssertionError(f"not a reply: {line[:200]!r}")
    return None


class Closed(Exception):
    """The peer closed the connection where a reply was due."""


def read_reply(stream):
    """One reply from a file-like object. Raises `Closed` at the end of the stream."""
    line = stream.readline()
    if not line:
        raise Closed
    value = scalar(line)
    if value is not None:
        return value
    length = int(line[1:-2])
    if length < 0:
        return None
    if line[:1] == b"*":
        return [read_reply(stream) for _ in range(length)]
    data = stream.read(length + 2)
    if len(data) < length + 2:
        raise Closed
    assert data.endswith(b"\r\n"), "bulk without CR LF at its end"
    return data[:-2]


async def read_reply_async(reader):
    """`read_reply` for an `asyncio.StreamReader`."""
    line = await reader.readline()
    if not line:
        raise Closed
    value = scalar(line)
    if value is not None:
        return value
    length = int(line[1:-2])
    if length < 0:
        return None
    if line[:1] == b"*":
        return [await read_reply_async(reader) for _ in range(length)]
    data = await reader.readexactly(length + 2)
    assert data.endswith(b"\r\n"), "bulk without CR LF at its end"
    return data[:-2]


class Client:
    """A connection that sends what it is told, byte for byte, and reads one reply at a time."""

    def __init__(self, port, timeout=20, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb", 1 << 16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def write(self, data):
        self.socket.sendall(data)

    def send(self, *arguments):
        self.write(encode(*arguments))

    def reply(self):
        return read_reply(self.stream)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def call(self, *arguments):
        self.send(*arguments)
        return self.reply()

    def pipeline(self, requests):
        """Sends all requests at once, reading meanwhile; the replies in order."""
        data = b"".join(encode(*request) for request in requests)
        writer = threading.Thread(target=self._write_quietly, args=(data,), daemon=True)
        writer.start()
        replies = self.replies(len(requests))
        writer.join()
        return replies

    def _write_quietly(self, data):
        """A failed write shows as missing replies, which say more than a broken pipe does."""
        try:
            self.write(data)
        except OSError:
            pass

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def rest(self):
        """All bytes up to the end of the stream; a reset ends it too."""
        pieces = []
        try:
            while piece := self.stream.read1(1 << 16):
                pieces.append(piece)
        except ConnectionResetError:
            pass
        return b"".join(pieces)

    def is_quiet(self, seconds=0.15):
        """True when nothing arrives and nobody closes for so long."""
        self.socket.settimeout(seconds)
        try:
            self.stream.peek(1)
            return False
        except TimeoutError:
            # A buffered reader refuses further use after a time-out: start a new one.
            self.stream = self.socket.makefile("rb", 1 << 16)
            return True
        finally:
            self.socket.settimeout(20)

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()


class AsyncClient:
    """The same on asyncio, for hundreds of clients in one process."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port):
        return cls(*await asyncio.open_connection(HOST, port, limit=1 << 20))

    async def pipeline(self, requests):
        self.writer.write(b"".join(encode(*request) for request in requests))
        return [await read_reply_async(self.reader) for _ in requests]

    async def close(self):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass
