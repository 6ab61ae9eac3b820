import Config
import Testing

@testable import Proxy

/// The loops of `bench/micro` do what their numbers claim. Nothing here looks at time.
struct MicroBenchmarksTests {
    private static let period = MicroBenchmarks.period

    /// Written out once more, so that the sums below have another source than the loops.
    private static func key(_ number: Int) -> [UInt8] {
        let digits = String(number)
        return Array(("key:" + String(repeating: "0", count: 12 - digits.count) + digits).utf8)
    }

    private static func pool(_ distribution: Distribution) -> PoolConfiguration {
        let servers = (1...3).map { index in
            ServerConfiguration(
                name: "server\(index)",
                address: .tcp(host: "127.0.0.1", port: UInt16(7000 + index)), weight: 1)
        }
        var pool = PoolConfiguration(
            name: "pool", listen: .tcp(host: "127.0.0.1", port: 22121), servers: servers)
        pool.distribution = distribution
        return pool
    }

    @Test(arguments: HashFunction.allCases)
    func hashesEveryKeyOncePerPeriod(_ function: HashFunction) {
        var sum: UInt64 = 0
        for number in 0..<Self.period {
            sum += UInt64(KeyHasher(function).hash(Self.key(number).span))
        }
        #expect(MicroBenchmarks.hash(with: function, iterations: Self.period) == sum)
        #expect(MicroBenchmarks.hash(with: function, iterations: 2 * Self.period) == 2 * sum)
    }

    @Test(arguments: [Distribution.ketama, .modula])
    func routesEveryKeyOncePerPeriod(_ distribution: Distribution) {
        let topology = Topology(pool: Self.pool(distribution)) { _ in true }
        var sum: UInt64 = 0
        for number in 0..<Self.period {
            let hash = topology.hash(of: Self.key(number).span)
            sum += UInt64(topology.server(forHash: hash)) + 1
        }
        let once = MicroBenchmarks.route(with: topology, iterations: Self.period)
        let twice = MicroBenchmarks.route(with: topology, iterations: 2 * Self.period)
        #expect(once == sum)
        #expect(twice == 2 * sum)
    }

    @Test func parsesEveryRequestOnce() {
        let request = Array("*2\r\n$3\r\nGET\r\n$2\r\nab\r\n".utf8)
        let requests = request + request
        let sum = UInt64(request.count + requests.count + 2 * 2)
        let once = MicroBenchmarks.parse(requests: requests.span, iterations: 2)
        let twice = MicroBenchmarks.parse(requests: requests.span, iterations: 4)
        #expect(once == sum)
        #expect(twice == 2 * sum)
    }

    @Test func parsesEveryReplyOnce() {
        let replies = Array("+OK\r\n$-1\r\n".utf8)
        let sum = UInt64(5 + 10) + UInt64(UInt8(ascii: "+")) + UInt64(UInt8(ascii: "$"))
        let once = MicroBenchmarks.parse(replies: replies.span, iterations: 2)
        let twice = MicroBenchmarks.parse(replies: replies.span, iterations: 4)
        #expect(once == sum)
        #expect(twice == 2 * sum)
    }

    @Test func saysThatAParserFailed() {
        let wrong = Array("*1\r\n:3\r\n".utf8)
        let requestSum = MicroBenchmarks.parse(requests: wrong.span, iterations: 1)
        let replySum = MicroBenchmarks.parse(replies: Array("?\r\n".utf8).span, iterations: 1)
        #expect(requestSum == 0)
        #expect(replySum == 0)
    }

    @Test(arguments: ["GET", "zrevrangebyscore"])
    func findsTheCommandEveryOtherTime(_ name: String) {
        let bytes = Array(name.utf8)
        let id = UInt64(CommandTable().find(bytes.span).id)
        let sum = MicroBenchmarks.find(command: bytes.span, iterations: 6)
        #expect(id != 0)
        #expect(sum == 3 * id)
    }

    @Test func walksOverEveryKeyOncePerPeriod() {
        var sum: UInt64 = 0
        for number in 0..<Self.period { sum += UInt64(Self.key(number).last ?? 0) }
        #expect(MicroBenchmarks.walk(iterations: Self.period) == sum)
    }
}
