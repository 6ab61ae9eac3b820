"""Scripted redis-servers: each connection is handed to a function that does whatever it likes."""

import socket
import struct
import threading
import time

from ports import HOST, free_port
from resp import bulk


class Connection:
    """One connection of the proxy to a fake. `index` counts the fake's connections from 0."""

    def __init__(self, sock, index):
        self.socket, self.index, self.requests = sock, index, []
        self.stream = sock.makefile("rb")
        self.ended = threading.Event()

    def request(self):
        """The next request's arguments, or None when the proxy has closed."""
        line = self.stream.readline()
        if not line:
            return None
        assert line.startswith(b"*"), f"the proxy sent {line!r}"
        arguments = []
        for _ in range(int(line[1:])):
            length = int(self.stream.readline()[1:])
            arguments.append(self.stream.read(length + 2)[:-2])
        self.requests.append(arguments)
        return arguments

    def send(self, data):
        self.socket.sendall(data)

    def send_split(self, data, pause=0.0005):
        """Each byte in a segment of its own."""
        for position in range(len(data)):
            self.socket.sendall(data[position:position + 1])
            time.sleep(pause)

    def wait_for_close(self):
        """Returns when the proxy has closed; what it still sends is dropped."""
        while self.socket.recv(1 << 16):
            pass

    def fin(self):
        self.socket.shutdown(socket.SHUT_WR)

    def rst(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.close()
        self.socket.close()


class FakeServer:
    """Listens on a port and runs `script(connection)` in a thread for each connection."""

    def __init__(self, script, port=None, host=HOST):
        self.script, self.port, self.connections = script, port or free_port(), []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, self.port))
        self.listener.listen(1024)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, len(self.connections))
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.script(connection)
        except (OSError, ValueError):
            pass
        connection.ended.set()
        try:
            connection.stream.close()
            connection.socket.close()
        except OSError:
            pass

    def wait_ended(self, index, seconds=5):
        """True once the script of that connection has ended, so the proxy's side is closed too."""
        end = time.time() + seconds
        while len(self.connections) <= index and time.time() < end:
            time.sleep(0.005)
        return self.connections[index].ended.wait(max(0, end - time.time()))

    def stop(self):
        """The port refuses from now on, and every connection ends. May be called twice."""
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        for connection in self.connections:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def answer(arguments):
    """GET gives its key back, MGET its keys, everything else OK."""
    command = arguments[0].upper()
    if command == b"GET":
        return bulk(arguments[1])
    if command == b"MGET":
        return b"*%d\r\n" % (len(arguments) - 1) + b"".join(map(bulk, arguments[1:]))
    return b"+OK\r\n"


def echo(connection):
    """A script: a server whose every key holds its own name."""
    while (arguments := connection.request()) is not None:
        connection.send(answer(arguments))
