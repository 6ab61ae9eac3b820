"""Real memcached servers, a plain connection to one, and where keys belong among them."""

import os
import socket
import subprocess
import time

from ports import HOST, free_port

BARRIER = b"MN\r\nERROR\r\n"
# Another version to run the tests with; what they say of texts is true of Debian's, 1.6.18.
PROGRAM = os.environ.get("CASHEW_TEST_MEMCACHED", "memcached")


class MemcachedServer:
    """A memcached on loopback, with more arguments if there are any."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.port = free_port()
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "-u", "nobody", "-l", HOST, "-p", str(self.port)]
            + ["-U", "0", "-m", "64", "-t", "1", *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.time() + 10
        while time.time() < end:
            try:
                socket.create_connection((HOST, self.port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise AssertionError("memcached does not listen")

    def ask(self, request):
        return ask(self.port, request)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Line:
    """A connection that is given bytes, and says what comes back."""

    def __init__(self, port):
        self.socket = socket.create_connection((HOST, port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, request):
        self.socket.sendall(request)

    def read(self, count):
        """So many bytes; fewer if the peer closes before."""
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                break
            data += piece
        return data

    def read_until(self, end):
        data = b""
        while not data.endswith(end):
            piece = self.socket.recv(65536)
            assert piece, f"closed after {data[-200:]!r}"
            data += piece
        return data

    def call(self, request):
        """All that is answered, found by a barrier behind the request: an `mn` and an unknown
        command, for the answer to the request may itself be that of an `mn`."""
        self.send(request + b"mn\r\nbarrier\r\n")
        return self.read_until(BARRIER)[: -len(BARRIER)]

    def is_closed(self):
        self.socket.settimeout(5)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def ask_to_the_end(port, request):
    """All that is answered up to the end of the connection, which is half closed."""
    with Line(port) as line:
        line.send(request)
        line.socket.shutdown(socket.SHUT_WR)
        data = b""
        try:
            while piece := line.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data


def ask(port, request):
    with Line(port) as line:
        return line.call(request)
