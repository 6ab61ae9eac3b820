"""Replies come in request order, to the client that asked, however requests are cut and mixed."""

import asyncio
import random
import time

from resp import AsyncClient, Client, bulk, encode
from shards import key_on

DEPTH = 10_000
CLIENTS = 1_000


def mixed_requests(seed, count):
    """Seeded requests of many kinds with the reply that each must get."""
    chance = random.Random(seed)
    store, counters = {}, {}
    requests, replies = [], []
    for number in range(count):
        key, counter = f"m:{chance.randrange(200)}", f"c:{chance.randrange(20)}"
        kind = chance.choice(["SET", "GET", "GET", "INCR", "MSET", "MGET", "DEL", "PING", "STRLEN"])
        some = [f"m:{chance.randrange(200)}" for _ in range(chance.randrange(1, 12))]
        value = f"{number}:".encode() + b"v" * chance.choice([0, 1, 10, 100, 1000, 5000])
        if kind == "SET":
            request, reply = (kind, key, value), "OK"
            store[key] = value
        elif kind == "GET":
            request, reply = (kind, key), store.get(key)
        elif kind == "INCR":
            counters[counter] = counters.get(counter, 0) + 1
            request, reply = (kind, counter), counters[counter]
        elif kind == "MSET":
            request, reply = (kind, *(part for name in some for part in (name, value))), "OK"
            store.update((name, value) for name in some)
        elif kind == "MGET":
            request, reply = (kind, *some), [store.get(name) for name in some]
        elif kind == "DEL":
            request, reply = (kind, *some), sum(name in store for name in set(some))
            for name in some:
                store.pop(name, None)
        elif kind == "PING":
            request, reply = (kind,), "PONG"
        else:
            request, reply = (kind, key), len(store.get(key, b""))
        requests.append(request)
        replies.append(reply)
    return requests, replies


def first_difference(got, wanted):
    pairs = enumerate(zip(got, wanted, strict=True))
    return next((index for index, (one, other) in pairs if one != other), None)


def test_mixed_pipeline_of_10000(client):
    requests, wanted = mixed_requests(seed=3, count=DEPTH)
    got = client.pipeline(requests)
    wrong = first_difference(got, wanted)
    assert wrong is None, f"request {wrong}: {requests[wrong]}"


def test_10000_requests_written_before_the_first_reply_is_read(client):
    keys = [f"w:{number}" for number in range(100)]
    assert client.call("MSET", *(part for key in keys for part in (key, key))) == "OK"
    asked = [keys[number * 7 % 100] for number in range(DEPTH)]
    client.write(b"".join(encode("GET", key) for key in asked))
    assert client.replies(DEPTH) == [key.encode() for key in asked]


def test_pipelines_of_several_clients_do_not_mix(proxy, shards):
    """Equal requests of the clients hit equal shards in the same turns, with different values."""

    async def one(number):
        client = await AsyncClient.connect(proxy.port)
        values = [f"{number}/{index}" * (1 + index % 40) for index in range(500)]
        sets = [("SET", f"{index}:{number}", value) for index, value in enumerate(values)]
        assert await client.pipeline(sets) == ["OK"] * len(sets)
        gets = [("GET", f"{index}:{number}") for index in range(len(values))]
        assert await client.pipeline(gets) == [value.encode() for value in values]
        await client.close()

    async def everyone():
        await asyncio.gather(*(one(number) for number in range(20)))

    asyncio.run(everyone())


def test_1000_clients_each_read_what_they_wrote(proxy, shards):
    """No value reaches another client: every value names its client, key and round."""
    mismatches = []

    async def rounds(client, number):
        chance = random.Random(number)
        keys = [f"{part}:{number}" for part in "abcd"]
        for turn in range(6):
            size = chance.choice([0, 10, 1000, 4090, 17000])
            values = [f"{key}@{turn};".encode() + b"x" * size for key in keys]
            pairs = [part for pair in zip(keys[1:], values[1:]) for part in pair]
            wanted = ["OK", "OK", values[0], values[::-1], "PONG"]
            got = await client.pipeline(
                [("SET", keys[0], values[0]), ("MSET", *pairs), ("GET", keys[0])]
                + [("MGET", *keys[::-1]), ("PING",)]
            )
            if got != wanted:
                mismatches.append((number, turn))

    async def everyone():
        limit = asyncio.Semaphore(100)

        async def connect():
            async with limit:
                return await AsyncClient.connect(proxy.port)

        clients = await asyncio.gather(*(connect() for _ in range(CLIENTS)))
        await asyncio.gather(*(rounds(client, number) for number, client in enumerate(clients)))
        await asyncio.gather(*(client.close() for client in clients))

    asyncio.run(everyone())
    assert mismatches == []


def conversation(number=0):
    """Bytes of a few requests with a fragmented and a binary one among them, and their replies.

    Conversations of equal numbers have equal keys.
    """
    left, right = key_on(1, 8, f"left{number:03}"), key_on(6, 8, f"right{number:03}")
    binary = b"\0\r\n$5\r\n%03d\xff" % number
    requests = (
        encode("SET", binary, binary)
        + encode("MSET", left, b"\r\n", right, b"")
        + encode("get", binary)
        + encode("PING")
        + encode("MGET", right, left, "none")
        + encode("DEL", left, right, binary)
    )
    replies = (
        b"+OK\r\n+OK\r\n" + bulk(binary) + b"+PONG\r\n*3\r\n" + bulk(b"") + bulk(b"\r\n")
        + b"$-1\r\n:3\r\n"
    )
    return requests, replies


def test_requests_cut_at_every_byte(client):
    requests, replies = conversation()
    for cut in range(1, len(requests)):
        client.write(requests[:cut])
        time.sleep(0.002)
        client.write(requests[cut:])
        assert client.stream.read(len(replies)) == replies, f"cut at {cut}"


def test_requests_cut_at_every_byte_by_many_clients_at_once(proxy, shards):
    """All cuts wait in the proxy at the same time, so no unfinished request may touch another."""
    length = len(conversation()[0])
    clients = [Client(proxy.port) for _ in range(1, length)]
    for cut, client in enumerate(clients, 1):
        client.write(conversation(cut)[0][:cut])
    time.sleep(0.1)
    for cut, client in enumerate(clients, 1):
        requests, replies = conversation(cut)
        client.write(requests[cut:])
        assert client.stream.read(len(replies)) == replies, f"cut at {cut}"
        client.close()


def test_requests_sent_byte_by_byte(client):
    requests, replies = conversation()
    for position in range(len(requests)):
        client.write(requests[position:position + 1])
        time.sleep(0.0003)
    assert client.stream.read(len(replies)) == replies


def test_reply_of_a_slow_server_holds_back_later_replies(shards, start_fake, start_proxy):
    """A reply that is ready early still waits for its turn."""

    def slow(connection):
        while connection.request() is not None:
            time.sleep(0.1)
            connection.send(b"+SLOW\r\n")

    proxy = start_proxy([start_fake(slow).port, shards[0].port])
    with Client(proxy.port) as client:
        late, early = key_on(0, 2), key_on(1, 2)
        requests = [("SET", early, "1"), ("GET", late), ("GET", early), ("PING",), ("GET", late)]
        assert client.pipeline(requests) == ["OK", "SLOW", b"1", "PONG", "SLOW"]
