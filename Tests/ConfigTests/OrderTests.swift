import Testing

@testable import Config

/// Order and duplicates: an index is a server's place in the sorted list, and keys follow it.
@Suite struct OrderTests {
    @Test func serversAreSortedByLengthAndThenByBytes() throws {
        let names = ["b", "aa", "é", "Z", "a", "10", "9", "zz", "aaa"]
        let servers = names.map { "127.0.0.1:1:1 \($0)" }
        let sorted = try parsePool(pool(servers: servers)).servers.map(\.name)
        #expect(sorted == ["9", "Z", "a", "b", "10", "aa", "zz", "é", "aaa"])
    }

    @Test func serversWithoutANameAreSortedByTheNameTheyGet() throws {
        let servers = ["10.0.0.1:1:1", "10.0.0.2:11211:1", "/a:1", "10.0.0.1:10:1"]
        let sorted = try parsePool(pool(servers: servers)).servers.map(\.name)
        #expect(sorted == ["/a:", "10.0.0.2", "10.0.0.1:1", "10.0.0.1:10"])
    }

    @Test func poolsAreSortedByLengthAndThenByBytes() throws {
        let names = ["gamma", "beta", "omega", "delta", "alpha", "b", "my pool"]
        let text = names.enumerated().map { index, name in
            pool(name: name, listen: "127.0.0.1:\(25001 + index)")
        }.joined()
        let sorted = try parse(text).pools.map(\.name)
        #expect(sorted == ["b", "beta", "alpha", "delta", "gamma", "omega", "my pool"])
    }

    @Test func orderAndDuplicatesAreOfBytesNotOfCharacters() throws {
        // One character, spelled composed and decomposed: Swift calls the strings equal.
        let servers = ["127.0.0.1:1:1 e\u{301}", "127.0.0.1:1:1 \u{E9}"]
        let names = try parsePool(pool(servers: servers)).servers.map { Array($0.name.utf8) }
        #expect(names == [[0xC3, 0xA9], [0x65, 0xCC, 0x81]])
        let pools = try parse(
            pool(name: "e\u{301}") + pool(name: "\u{E9}", listen: "127.0.0.1:25002")
        ).pools
        #expect(pools.count == 2)
    }

    @Test(arguments: [
        ["127.0.0.1:1:1", "10.0.0.1:1:1", "127.0.0.1:1:2"],
        ["127.0.0.1:1:1 127.0.0.1:1", "10.0.0.1:1:1", "127.0.0.1:1:1"],
    ])
    func refusesTwoServersOfOneName(_ servers: [String]) throws {
        let error = try #require(refusal(of: pool(servers: servers)))
        #expect(error.kind == .duplicateServer)
        #expect(error.position == SourcePosition(line: 6, column: 6))
        #expect(error.wording == "pool 'p' has servers with same name '127.0.0.1:1'")
    }

    @Test func aServersNameIsWhatCounts() throws {
        let error = try #require(
            refusal(of: pool(servers: ["127.0.0.1:11211:1", "10.0.0.1:1:1 127.0.0.1"])))
        #expect(error.wording == "pool 'p' has servers with same name '127.0.0.1'")
        _ = try parse(pool(servers: ["127.0.0.1:1:1 a", "127.0.0.1:1:1 b"]))
    }

    @Test func refusesTwoPoolsOfOneName() throws {
        let text = pool() + pool(listen: "127.0.0.1:25002")
        let error = try #require(refusal(of: text))
        #expect(error.kind == .duplicatePool)
        #expect(error.position == SourcePosition(line: 5, column: 1))
        #expect(error.wording == "'conf/a.yml' has pools with same name p'")
    }

    @Test(arguments: [
        ("127.0.0.1:25001", "127.0.0.1:25001", "127.0.0.1:25001"),
        ("127.0.0.1:25001", "127.0.0.1:025001", "127.0.0.1:25001"),
        ("/tmp/a 0600", "/tmp/a 0660", "/tmp/a"),
    ])
    func refusesTwoPoolsOnOneAddress(_ first: String, _ second: String, _ place: String) throws {
        let text = pool(name: "q", listen: first) + pool(name: "p", listen: second)
        let error = try #require(refusal(of: text))
        #expect(error.kind == .duplicateListen)
        #expect(error.position == SourcePosition(line: 6, column: 3))
        #expect(error.wording == "pools 'q' and 'p' have the same listen address '\(place)'")
    }

    @Test func aThousandPoolsAndServersAreNotTooMany() throws {
        let servers = (1...1000).map { "127.0.0.1:\($0):1" }
        #expect(try parsePool(pool(servers: servers)).servers.count == 1000)
        let pools = (1...1000).map { pool(name: "p\($0)", listen: "127.0.0.1:\($0)") }
        #expect(try parse(pools.joined()).pools.count == 1000)
    }
}
