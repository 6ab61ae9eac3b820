import Config
import Proxy

/// Which server takes which hash in one pool with all servers live: stretches of hashes, in
/// order, over and over.
///
/// Ketama's stretches cover all hashes once. Modula's repeat with every multiple of the sum of
/// the weights. A single server takes everything.
struct Layout {
    /// Ascending; of equal ones the first counts.
    let ends: [End]
    /// How many hashes until the stretches repeat.
    let period: UInt64

    /// The last hash of a stretch, and the index of the server that takes all of it.
    struct End {
        let hash: UInt32
        let server: UInt32
    }

    /// - Precondition: `pool` has a single server, or a distribution that does not leave it to
    ///   chance.
    init(_ pool: PoolConfiguration) {
        let all = UInt64(1) << 32
        guard pool.servers.count > 1 else {
            ends = [End(hash: .max, server: 0)]
            period = all
            return
        }
        let ends = Topology.points(of: pool) { _ in true }.map {
            End(hash: $0.value, server: $0.server)
        }
        switch pool.distribution {
        case .ketama:
            self.ends = ends + [End(hash: .max, server: ends[0].server)]
            period = all
        case .modula, .random:
            assert(pool.distribution == .modula)
            self.ends = ends
            period = UInt64(ends[ends.count - 1].hash) + 1
        }
    }

    /// A walk along the hashes from 0 up, past the period.
    struct Walk {
        let layout: Layout
        private var index = 0
        private var start: UInt64 = 0

        init(_ layout: Layout) { self.layout = layout }

        /// The server of the hashes up to `end`.
        var server: UInt32 { layout.ends[index].server }

        /// One more than the last hash of the stretch.
        var end: UInt64 { start + UInt64(layout.ends[index].hash) + 1 }

        /// Goes on to the stretch that `hash` is in.
        mutating func advance(to hash: UInt64) {
            while end <= hash {
                index += 1
                guard index == layout.ends.count else { continue }
                index = 0
                start += layout.period
            }
        }
    }

    /// Calls `body` with every stretch below `limit`, as long as that is within one period.
    func forEachStretch(below limit: UInt64, _ body: (Range<UInt64>, UInt32) -> Void) {
        var start: UInt64 = 0
        for end in ends where start < limit {
            let next = min(UInt64(end.hash) + 1, limit)
            guard next > start else { continue }
            body(start..<next, end.server)
            start = next
        }
    }
}

extension HashFunction {
    /// One more than the greatest hash: libmemcached's crc32 has 15 bits.
    var valueCount: UInt64 { self == .crc32 ? 1 << 15 : 1 << 32 }
}
