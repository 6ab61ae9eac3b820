"""Any key and any value goes through unchanged, whatever its length and bytes."""

import random

import pytest

from resp import Client
from shards import index_of, key_on

# Buffers are 16 KiB (nutcracker: less a header of 48 bytes), small copies end near 4 KiB.
EDGES = [4096, 8192, 12288] + [n * 16384 for n in range(1, 9)] + [n * 16336 for n in range(1, 5)]
NEAR_EDGES = {edge + offset for edge in EDGES for offset in range(-2, 3)}
VALUE_SIZES = sorted({0, 1, 2, 3, 100} | NEAR_EDGES | {2**20 - 1, 2**20, 2**20 + 1})
BIG_SIZES = [5_000_000, 5 * 2**20]
KEY_EDGES = [1, 250, 463, 488, 512, 4096, 16336, 16384, 32768, 49152, 65536]
KEY_SIZES = sorted(
    {max(1, edge + offset) for edge in KEY_EDGES for offset in range(-2, 3)}
    | {random.Random(7).randrange(1, 70_000) for _ in range(40)}
    | {69_999, 70_000}
)
LONGEST_NUTCRACKER_KEY = 16335
NASTY = [
    b"\r\n", b"\0", b"\0\0\0", b"a\r\nb", b"$3\r\nfoo\r\n", b"*1\r\n$4\r\nQUIT\r\n", b"\n", b" ",
    b"\r", b"+OK\r\n", b"-ERR x\r\n", b":1", bytes(range(256)), b"\xff" * 9, b"{}", b"{", b"}{",
    "schlüssel".encode(),
]


def content(size):
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("sizes", [VALUE_SIZES, BIG_SIZES], ids=["edges", "big"])
def test_value_set_through_the_proxy_is_read_from_its_shard(client, shards, sizes):
    for size in sizes:
        key = f"value:{size}"
        assert client.call("SET", key, content(size)) == "OK", size
        shard = shards[index_of(key, len(shards))]
        assert shard.call("GET", key) == content(size), size


@pytest.mark.parametrize("sizes", [VALUE_SIZES, BIG_SIZES], ids=["edges", "big"])
def test_value_set_on_its_shard_is_read_through_the_proxy(client, shards, sizes):
    for size in sizes:
        key = f"value:{size}"
        assert shards[index_of(key, len(shards))].call("SET", key, content(size)) == "OK"
        assert client.call("GET", key) == content(size), size
        assert client.call("STRLEN", key) == size


def test_values_of_all_sizes_in_one_pipeline(client):
    sizes = VALUE_SIZES + BIG_SIZES
    random.Random(1).shuffle(sizes)
    replies = client.pipeline([("SET", f"p:{size}", content(size)) for size in sizes])
    assert replies == ["OK"] * len(sizes)
    replies = client.pipeline([("GET", f"p:{size}") for size in sizes])
    wrong = [size for size, value in zip(sizes, replies) if value != content(size)]
    assert wrong == []


def test_values_of_all_sizes_in_fragments(client, shards):
    sizes = VALUE_SIZES + BIG_SIZES
    pairs = [part for size in sizes for part in (f"f:{size}", content(size))]
    assert client.pipeline([("MSET", *pairs)]) == ["OK"]
    for size in sizes:
        key = f"f:{size}"
        assert shards[index_of(key, len(shards))].call("GET", key) == content(size), size
    values = client.call("MGET", *(f"f:{size}" for size in sizes))
    wrong = [size for size, value in zip(sizes, values, strict=True) if value != content(size)]
    assert wrong == []


@pytest.mark.parametrize("text", NASTY, ids=repr)
def test_binary_keys_and_values(client, shards, text):
    shard = shards[index_of(text, len(shards))]
    assert client.call("SET", text, text) == "OK"
    assert shard.call("GET", text) == text
    assert client.call("GET", text) == text
    other = key_on(3, len(shards), "other")
    assert client.call("MSET", other, text, text, b"2") == "OK"
    assert client.call("MGET", text, other, text) == [b"2", text, b"2"]
    assert client.call("DEL", text, other) == 2


def test_empty_key(client, shards):
    assert client.call("SET", "", "nothing") == "OK"
    assert shards[0].call("GET", "") == b"nothing"
    assert client.call("MGET", "", "missing") == [b"nothing", None]


def check_keys(client, shards, sizes):
    for size in sizes:
        key = content(size)
        shard = shards[index_of(key, len(shards))]
        assert client.call("SET", key, f"v{size}") == "OK", size
        assert shard.call("GET", key) == f"v{size}".encode(), size
        assert client.call("GET", key) == f"v{size}".encode(), size
        assert client.call("MGET", "missing", key) == [None, f"v{size}".encode()], size
        assert client.call("DEL", key) == 1, size


def test_keys_up_to_one_buffer(client, shards):
    check_keys(client, shards, [size for size in KEY_SIZES if size <= LONGEST_NUTCRACKER_KEY])


@pytest.mark.beyond
def test_keys_longer_than_one_buffer(client, shards):
    check_keys(client, shards, [size for size in KEY_SIZES if size > LONGEST_NUTCRACKER_KEY])


def test_each_key_is_on_exactly_one_shard_with_default_hashing(shards, start_proxy):
    ports = [shard.port for shard in shards]
    proxy = start_proxy(ports, hash="fnv1a_64", distribution="ketama")
    keys = [f"user:{number}:profile" for number in range(400)]
    with Client(proxy.port) as client:
        assert client.pipeline([("SET", key, key) for key in keys]) == ["OK"] * len(keys)
    found = [shard.control.pipeline([("EXISTS", key) for key in keys]) for shard in shards]
    assert [sum(column) for column in zip(*found)] == [1] * len(keys)
    assert all(any(row) for row in found), "a shard without any key"
