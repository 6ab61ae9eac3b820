"""Requests of more arguments than redis took before 7.0, which are as many as arrive."""

import time

import pytest

from resp import Client
from shards import index_of

pytestmark = [pytest.mark.beyond, pytest.mark.timeout(120)]

# 1,048,576 is no limit any more.
COUNT = 1_100_000


def bulk(word):
    return b"$%d\r\n%s\r\n" % (len(word), word)


def request(*words):
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))


def answer(client, data):
    client.socket.settimeout(60)
    client.write(data)
    return client.reply()


@pytest.fixture
def keys():
    return [b"%d" % number for number in range(COUNT)]


def pairs(keys):
    return [part for key in keys for part in (key, key)]


def test_hash_of_more_than_a_million_fields(client, shards, keys):
    assert answer(client, request(b"HMSET", b"hash", *pairs(keys))) == "OK"
    assert client.call("HLEN", "hash") == COUNT
    assert client.call("HGET", "hash", keys[-1]) == keys[-1]
    values = answer(client, request(b"HMGET", b"hash", *keys))
    assert values == keys


def test_many_keys_over_all_servers(client, shards, keys):
    """Two bytes a key say where it goes; the parts become one reply in the order of the keys."""
    assert answer(client, request(b"MSET", *pairs(keys))) == "OK"
    counts = [0] * len(shards)
    for key in keys:
        counts[index_of(key, len(shards))] += 1
    assert [shard.call("DBSIZE") for shard in shards] == counts
    missing = [b"none", *keys[::-1]]
    assert answer(client, request(b"MGET", *missing)) == [None, *keys[::-1]]
    assert answer(client, request(b"DEL", *keys)) == COUNT
    assert sum(shard.call("DBSIZE") for shard in shards) == 0


def test_script_with_more_than_a_million_arguments(client, shards, keys):
    script = b"return {#KEYS, #ARGV, ARGV[#ARGV]}"
    got = answer(client, request(b"EVAL", script, b"1", b"key", *keys))
    assert got == [1, COUNT, keys[-1]]


def test_commands_of_two_servers_are_refused_whole(client, shards, keys):
    got = answer(client, request(b"SINTERSTORE", b"to", *keys))
    assert got.text.startswith("CROSSSLOT")
    assert client.call("PING") == "PONG"


def test_padded_numbers_are_written_anew(client, shards, keys):
    """Leading zeros, which twemproxy takes and redis does not."""
    data = b"*0%d\r\n" % (COUNT + 1) + b"".join(map(bulk, [b"DEL", *keys]))
    assert answer(client, data) == 0


def test_unknown_command_of_many_arguments(client, keys):
    got = answer(client, request(b"NONSENSE", *keys))
    assert got.text.startswith("ERR unknown command 'NONSENSE'")
    assert client.call("PING") == "PONG"


def test_time_grows_with_the_number_of_arguments_only(client, shards):
    """Ten times as many take ten times as long, and not a hundred times."""

    def seconds(count):
        data = request(b"DEL", *[b"%d" % number for number in range(count)])
        best = []
        for _ in range(3):
            start = time.perf_counter()
            assert answer(client, data) == 0
            best.append(time.perf_counter() - start)
        return min(best)

    assert seconds(1_000_000) < 40 * seconds(100_000)


def test_announced_arguments_cost_nothing(proxy):
    """Whoever says that two thousand million arguments follow has sent thirteen bytes."""
    before = proxy.resident_kib()
    clients = [Client(proxy.port) for _ in range(200)]
    for client in clients:
        client.write(b"*2147483647\r\n")
    with Client(proxy.port) as other:
        assert other.call("PING") == "PONG"
    assert proxy.resident_kib() - before < 4096
    for client in clients:
        assert client.is_quiet(0.001)
        client.close()


@pytest.mark.parametrize("count", [2_147_483_648, 4_294_967_297, 10**17])
def test_one_more_is_refused_in_redis_words(client, shards, count):
    broken = b"*%d\r\n" % count
    with Client(shards[0].port) as direct:
        direct.write(broken)
        wording = direct.rest()
    assert wording == b"-ERR Protocol error: invalid multibulk length\r\n"
    client.write(broken)
    assert client.rest() == wording


def test_inline_request_of_as_many_words_as_fit(client, shards):
    """64 KiB hold some 32,000 of them."""
    words = b" ".join([b"DEL", *[b"a"] * 32_000])
    client.write(words + b"\r\n")
    assert client.reply() == 0
