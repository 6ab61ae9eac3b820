import Testing

@testable import Config

/// Every directive: its default, what it takes, and how it refuses the rest.
@Suite struct DirectiveTests {
    @Test func defaultsAreTwemproxys() throws {
        let pool = try parsePool(pool())
        #expect(pool.name == "p")
        #expect(pool.listen == .tcp(host: "127.0.0.1", port: 25001))
        #expect(pool.protocolKind == .memcache)
        #expect(pool.hash == .fnv1a_64)
        #expect(pool.hashTag == nil)
        #expect(pool.distribution == .ketama)
        #expect(pool.timeout == nil)
        #expect(pool.backlog == 512)
        #expect(pool.clientConnections == 0)
        #expect(pool.redisAuth == nil)
        #expect(pool.redisDatabase == 0)
        #expect(!pool.preconnect)
        #expect(!pool.tcpKeepalive)
        #expect(!pool.autoEjectHosts)
        #expect(pool.serverConnections == 1)
        #expect(pool.serverRetryTimeout == .milliseconds(30_000))
        #expect(pool.serverFailureLimit == 2)
    }

    @Test func everyDirectiveReachesItsValue() throws {
        let pool = try parsePool(
            pool(
                "hash: crc16", "hash_tag: \"<>\"", "distribution: modula", "timeout: 400",
                "backlog: 1024", "client_connections: 7", "redis: true", "redis_auth: s3 cret",
                "redis_db: 5", "preconnect: true", "tcpkeepalive: true", "reuseport: true",
                "auto_eject_hosts: true", "server_connections: 3", "server_retry_timeout: 2000",
                "server_failure_limit: 9"))
        var expected = PoolConfiguration(
            name: "p", listen: .tcp(host: "127.0.0.1", port: 25001),
            servers: [
                ServerConfiguration(
                    name: "a", address: .tcp(host: "127.0.0.1", port: 25011), weight: 1)
            ])
        expected.hash = .crc16
        expected.hashTag = HashTag(open: UInt8(ascii: "<"), close: UInt8(ascii: ">"))
        expected.distribution = .modula
        expected.timeout = .milliseconds(400)
        expected.backlog = 1024
        expected.clientConnections = 7
        expected.protocolKind = .redis
        expected.redisAuth = "s3 cret"
        expected.redisDatabase = 5
        expected.preconnect = true
        expected.tcpKeepalive = true
        expected.autoEjectHosts = true
        expected.serverConnections = 3
        expected.serverRetryTimeout = .milliseconds(2000)
        expected.serverFailureLimit = 9
        #expect(pool == expected)
    }

    @Test(arguments: [
        "one_at_a_time", "md5", "crc16", "crc32", "crc32a", "fnv1_64", "fnv1a_64", "fnv1_32",
        "fnv1a_32", "hsieh", "murmur", "jenkins",
    ])
    func everyHashHasTwemproxysName(_ name: String) throws {
        #expect(try parsePool(pool("hash: \(name)")).hash.rawValue == name)
    }

    @Test(arguments: ["ketama", "modula", "random"])
    func everyDistributionHasTwemproxysName(_ name: String) throws {
        #expect(try parsePool(pool("distribution: \(name)")).distribution.rawValue == name)
    }

    @Test(arguments: ["MD5", "fnv1a-64", "sha1", "x"])
    func refusesAnotherHash(_ name: String) throws {
        let error = try #require(refusal(of: pool("hash: \(name)")))
        #expect(error.kind == .invalidValue)
        #expect(error.found == "\"\(name)\"")
        #expect(error.wording == "directive \"hash\" is not a valid hash")
    }

    @Test(arguments: ["Ketama", "rendezvous"])
    func refusesAnotherDistribution(_ name: String) throws {
        let error = try #require(refusal(of: pool("distribution: \(name)")))
        #expect(error.wording == "directive \"distribution\" is not a valid distribution")
        #expect(error.expected.hasPrefix("one of ketama, modula, random"))
    }

    static let numbers = [
        "timeout", "backlog", "client_connections", "redis_db", "server_connections",
        "server_retry_timeout", "server_failure_limit",
    ]

    @Test(arguments: numbers, ["1", "\"1\"", "0001", ">-\n    1", "2147483647"])
    func numbersAreDecimalDigitsHoweverQuoted(_ key: String, _ text: String) throws {
        _ = try parse(pool("\(key): \(text)"))
    }

    @Test(
        arguments: numbers,
        [
            "4s", "-1", "+1", "\" 1\"", "1.0", "0x10", "1_000", "٣", "2147483648", "4294967296",
            "4294967297", "18446744073709551616", "|\n    400",
        ])
    func refusesWhatIsNotANumber(_ key: String, _ text: String) throws {
        let error = try #require(refusal(of: pool("\(key): \(text)")))
        #expect(error.kind == .invalidValue)
        #expect(error.wording == "directive \"\(key)\" is not a number")
        #expect(error.expected.contains("2147483647"))
    }

    @Test func zeroTimeoutIsNoTimeout() throws {
        #expect(try parsePool(pool("timeout: 0")).timeout == nil)
        #expect(try parsePool(pool("timeout: 2147483647")).timeout == .milliseconds(2_147_483_647))
    }

    @Test func zeroIsANumberWhereTwemproxyTakesIt() throws {
        let pool = try parsePool(
            pool(
                "backlog: 0", "client_connections: 0", "redis_db: 0", "server_retry_timeout: 0",
                "server_failure_limit: 0"))
        #expect(pool.backlog == 0)
        #expect(pool.serverRetryTimeout == .zero)
        #expect(pool.serverFailureLimit == 0)
    }

    @Test func refusesZeroServerConnections() throws {
        let error = try #require(refusal(of: pool("server_connections: 0")))
        #expect(error.wording == "directive \"server_connections:\" cannot be 0")
        #expect(error.expected == "a number between 1 and 2147483647")
    }

    static let bools = ["redis", "preconnect", "tcpkeepalive", "reuseport", "auto_eject_hosts"]

    @Test(arguments: bools, ["true", "false", "\"true\"", "'false'"])
    func boolsAreTrueOrFalse(_ key: String, _ text: String) throws {
        _ = try parse(pool("\(key): \(text)"))
    }

    @Test(arguments: bools, ["yes", "no", "True", "TRUE", "1", "0", "on", "\"true \""])
    func refusesOtherBools(_ key: String, _ text: String) throws {
        let error = try #require(refusal(of: pool("\(key): \(text)")))
        #expect(error.wording == "directive \"\(key)\" is not \"true\" or \"false\"")
    }

    @Test func reusePortChangesNothing() throws {
        #expect(try parse(pool("reuseport: true")) == parse(pool()))
    }

    @Test(arguments: [("\"{}\"", "{}"), ("$$", "$$"), ("\"  \"", "  "), ("é", "é")])
    func hashTagIsTwoBytes(_ text: String, _ bytes: String) throws {
        let tag = try #require(try parsePool(pool("hash_tag: \(text)")).hashTag)
        #expect([tag.open, tag.close] == Array(bytes.utf8))
    }

    @Test(arguments: ["\"{\"", "\"{}x\"", "日"])
    func refusesAnotherLengthOfHashTag(_ text: String) throws {
        let error = try #require(refusal(of: pool("hash_tag: \(text)")))
        let words = "is not a valid hash tag string with two characters"
        #expect(error.wording == "directive \"hash_tag\" \(words)")
    }

    @Test func unquotedBracesAreExplained() throws {
        let error = try #require(refusal(of: pool("hash_tag: {}")))
        #expect(
            error.description
                == "conf/a.yml:3:13: pool \"p\", key \"hash_tag\": found a mapping, expected"
                + " exactly two bytes in quotes, such as \"{}\""
                + " ('conf/a.yml' has a depth greater than 2)")
    }

    @Test func redisAuthMayStandBeforeRedis() throws {
        let pool = try parsePool(pool("redis_auth: x", "redis: true"))
        #expect(pool.redisAuth == "x")
    }

    @Test(arguments: [["redis_auth: x"], ["redis_auth: x", "redis: false"]])
    func refusesRedisAuthOfAMemcachePool(_ lines: [String]) throws {
        let text = pool(lines[0], lines.count > 1 ? lines[1] : "backlog: 1")
        let error = try #require(refusal(of: text))
        #expect(error.wording == "directive \"redis_auth:\" is only valid for a redis pool")
        #expect(error.position == SourcePosition(line: 3, column: 3))
        #expect(error.key == "redis_auth")
    }

    @Test(arguments: Directive.allCases.map(\.rawValue), ["", " ''", " \"\""])
    func refusesAnEmptyValue(_ key: String, _ text: String) throws {
        let lines = ["listen", "servers"].filter { $0 != key }.map {
            $0 == "listen" ? "  listen: 127.0.0.1:25001\n" : "  servers: [127.0.0.1:25011:1]\n"
        }
        let error = try #require(
            refusal(of: "p:\n  \(key):\(text)\n" + lines.joined()))
        #expect(error.key == key)
        #expect(error.position?.line == 2)
        #expect(error.found == (key == "servers" ? "no server" : "nothing"))
    }

    @Test(arguments: Directive.allCases.map(\.rawValue))
    func refusesADuplicate(_ key: String) throws {
        let value =
            switch key {
            case "hash": "md5"
            case "hash_tag": "ab"
            case "distribution": "modula"
            case "listen": "127.0.0.1:25002"
            case "servers": "[127.0.0.1:25011:1]"
            case "redis", "preconnect", "tcpkeepalive", "reuseport", "auto_eject_hosts": "true"
            default: "1"
            }
        let line = "\(key): \(value)"
        let error = try #require(refusal(of: pool(line, line)))
        #expect(error.kind == .duplicateDirective)
        #expect(error.key == key)
        #expect(error.wording == "directive \"\(key)\" is a duplicate")
    }

    @Test(arguments: [
        ("timeuot", "timeout"), ("Timeout", "timeout"), ("auto-eject-hosts", "auto_eject_hosts"),
        ("server", "servers"), ("serverRetryTimeout", "server_retry_timeout"),
        ("hashtag", "hash_tag"), ("redis_password", nil), ("x", nil), ("<<", nil),
        ("timeout ", "timeout"),
    ])
    func refusesAnUnknownKeyAndSuggestsTheNearest(_ key: String, _ guess: String?) throws {
        let error = try #require(refusal(of: pool("\"\(key)\": 1")))
        #expect(error.kind == .unknownDirective)
        #expect(error.position == SourcePosition(line: 3, column: 3))
        #expect(error.wording == "directive \"\(key)\" is unknown")
        if let guess {
            #expect(error.expected.hasSuffix("; did you mean \"\(guess)\"?"))
        } else {
            #expect(error.expected.hasSuffix(", servers"))
        }
    }
}
