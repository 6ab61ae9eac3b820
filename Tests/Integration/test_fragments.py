"""Commands of many keys over eight shards: the reply is that of one server that holds all keys."""

import random

import pytest

from shards import index_of, key_on, keys_on

COUNT = 10_000
KEYS = [f"frag:{number}" for number in range(COUNT)]


def pairs(keys, value=lambda key: key):
    return [part for key in keys for part in (key, value(key))]


def fill(shards, keys):
    """Sets keys to their own names, directly on their shards."""
    for index, shard in enumerate(shards):
        mine = [key for key in keys if index_of(key, len(shards)) == index]
        assert shard.call("MSET", *pairs(mine)) == "OK"


def total_keys(shards):
    return sum(shard.call("DBSIZE") for shard in shards)


def some_present_twice_and_missing(seed):
    """Keys in random order: each twice, with as many that nobody has set."""
    asked = KEYS + KEYS + [f"missing:{number}" for number in range(COUNT)]
    random.Random(seed).shuffle(asked)
    return asked


def test_mset_of_10000_keys_writes_each_to_its_shard(client, shards):
    (reply,) = client.pipeline([("MSET", *pairs(KEYS))])
    assert reply == "OK"
    for index, shard in enumerate(shards):
        mine = [key for key in KEYS if index_of(key, len(shards)) == index]
        assert shard.call("DBSIZE") == len(mine)
        assert shard.call("MGET", *mine) == [key.encode() for key in mine]


def test_mget_of_10000_keys_keeps_their_order(client, shards):
    fill(shards, KEYS)
    asked = KEYS[::-1]
    (values,) = client.pipeline([("MGET", *asked)])
    assert values == [key.encode() for key in asked]


def test_mget_with_duplicates_and_missing_keys(client, shards):
    fill(shards, KEYS)
    asked, present = some_present_twice_and_missing(5), set(KEYS)
    (values,) = client.pipeline([("MGET", *asked)])
    assert values == [key.encode() if key in present else None for key in asked]


def test_mset_of_a_key_twice_keeps_the_last_value(client, shards):
    keys = KEYS[:1000]
    twice = pairs(keys, lambda key: "first") + pairs(keys, lambda key: f"last {key}")
    assert client.call("MSET", *twice) == "OK"
    assert client.call("MGET", *keys) == [f"last {key}".encode() for key in keys]


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_removing_10000_keys_counts_each_once(client, shards, command):
    fill(shards, KEYS)
    (count,) = client.pipeline([(command, *some_present_twice_and_missing(6))])
    assert count == COUNT
    assert total_keys(shards) == 0


def test_touch_of_10000_keys_counts_duplicates(client, shards):
    fill(shards, KEYS)
    assert client.pipeline([("TOUCH", *some_present_twice_and_missing(7))]) == [2 * COUNT]


@pytest.mark.beyond
def test_exists_of_10000_keys_counts_duplicates(client, shards):
    fill(shards, KEYS)
    assert client.pipeline([("EXISTS", *some_present_twice_and_missing(8))]) == [2 * COUNT]


def test_few_keys_on_any_mixture_of_shards(client, shards):
    """1 to 20 keys, all on one shard, on two, or anywhere; names in any case."""
    fill(shards, KEYS)
    chance, present = random.Random(9), set(KEYS)
    requests, wanted = [], []
    for _ in range(500):
        among = chance.sample(range(len(shards)), chance.choice([1, 2, 3, len(shards)]))
        choice = [key for key in KEYS[:400] + [f"no:{n}" for n in range(50)]
                  if index_of(key, len(shards)) in among]
        keys = chance.choices(choice, k=chance.randrange(1, 21))
        requests.append((chance.choice(["MGET", "mget", "mGeT"]), *keys))
        wanted.append([key.encode() if key in present else None for key in keys])
    assert client.pipeline(requests) == wanted


def test_many_fragmented_requests_in_one_pipeline(client, shards):
    requests, wanted = [], []
    for number in range(300):
        keys = [f"{number}:{part}" for part in range(30)]
        requests += [("MSET", *pairs(keys)), ("TOUCH", *keys), ("MGET", *keys), ("DEL", *keys)]
        wanted += ["OK", 30, [key.encode() for key in keys], 30]
    assert client.pipeline(requests) == wanted
    assert total_keys(shards) == 0


def test_wrong_type_among_the_keys(client, shards):
    """MGET gives null for what is not a string; the others remain."""
    strings = [key_on(index, len(shards), "string") for index in range(len(shards))]
    lists = [key_on(index, len(shards), "list") for index in range(0, len(shards), 2)]
    fill(shards, strings)
    for key in lists:
        assert client.call("RPUSH", key, "x") == 1
    asked = [*lists, *strings, *lists]
    wanted = [None] * len(lists) + [key.encode() for key in strings] + [None] * len(lists)
    assert client.call("MGET", *asked) == wanted


def test_all_keys_on_one_shard(client, shards):
    keys = keys_on(5, len(shards), 50)
    assert client.call("MSET", *pairs(keys)) == "OK"
    assert client.call("MGET", *keys) == [key.encode() for key in keys]
    assert client.call("DEL", *keys) == len(keys)
