import Config

/// Where twemproxy puts the points of consistent hashing.
///
/// Source: twemproxy nc_ketama.c, float rounding included.
enum Ketama {
    /// Every digest of MD5 makes four points.
    private static let pointsPerDigest = 4

    /// twemproxy formats a server's name and a counter into 273 bytes, one of them the NUL.
    private static let labelBytesMax = 272

    /// Slots of the continuum for every point; see `Continuum` for what they cost.
    static let bucketsPerPoint = 4

    /// The points of the live servers, ascending; those of equal value stay in server order.
    ///
    /// - Parameter live: The indices of the servers that take part, ascending.
    static func points(of servers: [ServerConfiguration], live: [Int]) -> [Continuum.Point] {
        let totalWeight = live.reduce(UInt64(0)) { $0 + UInt64(servers[$1].weight) }
        var points: [Continuum.Point] = []
        for index in live {
            let server = servers[index]
            let count = pointCount(
                weight: server.weight, totalWeight: totalWeight, liveCount: live.count)
            for digest in 0..<(count / pointsPerDigest) {
                let label = Array("\(server.name)-\(digest)".utf8.prefix(labelBytesMax))
                let words = MD5.words(label.span)
                for word in words.indices {
                    points.append(Continuum.Point(value: words[word], server: UInt32(index)))
                }
            }
        }
        return sorted(points)
    }

    /// How many points a server gets: 160 times its share of the weight and the number of
    /// servers, cut to a multiple of four. Every step rounds to a `Float`, so that 25 equal
    /// servers get 156 each; a small share can get none.
    static func pointCount(weight: Int32, totalWeight: UInt64, liveCount: Int) -> Int {
        let share = Float(weight) / Float(totalWeight)
        let digests = share * 160 / 4 * Float(liveCount)
        let nudged = Float(Double(digests) + 0.0000000001)
        return Int(nudged) * pointsPerDigest
    }

    /// Sorts by value and keeps the order of equals, which `sort()` does not promise.
    private static func sorted(_ points: [Continuum.Point]) -> [Continuum.Point] {
        var order = points.indices.map { UInt64(points[$0].value) << 32 | UInt64($0) }
        order.sort()
        return order.map { points[Int(truncatingIfNeeded: $0 & 0xFFFF_FFFF)] }
    }
}
