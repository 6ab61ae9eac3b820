import Testing

@testable import Config

/// The grammars of `listen` and of a line of `servers`.
@Suite struct AddressTests {
    @Test(arguments: [
        ("127.0.0.1:22121", ListenAddress.tcp(host: "127.0.0.1", port: 22121)),
        ("0.0.0.0:1", .tcp(host: "0.0.0.0", port: 1)),
        ("localhost:65535", .tcp(host: "localhost", port: 65535)),
        ("127.0.0.1:022121", .tcp(host: "127.0.0.1", port: 22121)),
        ("\"::1:22121\"", .tcp(host: "::1", port: 22121)),
        ("'[::1]:22121'", .tcp(host: "::1", port: 22121)),
        ("\"*:22121\"", .tcp(host: "*", port: 22121)),
        ("no.such.host.invalid:1", .tcp(host: "no.such.host.invalid", port: 1)),
        ("/", .unix(path: "/", permissions: nil)),
        ("/run/a.sock", .unix(path: "/run/a.sock", permissions: nil)),
        ("/run/a.sock 0660", .unix(path: "/run/a.sock", permissions: 0o660)),
        ("/run/a.sock 777", .unix(path: "/run/a.sock", permissions: 0o777)),
        ("/run/a.sock 0", .unix(path: "/run/a.sock", permissions: nil)),
        ("/run/a.sock rw", .unix(path: "/run/a.sock", permissions: nil)),
        ("/run/a.sock 0660x", .unix(path: "/run/a.sock", permissions: 0o660)),
        ("'/run/a.sock '", .unix(path: "/run/a.sock", permissions: nil)),
        ("/run/a b 0600", .unix(path: "/run/a b", permissions: 0o600)),
        ("/run/a:b", .unix(path: "/run/a:b", permissions: nil)),
    ])
    func listens(_ text: String, _ address: ListenAddress) throws {
        #expect(try parsePool(pool(listen: text)).listen == address)
    }

    @Test(arguments: [
        ("127.0.0.1", "an invalid \"hostname:port\" format string"),
        ("tmp/x", "an invalid \"hostname:port\" format string"),
        ("127.0.0.1:0", "an invalid port in \"hostname:port\" format string"),
        ("127.0.0.1:65536", "an invalid port in \"hostname:port\" format string"),
        ("127.0.0.1:4295003009", "an invalid port in \"hostname:port\" format string"),
        ("127.0.0.1:x", "an invalid port in \"hostname:port\" format string"),
        ("127.0.0.1:+1", "an invalid port in \"hostname:port\" format string"),
        ("'127.0.0.1:'", "an invalid port in \"hostname:port\" format string"),
        ("127.0.0.1:22121 0644", "an invalid port in \"hostname:port\" format string"),
        ("\":22121\"", "an invalid value"),
        ("\" 127.0.0.1:22121\"", "an invalid value"),
        ("\"a\\0b:22121\"", "an invalid value"),
        ("\"/a\\0b\"", "an invalid value"),
        (
            "/run/a.sock 1000",
            "an invalid file permission in \"socket_path permission\" format string"
        ),
        (
            "/run/a.sock 177777777777777777777777",
            "an invalid file permission in \"socket_path permission\" format string"
        ),
        (
            "/run/a.sock -1",
            "an invalid file permission in \"socket_path permission\" format string"
        ),
    ])
    func refusesToListen(_ text: String, _ words: String) throws {
        let error = try #require(refusal(of: pool(listen: text)))
        #expect(error.kind == .invalidValue)
        #expect(error.position == SourcePosition(line: 2, column: 11))
        #expect(error.key == "listen")
        #expect(error.wording == "directive \"listen\" has \(words)")
    }

    @Test func aSocketsPathHolds107Bytes() throws {
        let longest = "/" + String(repeating: "a", count: 106)
        #expect(
            try parsePool(pool(listen: longest)).listen == .unix(path: longest, permissions: nil))
        #expect(try parsePool(pool(servers: ["\(longest):1"])).servers[0].name == "\(longest):")
        for text in [pool(listen: longest + "a"), pool(servers: ["\(longest)a:1"])] {
            let error = try #require(refusal(of: text))
            #expect(error.found == "a path of 108 bytes")
            #expect(error.expected == "at most 107")
        }
    }

    static let v4 = ServerAddress.tcp(host: "127.0.0.1", port: 6379)

    @Test(arguments: [
        ("127.0.0.1:6379:1", "127.0.0.1:6379", v4, 1),
        ("127.0.0.1:6379:1 shard", "shard", v4, 1),
        ("\"127.0.0.1:6379:1 shard\"", "shard", v4, 1),
        ("'127.0.0.1:6379:1 shard'", "shard", v4, 1),
        ("127.0.0.1:6379:1    shard", "shard", v4, 1),
        ("127.0.0.1:6379:1 a:b", "a:b", v4, 1),
        ("127.0.0.1:6379:1 é", "é", v4, 1),
        ("127.0.0.1:6379:01", "127.0.0.1:6379", v4, 1),
        ("127.0.0.1:6379:2147483647", "127.0.0.1:6379", v4, 2_147_483_647),
        // The name is the text as written.
        ("127.0.0.1:06379:1", "127.0.0.1:06379", v4, 1),
        ("127.0.0.1:11211:1", "127.0.0.1", .tcp(host: "127.0.0.1", port: 11211), 1),
        ("127.0.0.1:11211:1 m", "m", .tcp(host: "127.0.0.1", port: 11211), 1),
        ("/run/a.sock:1", "/run/a.sock:", .unix(path: "/run/a.sock"), 1),
        ("/run/a.sock:2 s", "s", .unix(path: "/run/a.sock"), 2),
        ("/run/a b.sock:2 s", "s", .unix(path: "/run/a b.sock"), 2),
        ("\"::1:6379:1\"", "::1:6379", .tcp(host: "::1", port: 6379), 1),
        ("\"::1:11211:1\"", "::1", .tcp(host: "::1", port: 11211), 1),
        ("\"[::1]:6379:1\"", "[::1]:6379", .tcp(host: "::1", port: 6379), 1),
        // twemproxy hashes these quotation marks, so they are part of the name.
        ("127.0.0.1:6379:1 \"shard\"", "\"shard\"", v4, 1),
        ("127.0.0.1:6379:1 'shard'", "'shard'", v4, 1),
        // It refuses these.
        ("127.0.0.1:6379:1 \"my shard\"", "my shard", v4, 1),
        ("127.0.0.1:6379:1  'my shard'", "my shard", v4, 1),
        ("/run/a.sock:1 \"my: shard\"", "my: shard", .unix(path: "/run/a.sock"), 1),
    ])
    func reads(_ text: String, _ name: String, _ address: ServerAddress, _ weight: Int32) throws {
        // A plain scalar cannot hold ": ".
        let line = text.contains(": ") ? "'\(text)'" : text
        let servers = try parsePool(pool(servers: [line])).servers
        let expected = ServerConfiguration(name: name, address: address, weight: weight)
        #expect(servers == [expected])
        #expect(Array(servers[0].name.utf8) == Array(name.utf8))
    }

    static let format =
        "an invalid \"hostname:port:weight [name]\"or \"/path/unix_socket:weight [name]\""
        + " format string"
    static let weight = "an invalid weight in \"hostname:port:weight [name]\" format string"
    static let port = "an invalid port in \"hostname:port:weight [name]\" format string"

    @Test(arguments: [
        ("127.0.0.1", format),
        ("127.0.0.1:1", format),
        ("\":1\"", format),
        ("/run/a.sock", format),
        ("/run/a:b.sock:1", format),
        ("/run/a b.sock:1", format),
        ("\" /run/a.sock:1\"", format),
        ("\"127.0.0.1:1:1 a\\0\"", format),
        ("127.0.0.1:1:x", weight),
        ("127.0.0.1:1:-1", weight),
        ("'127.0.0.1:1:'", weight),
        ("127.0.0.1:1:2147483648", weight),
        ("127.0.0.1:1:4294967297", weight),
        ("127.0.0.1:1:1 a b", weight),
        ("127.0.0.1:1:1 \"a \"b\"", weight),
        ("\"127.0.0.1:1:1\\tx\"", weight),
        ("/run/a.sock:x", weight),
        ("127.0.0.1:1:0", "a zero weight in \"hostname:port:weight [name]\" format string"),
        ("/run/a.sock:0", "a zero weight in \"hostname:port:weight [name]\" format string"),
        ("127.0.0.1:0:1", port),
        ("127.0.0.1:65536:1", port),
        ("127.0.0.1:4294967297:1", port),
        ("127.0.0.1:x:1", port),
        ("127.0.0.1::1", port),
    ])
    func refusesAServer(_ text: String, _ words: String) throws {
        let error = try #require(refusal(of: pool(servers: ["127.0.0.1:2:1", text])))
        #expect(error.kind == .invalidValue)
        #expect(error.position == SourcePosition(line: 5, column: 6))
        #expect(error.key == "servers")
        #expect(error.wording == "directive \"servers\" has \(words)")
    }

    @Test(arguments: [
        ("':1:1'", "host \"\""), ("a b:1:1 n", "host \"a b\""), ("''", "nothing"),
        ("'127.0.0.1:1:1 '", "a blank at the end of \"127.0.0.1:1:1 \""),
    ])
    func refusesAServerThatCouldNeverWork(_ text: String, _ found: String) throws {
        let error = try #require(refusal(of: pool(servers: [text])))
        #expect(error.kind == .invalidValue)
        #expect(error.found == found)
    }
}
