import Testing

@testable import Config

/// The files in `conf/` load, and say what their comments promise.
@Suite struct ExampleTests {
    static func load(_ name: String) throws -> [PoolConfiguration] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return try Configuration.load(path: "/\(root)/conf/\(name)").pools
    }

    @Test func nutcracker() throws {
        let pools = try Self.load("nutcracker.yml")
        #expect(pools.map(\.name) == ["beta", "alpha", "delta", "gamma", "omega"])
        #expect(pools.map(\.servers.count) == [4, 1, 10, 2, 2])
        #expect(pools.map(\.protocolKind) == [.redis, .redis, .memcache, .memcache, .memcache])
        #expect(pools[0].hashTag == HashTag(open: 0x7B, close: 0x7D))
        #expect(pools[0].servers.map(\.name) == ["server1", "server2", "server3", "server4"])
        #expect(pools[3].preconnect)
        #expect(pools[3].backlog == 1024)
        #expect(pools[4].listen == .unix(path: "/tmp/omega.sock", permissions: 0o660))
        #expect(pools[4].servers.map(\.weight) == [3, 1])
    }

    @Test func leaf() throws {
        let pools = try Self.load("nutcracker.leaf.yml")
        #expect(pools.map(\.name) == ["leaf"])
        #expect(pools[0].autoEjectHosts)
    }

    @Test func root() throws {
        let pools = try Self.load("nutcracker.root.yml")
        let leaf = try Self.load("nutcracker.leaf.yml")[0]
        #expect(pools.map(\.name) == ["root"])
        #expect(pools[0].hash != leaf.hash)
        #expect(!pools[0].autoEjectHosts)
        #expect(pools[0].servers[0].address == .tcp(host: "127.0.0.1", port: 22121))
        #expect(leaf.listen == .tcp(host: "127.0.0.1", port: 22121))
    }

    @Test func quickstart() throws {
        var expected = PoolConfiguration(
            name: "quickstart", listen: .tcp(host: "127.0.0.1", port: 22121),
            servers: [
                ServerConfiguration(
                    name: "shard1", address: .tcp(host: "127.0.0.1", port: 6391), weight: 1),
                ServerConfiguration(
                    name: "shard2", address: .tcp(host: "127.0.0.1", port: 6392), weight: 1),
            ])
        expected.protocolKind = .redis
        expected.timeout = .milliseconds(400)
        expected.serverRetryTimeout = .milliseconds(2000)
        #expect(try Self.load("quickstart.yml") == [expected])
    }
}
