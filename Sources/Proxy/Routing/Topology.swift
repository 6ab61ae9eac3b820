import Config

/// How the keys of a pool map to its servers, as long as the same ones are live.
///
/// An immutable value, made off the hot path and replaced as a whole when a server is ejected
/// or comes back.
package struct Topology: ~Copyable {
    /// No server is live. Lookups then answer as if all were, so that requests can still be
    /// grouped by server, but every one of them must fail.
    package let isEmpty: Bool

    private let hasher: KeyHasher
    private let placement: Placement
    private let continuum: Continuum

    /// What becomes of a key before the continuum is asked.
    private enum Placement {
        /// The pool has a single server, live or not: nothing is hashed.
        case single
        /// Ketama: the hash itself.
        case hash
        /// Modula: the remainder of the hash by the sum of the weights.
        case remainder(UInt32)
        /// Random: a number below the count of live servers, whatever the key.
        case chance(UInt32)
    }

    /// - Parameter isLive: Whether the server of an index in `pool.servers` is not ejected.
    package init(pool: PoolConfiguration, isLive: (Int) -> Bool) {
        let live = pool.servers.indices.filter(isLive)
        let points = Self.points(of: pool, isLive: isLive)
        // The values of modula and random count up to that of the last point.
        let count = points[points.count - 1].value &+ 1
        isEmpty = live.isEmpty
        hasher = KeyHasher(pool.hash, tag: pool.hashTag)
        let isSingle = pool.servers.count == 1
        switch pool.distribution {
        case .ketama:
            placement = isSingle ? .single : .hash
            continuum = Continuum(
                points: points, range: 1 << 32, bucketCount: Ketama.bucketsPerPoint * points.count)
        case .modula:
            placement = isSingle ? .single : .remainder(count)
            continuum = Continuum(steps: points)
        case .random:
            placement = isSingle ? .single : .chance(count)
            continuum = Continuum(steps: points)
        }
    }
}

extension Topology {
    /// The index of the server that `key` belongs to.
    ///
    /// - Parameter random: Used, and advanced, by the random distribution alone.
    func server(for key: Span<UInt8>, random: inout SplitMix64) -> Int {
        switch placement {
        case .single: 0
        case .hash: continuum.server(at: hasher.hash(key))
        case .remainder(let count): continuum.server(at: hasher.hash(key) % count)
        case .chance(let count):
            continuum.server(at: UInt32(truncatingIfNeeded: random.next() >> 32) % count)
        }
    }

    /// The index of the server that a key of this hash belongs to.
    ///
    /// For the random distribution, which hashes nothing, the server that the number draws.
    package func server(forHash hash: UInt32) -> Int {
        switch placement {
        case .single: 0
        case .hash: continuum.server(at: hash)
        case .remainder(let count), .chance(let count): continuum.server(at: hash % count)
        }
    }

    /// The hash of a key, also where the pool would not compute it.
    package func hash(of key: Span<UInt8>) -> UInt32 {
        hasher.hash(key)
    }

    /// The points between which the servers of a pool divide the hashes, ascending.
    ///
    /// For modula and random the hashes are remainders, and a server's point is the last
    /// remainder of its own. With no live server these are the points of all.
    package static func points(
        of pool: PoolConfiguration, isLive: (Int) -> Bool
    ) -> [Continuum.Point] {
        var live = pool.servers.indices.filter(isLive)
        if live.isEmpty { live = Array(pool.servers.indices) }
        return switch pool.distribution {
        case .ketama: Ketama.points(of: pool.servers, live: live)
        case .modula: steps(live) { pool.servers[$0].weight }
        case .random: steps(live) { _ in 1 }
        }
    }

    /// One point per server, as many numbers after the last as the server weighs.
    ///
    /// Sums of weights beyond 2^32 - 1 are cut to that. (twemproxy makes an entry for every unit
    /// of weight, which at such sums is 32 GiB.)
    private static func steps(_ live: [Int], weight: (Int) -> Int32) -> [Continuum.Point] {
        var sum: UInt64 = 0
        return live.map { server in
            sum = min(sum + UInt64(weight(server)), UInt64(UInt32.max))
            return Continuum.Point(value: UInt32(sum - 1), server: UInt32(server))
        }
    }
}
