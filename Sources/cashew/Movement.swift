import Config
import Proxy

/// How many of some hashes, or of some keys, go from which server to which between two versions
/// of a pool.
struct Movement {
    /// The indices of a server before and of one after.
    struct Route: Hashable {
        let old: UInt32
        let new: UInt32
    }

    enum Method: Equatable {
        /// Every hash was counted.
        case exact
        /// So many keys were made up, and placed.
        case sampled
    }

    /// Which keys were asked about.
    enum Keys {
        case all
        /// Those in which no hash tag, old or new, encloses anything.
        case untagged
        case tagged(HashTag)
    }

    let keys: Keys
    private(set) var method = Method.exact
    private(set) var counts: [Route: UInt64] = [:]

    /// Of hashes, or of keys.
    var total: UInt64 { counts.values.reduce(0, +) }

    /// The most steps of a walk; beyond that keys are sampled.
    private static let stepsMax: UInt64 = 1 << 24

    static let sampleCount: UInt64 = 100_000

    /// - Precondition: Neither pool leaves it to chance.
    init(from old: PoolConfiguration, to new: PoolConfiguration, keys: Keys) {
        self.keys = keys
        let (before, after) = (Layout(old), Layout(new))
        let range = old.hash.valueCount
        if case .tagged = keys {
            sample(from: old, to: new)
        } else if old.hash != new.hash && max(old.servers.count, new.servers.count) > 1 {
            sample(from: old, to: new)
        } else if walk(before, after, range: range) {
            return
        } else if before.period >= range {
            multiply(before, after, range: range) { Route(old: $0, new: $1) }
        } else if after.period >= range {
            multiply(after, before, range: range) { Route(old: $1, new: $0) }
        } else {
            sample(from: old, to: new)
        }
    }

    private mutating func add(_ count: UInt64, _ old: UInt32, _ new: UInt32) {
        guard count > 0 else { return }
        counts[Route(old: old, new: new), default: 0] += count
    }

    /// Steps along the hashes from border to border, until both layouts repeat together. False,
    /// with nothing done, when that takes too long.
    private mutating func walk(_ before: Layout, _ after: Layout, range: UInt64) -> Bool {
        let period = min(range, leastCommonMultiple(before.period, after.period))
        let steps = [before, after].reduce(0) {
            $0 + (period / $1.period + 1) * UInt64($1.ends.count)
        }
        guard steps <= Self.stepsMax else { return false }
        let (whole, rest) = range.quotientAndRemainder(dividingBy: period)
        var (left, right) = (Layout.Walk(before), Layout.Walk(after))
        var start: UInt64 = 0
        while start < period {
            left.advance(to: start)
            right.advance(to: start)
            let end = min(left.end, right.end, period)
            let inRest = min(end, rest) - min(start, rest)
            add((end - start) * whole + inRest, left.server, right.server)
            start = end
        }
        return true
    }

    /// Counts, in every stretch of a layout that does not repeat, what the other one makes of it.
    private mutating func multiply(
        _ fixed: Layout, _ repeating: Layout, range: UInt64, _ route: (UInt32, UInt32) -> Route
    ) {
        var found: [Route: UInt64] = [:]
        fixed.forEachStretch(below: range) { stretch, server in
            repeating.forEachStretch(below: repeating.period) { residues, other in
                let count =
                    Self.count(of: residues, below: stretch.upperBound, period: repeating.period)
                    - Self.count(of: residues, below: stretch.lowerBound, period: repeating.period)
                if count > 0 { found[route(server, other), default: 0] += count }
            }
        }
        counts = found
    }

    /// How many numbers below `limit` have one of these residues.
    private static func count(
        of residues: Range<UInt64>, below limit: UInt64, period: UInt64
    ) -> UInt64 {
        let (whole, rest) = limit.quotientAndRemainder(dividingBy: period)
        let inRest = min(rest, residues.upperBound) - min(rest, residues.lowerBound)
        return whole * UInt64(residues.count) + inRest
    }

    private mutating func sample(from old: PoolConfiguration, to new: PoolConfiguration) {
        method = .sampled
        let before = Topology(pool: old) { _ in true }
        let after = Topology(pool: new) { _ in true }
        for number in 0..<Self.sampleCount {
            let key = Self.key(number, keys)
            let (left, right) = (before.hash(of: key.span), after.hash(of: key.span))
            add(
                1, UInt32(before.server(forHash: left)), UInt32(after.server(forHash: right)))
        }
    }

    /// A key that is always the same for a number: digits and letters, in two parts.
    private static func key(_ number: UInt64, _ keys: Keys) -> [UInt8] {
        // Odd multipliers, so that no two numbers give the same: those of SplitMix64.
        let first = Array(String(number &* 0x9E37_79B9_7F4A_7C15, radix: 36).utf8)
        let second = Array(String(number &* 0xBF58_476D_1CE4_E5B9, radix: 36).utf8)
        return switch keys {
        case .all, .untagged: first + second
        case .tagged(let tag): first + [tag.open] + second + [tag.close]
        }
    }
}

/// - Precondition: Both are at most 2^32, or the result may not fit.
private func leastCommonMultiple(_ left: UInt64, _ right: UInt64) -> UInt64 {
    var (greater, lesser) = (left, right)
    while lesser > 0 { (greater, lesser) = (lesser, greater % lesser) }
    return left / greater * right
}
