import Testing

@testable import Proxy

@Suite struct ContinuumTests {
    /// Every shape of continuum, against a search that reads the points one by one.
    @Test(arguments: 0..<200)
    func findsWhatALinearSearchFinds(seed: UInt64) {
        var random = SplitMix64(state: seed)
        let points = randomPoints(&random)
        let bucketCount = 1 + Int(random.next() % UInt64(5 * points.count))
        let continuum = Continuum(points: points, range: 1 << 32, bucketCount: bucketCount)
        for point in points {
            for hash in [point.value &- 1, point.value, point.value &+ 1] {
                expect(continuum, points, hash)
            }
        }
        for hash in [0, 1, .max - 1, .max] as [UInt32] { expect(continuum, points, hash) }
        for _ in 0..<1000 {
            expect(continuum, points, UInt32(truncatingIfNeeded: random.next()))
        }
    }

    /// Steps have a range of their own; all of a small one, and the ends of every step of a great
    /// one, are looked up.
    @Test(arguments: [
        [1], [1, 1], [3, 1, 2], [100_000, 1, 50_000], [1, 1, 1, 4000], [4000, 1, 1, 1],
        [1, 1, 1, 1 << 31], [1 << 31, 1, 1, 1], [1 << 31, (1 << 31) - 2, 1],
    ])
    func stepsAreWideAsTheirWeights(_ weights: [UInt32]) {
        var sum: UInt32 = 0
        let points = weights.enumerated().map { index, weight in
            sum += weight
            return Continuum.Point(value: sum - 1, server: UInt32(index))
        }
        let continuum = Continuum(steps: points)
        var first: UInt32 = 0
        for (point, weight) in zip(points, weights) {
            #expect(continuum.server(at: first) == Int(point.server))
            #expect(continuum.server(at: first + weight / 2) == Int(point.server))
            #expect(continuum.server(at: point.value) == Int(point.server))
            first = point.value &+ 1
        }
        if sum < 10_000 {
            for number in 0..<sum { expect(continuum, points, number) }
        }
    }

    @Test func ofEqualPointsTheFirstIsFound() {
        let points = [(5, 2), (5, 0), (5, 1), (.max, 1), (.max, 0)].map {
            Continuum.Point(value: $0.0, server: $0.1)
        }
        let continuum = Continuum(points: points, range: 1 << 32, bucketCount: 4)
        #expect(continuum.server(at: 0) == 2)
        #expect(continuum.server(at: 5) == 2)
        #expect(continuum.server(at: 6) == 1)
        #expect(continuum.server(at: .max) == 1)
    }

    @Test func pastTheLastPointComesTheFirst() {
        let points = [Continuum.Point(value: 10, server: 7), Continuum.Point(value: 20, server: 8)]
        let continuum = Continuum(points: points, range: 1 << 32, bucketCount: 8)
        #expect(continuum.server(at: 20) == 8)
        #expect(continuum.server(at: 21) == 7)
        #expect(continuum.server(at: .max) == 7)
    }

    private func expect(
        _ continuum: borrowing Continuum, _ points: [Continuum.Point], _ hash: UInt32
    ) {
        let expected = points.first { $0.value >= hash } ?? points[0]
        let found = continuum.server(at: hash)
        #expect(found == Int(expected.server), "hash \(hash)")
    }

    /// One to three hundred points: spread out, in clusters, at the ends, or equal.
    private func randomPoints(_ random: inout SplitMix64) -> [Continuum.Point] {
        let count = 1 + Int(random.next() % (random.next() % 2 == 0 ? 4 : 300))
        let shape = random.next() % 4
        let center = UInt32(truncatingIfNeeded: random.next())
        let values = (0..<count).map { _ in
            let number = UInt32(truncatingIfNeeded: random.next())
            return switch shape {
            case 0: number
            case 1: center &+ number % 1000
            case 2: number % 2 == 0 ? number % 256 : ~(number % 256)
            default: number % 8 &* 0x2000_0000
            }
        }
        return values.sorted().map {
            Continuum.Point(value: $0, server: UInt32(random.next() % 50))
        }
    }
}
