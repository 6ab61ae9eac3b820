/// The servers of a pool around a circle of numbers: which server takes which hash.
///
/// A hash belongs to the server of the first point at or after it, and past the last point to
/// that of the first.
///
/// The points lie in one sorted array with gaps. The range of hashes is cut into equal buckets,
/// one slot each; a point goes into the slot of its bucket, or into the next one still free
/// behind the points before it. Every slot up to a point and not taken by an earlier one holds a
/// copy of it, and a copy of the first point stands behind the last. So the slots ascend, and
/// the first one at or after a hash's bucket whose value is not below the hash is the answer:
///
///     points            12   17          61
///     bucket     0-9   10-19 20-29 30-39 40-49 50-59 60-69 70-79 …
///     slot       12    12    17    61    61    61    61    (12)  …
///
/// With four slots to a point a lookup multiplies once and reads 1.2 slots on average, which
/// mostly share a cache line. At random hashes that takes 3 ns with 2 or 8 servers and 4 ns with
/// 100, where a binary search of the points takes 35, 46 and 61 ns, as its branches cannot be
/// predicted. A slot is 8 bytes, so a ketama server of 160 points costs 5 KiB.
package struct Continuum: ~Copyable {
    /// A point and, in a slot, a copy of one.
    package struct Point: BitwiseCopyable, Equatable, Sendable {
        package let value: UInt32
        /// The index of the server in its pool.
        package let server: UInt32
    }

    private let slots: FixedArray<Point>

    /// Slots per hash, times 2^32.
    private let scale: UInt64

    /// - Parameters:
    ///   - points: At least one, with ascending values below `range`.
    ///   - range: One more than the greatest hash, at least 1 and at most 2^32.
    ///   - bucketCount: At least 1; more are faster, and 8 bytes each.
    init(points: [Point], range: UInt64, bucketCount: Int) {
        precondition(!points.isEmpty && bucketCount > 0)
        precondition(range > 0 && range <= 1 << 32)
        let scale = (UInt64(bucketCount) << 32) / range
        let last = Point(value: .max, server: points[0].server)
        var filled: [Point] = []
        filled.reserveCapacity(bucketCount + points.count + 1)
        for point in points {
            assert(UInt64(point.value) < range)
            let bucket = Self.bucket(of: point.value, scale: scale)
            repeat { filled.append(point) } while filled.count <= bucket
        }
        repeat { filled.append(last) } while filled.count <= bucketCount
        slots = FixedArray(count: filled.count) { filled[$0] }
        self.scale = scale
    }

    /// A continuum of numbers that count up to the value of the last point.
    ///
    /// Up to 4,096 of them have a slot each, so that a lookup is a load.
    init(steps points: [Point]) {
        let range = UInt64(points[points.count - 1].value) + 1
        let bucketCount = Int(min(range, UInt64(max(4096, 4 * points.count))))
        self.init(points: points, range: range, bucketCount: bucketCount)
    }

    /// The index of the server that takes `hash`.
    ///
    /// - Precondition: `hash` is below the range.
    func server(at hash: UInt32) -> Int {
        var slot = Self.bucket(of: hash, scale: scale)
        // Ends at the copy of the first point, whose value no hash exceeds.
        while slots[slot].value < hash { slot &+= 1 }
        return Int(slots[slot].server)
    }

    /// Rises with `hash`, and is below the number of buckets for every hash of the range.
    private static func bucket(of hash: UInt32, scale: UInt64) -> Int {
        Int(truncatingIfNeeded: (UInt64(hash) &* scale) >> 32)
    }
}
