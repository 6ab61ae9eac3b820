#!/usr/bin/env python3
"""Captures the statistics document of nutcracker 0.5.0 for AdminTests, with numbers in most fields.

    Tests/Scripts/make-stats-document.py > Tests/AdminTests/Documents/nutcracker.json

Two pools of two servers: one answers, one is silent, one refuses, and one never completes a
connection. Host, times and what else depends on the machine are made the same for every run.
Pool `be` has its server on 11211, which shows without the port; nothing may listen there.
"""

import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib

HOST = "127.0.0.1"
ALPHA, BE, ANSWERING, SILENT, STUCK, STATS = range(25780, 25786)

CONFIGURATION = f"""
alpha:
  listen: {HOST}:{ALPHA}
  hash: crc32a
  distribution: modula
  redis: true
  servers:
   - {HOST}:{ANSWERING}:1 cache2
   - {HOST}:{SILENT}:1
be:
  listen: {HOST}:{BE}
  hash: crc32a
  distribution: modula
  redis: true
  auto_eject_hosts: true
  server_failure_limit: 1
  server_retry_timeout: 30000
  servers:
   - {HOST}:11211:1
   - {HOST}:{STUCK}:1
"""


def listener(port, backlog=16):
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    made.listen(backlog)
    return made


def answer(server):
    connection, _ = server.accept()
    while data := connection.recv(65536):
        connection.sendall(b"$5\r\nvalue\r\n" * data.count(b"get"))


def keys(index, count):
    """Keys of the server with that index among two."""
    numbers = (f"k{number}" for number in range(1000))
    return [key for key in numbers if zlib.crc32(key.encode()) % 2 == index][:count]


def get(connection, key, length):
    connection.sendall(f"*2\r\n$3\r\nget\r\n${len(key)}\r\n{key}\r\n".encode())
    received = b""
    while len(received) < length:
        received += connection.recv(65536)


def load(connections):
    """The requests: the connections stay open."""
    alpha, other, be, stuck = connections
    for key in keys(0, 5):
        get(alpha, key, 11)
    for key in keys(1, 3):
        get(other, key, 0)
    get(be, keys(0, 1)[0], 1)
    get(stuck, keys(1, 1)[0], 0)
    socket.create_connection((HOST, ALPHA)).close()
    with socket.create_connection((HOST, ALPHA)) as broken:
        broken.sendall(b"*zz\r\n")
        broken.recv(100)


def document():
    with socket.create_connection((HOST, STATS)) as connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def main():
    answering, silent, stuck = listener(ANSWERING), listener(SILENT), listener(STUCK, 0)
    # Of one place in the queue this takes all.
    fillers = [socket.create_connection((HOST, STUCK))]
    threading.Thread(target=answer, args=(answering,), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/conf", "w") as file:
            file.write(CONFIGURATION)
        nutcracker = subprocess.Popen(
            ["nutcracker", "-c", f"{folder}/conf", "-o", f"{folder}/log", "-p", f"{folder}/pid"]
            + ["-a", HOST, "-s", str(STATS), "-i", "100"])
        try:
            time.sleep(0.5)
            clients = [socket.create_connection((HOST, port)) for port in (ALPHA, ALPHA, BE, BE)]
            load(clients)
            for _ in range(3):
                time.sleep(0.3)
                captured = document()
        finally:
            nutcracker.terminate()
            nutcracker.wait()
    for end in [silent, *fillers]:
        end.close()
    captured = re.sub(rb'"source":"[^"]*"', b'"source":"host"', captured)
    captured = re.sub(rb'"uptime":\d+', b'"uptime":1', captured)
    captured = re.sub(rb'"timestamp":\d+', b'"timestamp":1795350878', captured)
    captured = re.sub(rb'("server_ejected_at"):[1-9]\d+', rb"\1:1795350877123456", captured)
    sys.stdout.buffer.write(captured)


main()
