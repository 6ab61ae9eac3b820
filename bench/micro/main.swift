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

let value = String(repeating: "x", count: 64)
let requests = [
    ("GET", "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n"),
    ("SET", "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$64\r\n\(value)\r\n"),
    ("MGET of 10", "*11\r\n$4\r\nMGET\r\n" + repeated("$16\r\nkey:000000000001\r\n", 10)),
]
for (name, request) in requests {
    let bytes = Array(repeated(request, 64).utf8)
    harness.measure("parse \(name)", unit: "request") {
        MicroBenchmarks.parse(requests: bytes.span, iterations: $0)
    }
}

let replies = [
    ("+OK", "+OK\r\n"),
    ("64 bytes", "$64\r\n\(value)\r\n"),
    ("array of 10", "*10\r\n" + repeated("$64\r\n\(value)\r\n", 10)),
]
for (name, reply) in replies {
    let bytes = Array(repeated(reply, 64).utf8)
    harness.measure("parse reply, \(name)", unit: "reply") {
        MicroBenchmarks.parse(replies: bytes.span, iterations: $0)
    }
}

for name in ["GET", "zrevrangebyscore"] {
    let bytes = Array(name.utf8)
    harness.measure("find \(name)", unit: "name") {
        MicroBenchmarks.find(command: bytes.span, iterations: $0)
    }
}

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

func repeated(_ text: String, _ count: Int) -> String {
    String(repeating: text, count: count)
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
