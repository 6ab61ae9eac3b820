import Config

@testable import Proxy

/// Which server each key belongs to, now and before, while servers are taken out and come back.
struct Placement {
    /// Topologies are not copyable, but may be referred to.
    private final class Held {
        let topology: Topology

        init(_ pool: PoolConfiguration, _ live: [Bool]) {
            topology = Topology(pool: pool) { live[$0] }
        }
    }

    private let pool: PoolConfiguration
    private var held: [[Bool]: Held] = [:]
    /// The sets of live servers, oldest first, and the turn of the world that brought each.
    private var history: [(turn: Int, live: [Bool])] = []

    init(_ pool: PoolConfiguration) {
        self.pool = pool
        change(to: pool.servers.map { _ in true }, in: -1)
    }

    /// All of this turn so far was under the set before.
    mutating func change(to live: [Bool], in turn: Int) {
        history.append((turn, live))
        if held[live] == nil { held[live] = Held(pool, live) }
    }

    /// The server of a key when all are live.
    func home(of key: [UInt8]) -> Int { server(of: key, under: history[0].live) }

    /// The servers that a request about a key may have gone to, sent in that turn or later.
    func places(of key: [UInt8], since turn: Int) -> [Int] {
        Set(sets(since: turn).map { server(of: key, under: $0) }).sorted()
    }

    /// Whether two keys may have been on one server, and whether on different ones.
    func relation(
        of left: [UInt8], _ right: [UInt8], since turn: Int
    ) -> (mayAgree: Bool, mayDiffer: Bool) {
        let areSame = sets(since: turn).map {
            server(of: left, under: $0) == server(of: right, under: $0)
        }
        return (areSame.contains(true), areSame.contains(false))
    }

    /// Whether there may have been no server at all.
    func mayBeNone(since turn: Int) -> Bool {
        sets(since: turn).contains { !$0.contains(true) }
    }

    private func sets(since turn: Int) -> ArraySlice<[Bool]> {
        let first = history.lastIndex { $0.turn < turn } ?? 0
        return history[first...].map(\.live)[...]
    }

    private func server(of key: [UInt8], under live: [Bool]) -> Int {
        var random = SplitMix64(state: 0)
        return held[live]!.topology.server(for: key.span, random: &random)
    }

    /// What a worker must have made of the servers that are live now.
    func isCurrent(_ topology: borrowing Topology) -> Bool {
        let current = held[history[history.count - 1].live]!
        return topology.isEmpty == current.topology.isEmpty
            && (0..<64).allSatisfy { index in
                let hash = UInt32(truncatingIfNeeded: index &* 0x9E37_79B9)
                return topology.server(forHash: hash) == current.topology.server(forHash: hash)
            }
    }
}
