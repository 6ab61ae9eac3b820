"""A seeded stream of valid commands for the differential test.

Every client has keys of its own, so that results do not depend on the order between clients. Left
out is what depends on time (TTL), on chance (SPOP, SRANDMEMBER, *SCAN, *RANDFIELD), on the process
(COMMAND, LOLWUT), and what Cashew answers differently on purpose.
"""

import random

# Replies whose order depends on a server's own hash seed: elements, or pairs of elements.
UNORDERED = {"SMEMBERS": 1, "SINTER": 1, "SUNION": 1, "SDIFF": 1, "HKEYS": 1, "HVALS": 1,
             "HGETALL": 2}
SCRIPT = "redis.call('APPEND', KEYS[1], ARGV[1]) return {KEYS[1], redis.call('STRLEN', KEYS[1])}"


class Stream:
    """The requests of one client."""

    def __init__(self, seed, client):
        self.chance = random.Random(seed * 1_000_003 + client)
        self.client = client
        self.writers = [self.string, self.string, self.number, self.bits, self.many, self.many,
                        self.list, self.hash, self.set, self.sorted_set, self.log, self.geo,
                        self.any_key, self.tagged, self.script]

    def request(self):
        """The next request: a tuple of a name and arguments."""
        request = self.chance.choice(self.writers)()
        if self.chance.random() < 0.1:
            request = (request[0].lower(), *request[1:])
        return request

    # Parts of requests.

    def key(self, kind):
        # Now and then a key of another type: the server's error must come back unchanged.
        if self.chance.random() < 0.02:
            kind = self.chance.choice("snblhtz")
        return f"{kind}:{self.client}:{self.chance.randrange(12)}"

    def value(self):
        chance = self.chance.random()
        if chance < 0.8:
            return self.word()
        if chance < 0.97:
            return self.chance.randbytes(self.chance.randrange(600))
        return self.chance.randbytes(self.chance.randrange(40_000))

    def word(self):
        return f"w{self.chance.randrange(30)}"

    def index(self):
        return self.chance.randrange(-12, 12)

    def integer(self):
        return self.chance.randrange(-1000, 1000)

    def some(self, make, least=1, most=6):
        return [make() for _ in range(self.chance.randrange(least, most))]

    # Requests by the type of the key.

    def string(self):
        key, pick = self.key("s"), self.chance.choice
        return pick([
            ("SET", key, self.value()), ("SET", key, self.value()), ("GET", key), ("GET", key),
            ("SET", key, self.value(), pick(["NX", "XX", "GET", "KEEPTTL"])),
            ("SETEX", key, 10_000, self.value()), ("PSETEX", key, 10**7, self.value()),
            ("SETNX", key, self.value()), ("GETSET", key, self.value()), ("GETDEL", key),
            ("GETEX", key, "PERSIST"), ("APPEND", key, self.word()), ("STRLEN", key),
            ("GETRANGE", key, self.index(), self.index()),
            ("SETRANGE", key, abs(self.index()), self.word()),
        ])

    def number(self):
        key = self.key("n")
        return self.chance.choice([
            ("INCR", key), ("DECR", key), ("INCRBY", key, self.integer()), ("GET", key),
            ("DECRBY", key, self.integer()), ("INCRBYFLOAT", key, self.integer() / 8),
            ("SET", key, self.integer()),
        ])

    def bits(self):
        key, offset = self.key("b"), self.chance.randrange(2000)
        return self.chance.choice([
            ("SETBIT", key, offset, self.chance.randrange(2)), ("GETBIT", key, offset),
            ("BITCOUNT", key), ("BITCOUNT", key, self.index(), self.index()),
            ("BITPOS", key, 1), ("BITFIELD", key, "INCRBY", "u8", offset, 7, "GET", "i5", 0),
        ])

    def many(self):
        keys = self.some(lambda: self.key("s"), 1, 30)
        pairs = [part for key in keys for part in (key, self.value())]
        names = ["MGET", "MGET", "MGET", "MSET", "MSET", "TOUCH", "DEL", "UNLINK"]
        name = self.chance.choice(names)
        return (name, *(pairs if name == "MSET" else keys))

    def list(self):
        key, end = self.key("l"), self.chance.choice(["LEFT", "RIGHT"])
        return self.chance.choice([
            ("LPUSH", key, *self.some(self.value)), ("RPUSH", key, *self.some(self.value)),
            ("LPUSHX", key, self.word()), ("RPUSHX", key, self.word()), ("LPOP", key),
            ("RPOP", key), ("LPOP", key, 3), ("RPOP", key, 2), ("LLEN", key),
            ("LRANGE", key, self.index(), self.index()), ("LRANGE", key, 0, -1),
            ("LINDEX", key, self.index()), ("LSET", key, self.index(), self.word()),
            ("LREM", key, self.index(), self.word()), ("LTRIM", key, -20, -1),
            ("LINSERT", key, "BEFORE", self.word(), self.word()), ("LPOS", key, self.word()),
            ("RPOPLPUSH", key, key), ("LMOVE", key, key, end, "LEFT"),
        ])

    def hash(self):
        key = self.key("h")
        pairs = [part for field in self.some(self.word) for part in (field, self.value())]
        return self.chance.choice([
            ("HSET", key, *pairs), ("HMSET", key, *pairs), ("HSETNX", key, self.word(), "x"),
            ("HGET", key, self.word()), ("HMGET", key, *self.some(self.word)), ("HGETALL", key),
            ("HDEL", key, *self.some(self.word)), ("HEXISTS", key, self.word()), ("HLEN", key),
            ("HKEYS", key), ("HVALS", key), ("HSTRLEN", key, self.word()),
            ("HINCRBY", key, "n", self.integer()), ("HINCRBYFLOAT", key, "f", 0.25),
        ])

    def set(self):
        key = self.key("t")
        return self.chance.choice([
            ("SADD", key, *self.some(self.word)), ("SADD", key, *self.some(self.integer)),
            ("SREM", key, *self.some(self.word)), ("SCARD", key), ("SMEMBERS", key),
            ("SISMEMBER", key, self.word()), ("SMISMEMBER", key, *self.some(self.word)),
        ])

    def sorted_set(self):
        key, low = self.key("z"), self.integer()
        members = [part for word in self.some(self.word) for part in (self.integer(), word)]
        return self.chance.choice([
            ("ZADD", key, *members), ("ZADD", key, "GT", "CH", *members), ("ZCARD", key),
            ("ZINCRBY", key, 1.5, self.word()), ("ZSCORE", key, self.word()),
            ("ZMSCORE", key, *self.some(self.word)), ("ZRANK", key, self.word()),
            ("ZREVRANK", key, self.word()), ("ZRANGE", key, 0, -1, "WITHSCORES"),
            ("ZRANGE", key, low, low + 500, "BYSCORE", "LIMIT", 0, 5), ("ZCOUNT", key, low, "+inf"),
            ("ZREVRANGE", key, 0, 5), ("ZRANGEBYSCORE", key, low, low + 500, "WITHSCORES"),
            ("ZREVRANGEBYSCORE", key, "+inf", low), ("ZREM", key, *self.some(self.word)),
            ("ZPOPMIN", key), ("ZPOPMAX", key, 2), ("ZREMRANGEBYRANK", key, 20, -1),
            ("ZREMRANGEBYSCORE", key, low, low + 10), ("ZLEXCOUNT", key, "-", "+"),
        ])

    def log(self):
        key = self.key("p")
        return self.chance.choice([("PFADD", key, *self.some(self.value)), ("PFCOUNT", key)])

    def geo(self):
        key = self.key("g")
        place = (self.chance.randrange(-170, 170), self.chance.randrange(-80, 80), self.word())
        return self.chance.choice([
            ("GEOADD", key, *place), ("GEOPOS", key, self.word()), ("GEOHASH", key, self.word()),
            ("GEODIST", key, self.word(), self.word(), "km"),
            ("GEOSEARCH", key, "FROMLONLAT", 0, 0, "BYRADIUS", 9000, "km", "ASC"),
        ])

    def any_key(self):
        key = self.key(self.chance.choice("snblhtz"))
        return self.chance.choice([
            ("TYPE", key), ("TYPE", key), ("EXISTS", key), ("EXISTS", key), ("EXPIRE", key, 10_000),
            ("PERSIST", key), ("PEXPIRE", key, 10**7), ("DEL", key), ("PING",),
        ])

    def tagged(self):
        """Several keys of one shard, by their hash tag."""
        tag = "{%d/%d}" % (self.client, self.chance.randrange(3))
        one, two, three = (f"{tag}:{self.chance.randrange(6)}" for _ in range(3))
        return self.chance.choice([
            ("SADD", one, *self.some(self.word)), ("SADD", two, *self.some(self.word)),
            ("SDIFF", one, two), ("SINTER", one, two, three), ("SUNION", one, two),
            ("SDIFFSTORE", one, two, three), ("SINTERSTORE", one, two, three),
            ("SUNIONSTORE", one, two, three), ("SMOVE", one, two, self.word()),
            ("COPY", one, two), ("COPY", one, two, "REPLACE"),
        ])

    def script(self):
        return ("EVAL", SCRIPT, 1, self.key("s"), self.word())
