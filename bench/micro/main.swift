import Config
import Glibc
import Proxy

// usage: micro [--tiny]
//
// CPU time of the inner parts of a request's life, one at a time: `swift run -c release micro`.
// With --tiny each part runs once, to show that it still does.

let arguments = CommandLine.arguments.dropFirst()
guard arguments.allSatisfy({ $0 == "--tiny" }) else {
    print("usage: micro [--tiny]")
    exit(64)
}
let harness = Harness(isTiny: !arguments.isEmpty)

harness.measure("the loop alone", unit: "key") { MicroBenchmarks.walk(iterations: $0) }

for function in HashFunction.allCases {
    harness.measure("hash \(function.rawValue)", unit: "key") {
        MicroBenchmarks.hash(with: function, iterations: $0)
    }
}

for (distribution, serverCount) in [
    (Distribution.ketama, 1), (.ketama, 2), (.ketama, 8), (.ketama, 256), (.modula, 8),
] {
    let topology = Topology(pool: pool(distribution, serverCount: serverCount)) { _ in true }
    harness.measure("route \(distribution.rawValue), servers: \(serverCount)", unit: "key") {
        MicroBenchmarks.route(with: topology, iterations: $0)
    }
}

/// A pool of servers of weight 1, hashed as most are.
func pool(_ distribution: Distribution, serverCount: Int) -> PoolConfiguration {
    let servers = (0..<serverCount).map { index in
        ServerConfiguration(
            name: "127.0.0.1:\(7000 + index)",
            address: .tcp(host: "127.0.0.1", port: UInt16(7000 + index)), weight: 1)
    }
    var pool = PoolConfiguration(
        name: "micro", listen: .tcp(host: "127.0.0.1", port: 22121), servers: servers)
    pool.hash = .fnv1a_64
    pool.distribution = distribution
    return pool
}
