import Config
import Testing

@testable import Proxy

@Suite struct KetamaTests {
    /// twemproxy's own rounding costs each of these numbers of equal servers four points.
    @Test(arguments: [25, 47, 50, 55, 61, 71, 94, 100, 107])
    func roundingTakesADigest(_ serverCount: Int) {
        let servers = equalServers(serverCount)
        let points = Ketama.points(of: servers, live: Array(servers.indices))
        #expect(counts(points, serverCount) == Array(repeating: 156, count: serverCount))
    }

    @Test func otherNumbersOfEqualServersGet160Points() {
        let rounded: Set = [25, 47, 50, 55, 61, 71, 94, 100]
        for count in 1...100 where !rounded.contains(count) {
            #expect(
                Ketama.pointCount(weight: 1, totalWeight: UInt64(count), liveCount: count) == 160,
                "\(count) servers")
        }
    }

    @Test func aSmallShareGetsNoPoint() {
        #expect(Ketama.pointCount(weight: 1, totalWeight: 100_001, liveCount: 2) == 0)
        #expect(Ketama.pointCount(weight: 100_000, totalWeight: 100_001, liveCount: 2) == 316)
    }

    @Test func theGreatestWeightsDoNotOverflow() {
        let total = 3 * UInt64(Int32.max)
        #expect(Ketama.pointCount(weight: .max, totalWeight: total, liveCount: 3) == 160)
    }

    @Test func pointsAscend() {
        let servers = equalServers(40)
        let points = Ketama.points(of: servers, live: Array(servers.indices))
        #expect(zip(points, points.dropFirst()).allSatisfy { $0.value <= $1.value })
    }

    /// Everything beyond 272 bytes of name and counter is cut off, so every digest is the same,
    /// and equal points keep the order of the servers.
    @Test func longNamesCollideAndKeepServerOrder() {
        let name = String(repeating: "n", count: 272)
        let servers = ["a", "b"].map { server(named: name + $0) }
        let points = Ketama.points(of: servers, live: [0, 1])
        #expect(points.count == 320)
        #expect(Set(points.map(\.value)).count == 4)
        #expect(points.prefix(40).allSatisfy { $0 == points[0] && $0.server == 0 })
        #expect(points[40..<80].allSatisfy { $0.value == points[0].value && $0.server == 1 })
    }

    /// Of the counters 0 to 39, one digit fits behind a name of 270 bytes: 0 to 9 remain.
    @Test func theCounterIsCutAt272Bytes() {
        let servers = [server(named: String(repeating: "n", count: 270))]
        let points = Ketama.points(of: servers, live: [0])
        #expect(points.count == 160)
        #expect(Set(points.map(\.value)).count == 40)
    }

    private func counts(_ points: [Continuum.Point], _ serverCount: Int) -> [Int] {
        points.reduce(into: Array(repeating: 0, count: serverCount)) { $0[Int($1.server)] += 1 }
    }
}

func server(named name: String, weight: Int32 = 1) -> ServerConfiguration {
    ServerConfiguration(name: name, address: .tcp(host: "127.0.0.1", port: 1), weight: weight)
}

func equalServers(_ count: Int) -> [ServerConfiguration] {
    (0..<count).map { server(named: "127.0.0.1:\(20_000 + $0)") }
}
