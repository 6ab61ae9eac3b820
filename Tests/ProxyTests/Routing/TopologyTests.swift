import Config
import Testing

@testable import Proxy

@Suite struct TopologyTests {
    @Test func choosesAsTwemproxyDoes() throws {
        let file = try Vectors.distributions()
        #expect(file.cases.count == 30)
        let keys = file.keysHex.map(Vectors.bytes(hex:))
        #expect(keys.count == 200)
        for vector in file.cases {
            var pool = try self.pool(of: vector)
            for function in HashFunction.allCases {
                pool.hash = function
                let topology = Topology(pool: pool) { !vector.isEjected($0) }
                let chosen = try #require(vector.chosen[function.rawValue])
                let found = choices(topology, keys)
                #expect(found == chosen, "\(vector.testDescription), \(function)")
            }
        }
    }

    @Test func placesPointsAsTwemproxyDoes() throws {
        for vector in try Vectors.distributions().cases where vector.distribution == "ketama" {
            let points = Topology.points(of: try pool(of: vector)) { !vector.isEjected($0) }
            #expect(points.count == vector.pointCount, "\(vector.testDescription)")
            var counts = vector.points.map { _ in 0 }
            for point in points { counts[Int(point.server)] += 1 }
            #expect(counts == vector.points, "\(vector.testDescription)")
            let expected = try #require(vector.continuum).map {
                Continuum.Point(value: $0[0], server: $0[1])
            }
            #expect(vector.continuumIsFull == (expected.count == points.count))
            let shown = vector.continuumIsFull ? points : points.prefix(4) + points.suffix(4)
            #expect(Array(shown) == expected, "\(vector.testDescription)")
        }
    }

    @Test func isEmptyOnlyWhenNoServerIsLive() throws {
        for vector in try Vectors.distributions().cases {
            let topology = Topology(pool: try pool(of: vector)) { !vector.isEjected($0) }
            let isEmpty = topology.isEmpty
            #expect(isEmpty == (vector.liveCount == 0), "\(vector.testDescription)")
        }
    }

    /// Every subset of six weighted servers, against the pool that has only those.
    @Test(arguments: Distribution.allCases)
    func anEjectedServerIsAsIfItWereNotThere(_ distribution: Distribution) {
        let keys = (0..<200).map { Array("key:\($0)".utf8) }
        let all = pool(distribution, weights: [1, 2, 1, 7, 3, 1])
        for subset in 1..<(1 << all.servers.count) {
            let live = all.servers.indices.filter { subset >> $0 & 1 == 1 }
            var rest = all
            rest.servers = live.map { all.servers[$0] }
            let topology = Topology(pool: all) { subset >> $0 & 1 == 1 }
            let expected = choices(Topology(pool: rest) { _ in true }, keys).map { live[$0] }
            let found = choices(topology, keys)
            #expect(found == expected, "servers \(live)")
        }
    }

    /// Modula by its definition: the servers in order, each as often as it weighs.
    @Test(arguments: [[1, 1], [3, 1, 2], [1, 5000, 2], [100_000, 1, 50_000]] as [[Int32]])
    func modulaCountsWeights(_ weights: [Int32]) {
        let topology = Topology(pool: pool(.modula, weights: weights)) { _ in true }
        let table = weights.enumerated().flatMap { index, weight in
            Array(repeating: index, count: Int(weight))
        }
        var random = SplitMix64(state: 1)
        var hashes = (0..<2000).map { _ in UInt32(truncatingIfNeeded: random.next()) }
        hashes += [0, 1, UInt32(table.count) - 1, UInt32(table.count), .max]
        for hash in hashes {
            let found = topology.server(forHash: hash)
            #expect(found == table[Int(hash) % table.count], "hash \(hash)")
        }
    }

    @Test func modulaBearsTheGreatestWeights() {
        let topology = Topology(pool: pool(.modula, weights: [.max, .max, .max])) { _ in true }
        let found = [0, 0x7FFF_FFFE, 0x7FFF_FFFF, 0xFFFF_FFFD, 0xFFFF_FFFE, 0xFFFF_FFFF].map {
            topology.server(forHash: $0)
        }
        #expect(found == [0, 0, 1, 1, 2, 0])
    }

    /// Weights do not count, the ejected are never drawn, and one key goes everywhere.
    @Test func randomDrawsLiveServersAlike() {
        let topology = Topology(pool: pool(.random, weights: [1, 1000, 1, 1])) { $0 != 2 }
        let key = Array("the same key".utf8)
        var random = SplitMix64(state: 42)
        var counts = [0, 0, 0, 0]
        for _ in 0..<30_000 { counts[topology.server(for: key.span, random: &random)] += 1 }
        #expect(counts[2] == 0)
        for server in [0, 1, 3] { #expect((9500...10_500).contains(counts[server])) }
    }

    @Test(arguments: [Distribution.ketama, .modula])
    func onlyTheRandomDistributionDraws(_ distribution: Distribution) {
        let topology = Topology(pool: pool(distribution, weights: [1, 1])) { _ in true }
        let key = Array("key".utf8)
        var random = SplitMix64(state: 42)
        _ = topology.server(for: key.span, random: &random)
        #expect(random.state == 42)
    }

    @Test(arguments: Distribution.allCases, [true, false])
    func aPoolOfOneServerHasNoChoice(_ distribution: Distribution, _ isLive: Bool) {
        let topology = Topology(pool: pool(distribution, weights: [5])) { _ in isLive }
        let isEmpty = topology.isEmpty
        #expect(isEmpty == !isLive)
        var random = SplitMix64(state: 42)
        for key in ["", "a", "another"].map({ Array($0.utf8) }) {
            #expect(topology.server(for: key.span, random: &random) == 0)
        }
        #expect(random.state == 42)
        #expect(topology.server(forHash: .max) == 0)
    }

    /// The two halves of a lookup, as `--where` shows them.
    @Test(arguments: [Distribution.ketama, .modula])
    func aKeyGoesWhereItsHashGoes(_ distribution: Distribution) {
        var tagged = pool(distribution, weights: [1, 2, 3])
        tagged.hash = .murmur
        tagged.hashTag = HashTag(open: UInt8(ascii: "{"), close: UInt8(ascii: "}"))
        let topology = Topology(pool: tagged) { _ in true }
        let keys = (0..<300).map { Array("a{\($0)}b".utf8) }
        let found = keys.map { topology.server(forHash: topology.hash(of: $0.span)) }
        let expected = choices(topology, keys)
        #expect(found == expected)
        #expect(Set(found) == [0, 1, 2])
    }

    private func choices(_ topology: borrowing Topology, _ keys: [[UInt8]]) -> [Int] {
        var random = SplitMix64(state: 7)
        var servers: [Int] = []
        for key in keys { servers.append(topology.server(for: key.span, random: &random)) }
        return servers
    }

    private func pool(
        _ distribution: Distribution, weights: [Int32]
    ) -> PoolConfiguration {
        let servers = weights.enumerated().map { index, weight in
            server(named: "10.0.0.\(index + 1):6379", weight: weight)
        }
        var pool = PoolConfiguration(
            name: "pool", listen: .tcp(host: "127.0.0.1", port: 22121), servers: servers)
        pool.distribution = distribution
        return pool
    }

    private func pool(of vector: Vectors.Case) throws -> PoolConfiguration {
        let servers = zip(vector.sortedNames, vector.weights).map { name, weight in
            server(named: name, weight: weight)
        }
        var pool = PoolConfiguration(
            name: vector.name, listen: .tcp(host: "127.0.0.1", port: 22121), servers: servers)
        pool.distribution = try #require(Distribution(rawValue: vector.distribution))
        if let tag = vector.extra["hash_tag"] {
            let ends = Array(tag.utf8.filter { $0 != UInt8(ascii: "\"") })
            try #require(ends.count == 2)
            pool.hashTag = HashTag(open: ends[0], close: ends[1])
        }
        return pool
    }
}

extension Vectors.Case {
    func isEjected(_ server: Int) -> Bool {
        ejected.contains(sortedNames[server])
    }
}
