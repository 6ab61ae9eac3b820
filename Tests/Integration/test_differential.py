"""The same requests through nutcracker and through the proxy: equal replies, equal data.

CASHEW_DIFFERENTIAL_REQUESTS sets how many for each distribution (20,000 unless it says
otherwise), and CASHEW_DIFFERENTIAL_SEED which.
"""

import asyncio
import os
import shutil

import pytest

from commands import UNORDERED, Stream
from proxy import Proxy
from resp import AsyncClient
from shards import named

NUTCRACKER = shutil.which("nutcracker") or "/usr/sbin/nutcracker"
CLIENTS = 50
SHARDS = 3
REQUESTS = int(os.environ.get("CASHEW_DIFFERENTIAL_REQUESTS", "20000"))
SEED = int(os.environ.get("CASHEW_DIFFERENTIAL_SEED", "1"))
# How many requests a client sends at once.
BATCHES = (1, 1, 2, 5, 20, 60)


def comparable(request, reply):
    """The reply, sorted where its order is an accident of the server."""
    width = UNORDERED.get(request[0].upper())
    if width is None or not isinstance(reply, list):
        return reply
    return sorted(tuple(reply[index:index + width]) for index in range(0, len(reply), width))


async def run_client(number, proxies, count, differences):
    """One client's stream in batches: each batch through both proxies, then compared."""
    stream = Stream(SEED, number)
    clients = [await AsyncClient.connect(proxy.port) for proxy in proxies]
    done = 0
    while done < count and len(differences) < 5:
        size = min(stream.chance.choice(BATCHES), count - done)
        requests = [stream.request() for _ in range(size)]
        replies = await asyncio.gather(*(client.pipeline(requests) for client in clients))
        for request, *pair in zip(requests, *replies, strict=True):
            expected, got = (comparable(request, reply) for reply in pair)
            if expected != got:
                differences.append(
                    f"client {number}, after {done}: {str(request)[:200]}\n"
                    f"  nutcracker {str(expected)[:300]}\n  proxy      {str(got)[:300]}"
                )
        done += size
    for client in clients:
        await client.close()


@pytest.mark.timeout(60 + REQUESTS // 400)
@pytest.mark.skipif(not os.path.exists(NUTCRACKER), reason="nutcracker is not installed")
@pytest.mark.parametrize("distribution", ["modula", "ketama"])
def test_replies_and_data_equal_those_of_nutcracker(
    shards, start_proxy, tmp_path, distribution
):
    original_shards, shards = shards[:SHARDS], shards[SHARDS:2 * SHARDS]
    directives = {"hash": "fnv1a_64", "distribution": distribution}
    original = Proxy(
        tmp_path / "original", named([s.port for s in original_shards]), NUTCRACKER, **directives
    )
    try:
        proxy = start_proxy([shard.port for shard in shards], **directives)
        differences = []

        async def everyone():
            share = REQUESTS // CLIENTS
            await asyncio.gather(
                *(run_client(n, (original, proxy), share, differences) for n in range(CLIENTS))
            )

        asyncio.run(everyone())
        assert not differences, "\n".join(differences)
        for before, after in zip(original_shards, shards):
            assert after.call("DBSIZE") == before.call("DBSIZE") > 0
            assert after.call("DEBUG", "DIGEST") == before.call("DEBUG", "DIGEST")
        original.stop()
    finally:
        original.kill()
