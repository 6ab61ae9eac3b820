import Testing

@testable import Proxy

/// The table against what is known without it: redis' documentation, twemproxy's list, and what
/// the proxy promises.
struct CommandPolicyTests {
    let table = CommandTableBox()

    struct Fact: Sendable {
        let request: String
        let arity: Int8
        let flags: Command.Flags
        let keys: KeyPositions
        var split = Command.Split.none
        var handling = Command.Handling.forward
    }

    static let facts = [
        Fact(
            request: "GET", arity: 2, flags: .readonly, keys: .range(first: 1, last: 1, step: 1)),
        Fact(request: "SET", arity: -3, flags: .write, keys: .range(first: 1, last: 1, step: 1)),
        Fact(
            request: "MGET", arity: -2, flags: .readonly,
            keys: .range(first: 1, last: -1, step: 1), split: .values),
        Fact(
            request: "MSET", arity: -3, flags: .write, keys: .range(first: 1, last: -1, step: 2),
            split: .pairs),
        Fact(
            request: "MSETNX", arity: -3, flags: .write,
            keys: .range(first: 1, last: -1, step: 2)),
        Fact(
            request: "EXISTS", arity: -2, flags: .readonly,
            keys: .range(first: 1, last: -1, step: 1), split: .sum),
        Fact(request: "RENAME", arity: 3, flags: .write, keys: .range(first: 1, last: 2, step: 1)),
        Fact(
            request: "BITOP", arity: -4, flags: .write, keys: .range(first: 2, last: -1, step: 1)),
        Fact(
            request: "EVAL", arity: -3, flags: .optionalKeys,
            keys: .counted(at: 2, destination: 0)),
        Fact(
            request: "FCALL_RO", arity: -3, flags: [.readonly, .optionalKeys],
            keys: .counted(at: 2, destination: 0)),
        Fact(
            request: "ZUNION", arity: -3, flags: .readonly,
            keys: .counted(at: 1, destination: 0)),
        Fact(
            request: "ZUNIONSTORE", arity: -4, flags: .write,
            keys: .counted(at: 2, destination: 1)),
        Fact(request: "XREAD", arity: -4, flags: [.readonly, .blocking], keys: .streams),
        Fact(request: "SORT", arity: -2, flags: .write, keys: .sort),
        Fact(
            request: "SORT_RO", arity: -2, flags: .readonly,
            keys: .range(first: 1, last: 1, step: 1)),
        Fact(request: "GEORADIUS", arity: -6, flags: .write, keys: .stored(options: 6)),
        Fact(request: "GEORADIUSBYMEMBER", arity: -5, flags: .write, keys: .stored(options: 5)),
        Fact(
            request: "OBJECT ENCODING", arity: 3, flags: .readonly,
            keys: .range(first: 2, last: 2, step: 1)),
        Fact(
            request: "XGROUP CREATE", arity: -5, flags: .write,
            keys: .range(first: 2, last: 2, step: 1)),
        Fact(
            request: "MEMORY USAGE", arity: -3, flags: .readonly,
            keys: .range(first: 2, last: 2, step: 1)),
        Fact(request: "OBJECT HELP", arity: 2, flags: [], keys: .none, handling: .placeholder),
        Fact(request: "COMMAND DOCS", arity: -2, flags: [], keys: .none, handling: .placeholder),
        Fact(request: "TIME", arity: 1, flags: [], keys: .none, handling: .placeholder),
        Fact(request: "PING", arity: -1, flags: [], keys: .none, handling: .local),
        Fact(request: "SELECT", arity: 2, flags: [], keys: .none, handling: .local),
        Fact(
            request: "BLPOP", arity: -3, flags: [.write, .blocking],
            keys: .range(first: 1, last: -2, step: 1), handling: .refused),
        Fact(
            request: "BLMPOP", arity: -5, flags: [.write, .blocking],
            keys: .counted(at: 2, destination: 0), handling: .refused),
        Fact(request: "MIGRATE", arity: -6, flags: .write, keys: .migrate, handling: .refused),
        Fact(request: "SUBSCRIBE", arity: -2, flags: .pubsub, keys: .none, handling: .refused),
        Fact(request: "CONFIG SET", arity: -4, flags: .admin, keys: .none, handling: .refused),
        Fact(request: "CONFIG", arity: -2, flags: .container, keys: .none, handling: .refused),
    ]

    @Test(arguments: facts)
    func knows(fact: Fact) {
        let command = table.find(CommandRequest(fact.request))
        #expect(command.isKnown)
        #expect(command.arity == fact.arity)
        #expect(command.flags == fact.flags)
        #expect(command.keys == fact.keys)
        #expect(command.split == fact.split)
        #expect(command.handling == fact.handling)
    }

    /// Keyed commands that twemproxy 0.5.0 supports, by the argument that is their first key.
    static let twemproxy = [
        1: """
        DECR DUMP GET GETDEL HGETALL HKEYS HLEN HVALS INCR LLEN PERSIST PTTL SCARD SMEMBERS
        STRLEN TTL TYPE ZCARD
        APPEND DECRBY EXPIRE EXPIREAT GETBIT GETSET HEXISTS HGET HSTRLEN INCRBY INCRBYFLOAT
        LINDEX PEXPIRE PEXPIREAT RPOPLPUSH SETNX SISMEMBER ZRANK ZREVRANK ZSCORE MOVE
        GETRANGE HINCRBY HINCRBYFLOAT HSETNX LRANGE LREM LSET LTRIM PSETEX SETBIT SETEX
        SETRANGE SMOVE ZCOUNT ZINCRBY ZLEXCOUNT ZREMRANGEBYLEX ZREMRANGEBYRANK
        ZREMRANGEBYSCORE
        LINSERT LMOVE
        BITCOUNT BITFIELD BITPOS COPY EXISTS GEOADD GEODIST GEOHASH GEOPOS GEORADIUS
        GEORADIUSBYMEMBER GEOSEARCH GEOSEARCHSTORE GETEX HDEL HMGET HMSET HRANDFIELD HSCAN
        HSET LPOP LPOS LPUSH LPUSHX PFADD PFCOUNT PFMERGE RESTORE RPOP RPUSH RPUSHX SADD
        SDIFF SDIFFSTORE SET SINTER SINTERSTORE SMISMEMBER SORT SPOP SRANDMEMBER SREM SSCAN
        SUNION SUNIONSTORE ZADD ZDIFFSTORE ZINTERSTORE ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER
        ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZREM ZREVRANGE ZREVRANGEBYLEX
        ZREVRANGEBYSCORE ZSCAN ZUNIONSTORE
        MGET DEL UNLINK TOUCH MSET
        """,
        // Where twemproxy takes the number of keys for the key, redis has the first key.
        2: "ZDIFF ZINTER ZUNION",
        3: "EVAL EVALSHA",
    ]

    @Test func allNamesOfTwemproxyHaveTheirKeys() {
        var count = "COMMAND LOLWUT PING QUIT AUTH".words.count
        for (first, names) in Self.twemproxy {
            for name in names.words {
                count += 1
                let command = table.find(name)
                #expect(command.handling == (name == "MOVE" ? .refused : .forward), "\(name)")
                // Shaped to be valid: a number where a number of keys is, and an even rest.
                let arguments = [name] + (1...8).map { $0 == first - 1 ? "1" : "\($0)" }
                let enough = max(Int(command.arity.magnitude), first + 1)
                let argumentCount = command.arity > 0 ? enough : enough | 1
                let request = CommandRequest(Array(arguments.prefix(argumentCount)))
                guard case .keys(let keys) = table.resolve(request) else {
                    Issue.record("\(name): no keys in \(request)")
                    continue
                }
                #expect(keys.contains(first), "\(name)")
                #expect((1..<first).allSatisfy { !keys.contains($0) }, "\(name)")
            }
        }
        #expect(count == 137)
    }

    @Test func onlyThesePartsAddUp() {
        for name in "MGET MSET DEL UNLINK TOUCH EXISTS".words {
            #expect(table.find(name).split != .none, "\(name)")
        }
        for name in "MSETNX PFCOUNT SINTER SUNION SINTERCARD ZUNION BITOP GET SET".words {
            #expect(table.find(name).split == .none, "\(name)")
        }
    }

    static let refused = [
        "blocking": """
        BLPOP BRPOP BLMOVE BRPOPLPUSH BZPOPMIN BZPOPMAX BLMPOP BZMPOP WAIT
        """,
        "pubsub": """
        SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE PUBLISH SPUBLISH
        PUBSUB
        """,
        "transactions": "MULTI WATCH UNWATCH",
        "admin": """
        CONFIG DEBUG SHUTDOWN REPLICAOF SLAVEOF MONITOR SYNC PSYNC REPLCONF FAILOVER CLIENT
        ACL CLUSTER SAVE BGSAVE BGREWRITEAOF LASTSAVE MODULE SLOWLOG LATENCY ROLE PFDEBUG
        PFSELFTEST
        """,
        "keyless": """
        KEYS SCAN RANDOMKEY DBSIZE FLUSHALL FLUSHDB SWAPDB SCRIPT FUNCTION INFO
        """,
        "connection": "HELLO ASKING READONLY READWRITE",
        "moving": "MIGRATE MOVE RESTORE-ASKING",
        "unknown": "HEXPIRE FOO GETS HOST: POST",
    ]

    @Test(arguments: refused.keys)
    func refusesWhatCannotBeRight(kind: String) throws {
        for name in try #require(Self.refused[kind]).words {
            #expect(table.find(name).handling == .refused, "\(name)")
            #expect(table.find(name).isKnown == (kind != "unknown"), "\(name)")
        }
    }

    @Test(arguments: [
        ("BLPOP", Refusal.stopsConnection), ("WAIT", .stopsConnection),
        ("MULTI", .changesConnection), ("CLIENT", .changesConnection),
        ("CLIENT REPLY off", .changesConnection), ("MONITOR", .changesConnection),
        ("KEYS", .needsAllServers), ("SCRIPT LOAD x", .needsAllServers),
        ("CONFIG GET x", .isAboutServer), ("MEMORY DOCTOR", .isAboutServer),
        ("MOVE", .isAboutServer),
    ])
    func saysWhyItRefuses(request: String, refusal: Refusal) {
        #expect(table.find(CommandRequest(request)).refusal == refusal)
    }

    /// What redis would not know either is not the proxy's doing, and what is passed on neither.
    @Test func hasAReasonForWhatItRefusesAndNothingElse() {
        for request in ["FOO", "HEXPIRE", "OBJECT NONSENSE k", "XINFO NONSENSE", "GET", "PING"] {
            #expect(table.find(CommandRequest(request)).refusal == nil, "\(request)")
        }
        for row in "\(redisCommands)".split(separator: "\n") {
            let name = String(row.prefix { $0 != " " })
            let command = table.find(CommandRequest(name.split(separator: "|").map(String.init)))
            #expect((command.refusal != nil) == (command.handling == .refused), "\(name)")
            #expect(command.handling != .refused || command.split == .none, "\(name)")
        }
    }

    /// No refused container lets one of its subcommands through, nor MEMORY what has no key.
    @Test(arguments: [
        "CONFIG GET save", "CLIENT LIST", "CLUSTER NODES", "SCRIPT LOAD x", "FUNCTION FLUSH",
        "ACL WHOAMI", "LATENCY DOCTOR", "SLOWLOG GET", "MODULE LIST", "PUBSUB CHANNELS",
        "MEMORY DOCTOR", "MEMORY STATS", "MEMORY PURGE", "MEMORY MALLOC-STATS",
    ])
    func refusesSubcommands(request: String) {
        #expect(table.find(CommandRequest(request)).handling == .refused)
    }

    @Test func answersTheseItself() {
        for name in "PING ECHO QUIT AUTH SELECT RESET EXEC DISCARD".words {
            #expect(table.find(name).handling == .local, "\(name)")
        }
    }

    @Test(arguments: [
        "COMMAND", "COMMAND COUNT", "COMMAND DOCS get", "COMMAND INFO", "COMMAND LIST",
        "COMMAND GETKEYS get k", "COMMAND GETKEYSANDFLAGS get k", "COMMAND HELP", "LOLWUT", "TIME",
        "OBJECT HELP", "XINFO HELP", "XGROUP HELP", "MEMORY HELP",
    ])
    func anyServerAnswersThese(request: String) {
        #expect(table.find(CommandRequest(request)).handling == .placeholder)
        #expect(table.resolve(CommandRequest(request)) == .none)
    }

    @Test func everythingForwardedHasKeysAndIsSafeOnASharedConnection() {
        for row in "\(redisCommands)".split(separator: "\n") {
            let name = String(row.prefix { $0 != " " })
            let command = table.find(CommandRequest(name.split(separator: "|").map(String.init)))
            guard command.handling == .forward else { continue }
            #expect(command.keys != .none, "\(name)")
            let dangerous = command.flags.intersection([.pubsub, .admin, .container])
            #expect(dangerous.isEmpty, "\(name)")
            #expect(!command.flags.contains(.blocking) || command.keys == .streams, "\(name)")
        }
    }

    @Test func countsArgumentsAsRedisDoes() {
        #expect(!table.find("GET").accepts(argumentCount: 1))
        #expect(table.find("GET").accepts(argumentCount: 2))
        #expect(!table.find("GET").accepts(argumentCount: 3))
        #expect(!table.find("SET").accepts(argumentCount: 2))
        #expect(table.find("SET").accepts(argumentCount: 3))
        #expect(table.find("SET").accepts(argumentCount: 1_048_576))
        #expect(table.find("PING").accepts(argumentCount: 1))
        #expect(table.find("TIME").accepts(argumentCount: 1))
        #expect(!table.find("TIME").accepts(argumentCount: 2))
    }
}
