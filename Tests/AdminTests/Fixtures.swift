import Config
import Foundation

@testable import Proxy

/// What `Scripts/make-stats-document.py` captured from nutcracker, and how to get there.
enum Captured {
    /// The document, to the byte.
    static func document() throws -> [UInt8] {
        let url = Bundle.module.url(
            forResource: "nutcracker", withExtension: "json", subdirectory: "Documents")!
        return Array(try Data(contentsOf: url))
    }

    /// The pools of its configuration, in the order that `Configuration` promises.
    static let configuration = makeConfiguration([
        ("be", ["127.0.0.1", "127.0.0.1:25784"]), ("alpha", ["cache2", "127.0.0.1:25783"]),
    ])

    /// Counters of two workers whose sums are the numbers of the document. The gauges of one are
    /// negative, as they are when a connection is closed by a worker that did not open it.
    static func workers() -> [Shared<WorkerCounters>] {
        let workers = (0..<2).map { _ in Shared(WorkerCounters(configuration)) }
        let (first, second) = (workers[0], workers[1])
        first.value.totalConnections.set(5)
        second.value.totalConnections.set(7)
        first.value.currConnections.set(10)
        second.value.currConnections.set(-1)

        first.value.pools[0].clientConnections.set(2)
        second.value.pools[0].serverEjects.set(1)
        first.value.pools[0].forwardError.set(1)
        first.value.pools[1].clientEOF.set(1)
        second.value.pools[1].clientErr.set(1)
        first.value.pools[1].clientConnections.set(3)
        second.value.pools[1].clientConnections.set(-1)

        first.value.servers[0].serverErr.set(1)
        first.value.servers[0].serverEjectedAt.set(1_795_350_877_123_456)
        second.value.servers[0].serverEjectedAt.set(1_795_350_000_000_000)
        second.value.servers[0].requests.set(1)
        second.value.servers[0].requestBytes.set(21)
        first.value.servers[1].requests.set(1)
        first.value.servers[1].requestBytes.set(21)
        first.value.servers[1].inQueue.set(1)
        first.value.servers[1].inQueueBytes.set(21)
        first.value.servers[2].serverConnections.set(1)
        for (worker, share) in zip(workers, [2, 3]) {
            worker.value.servers[2].requests.set(share)
            worker.value.servers[2].responses.set(share)
            worker.value.servers[2].responseBytes.set(share * 11)
        }
        first.value.servers[2].requestBytes.set(100)
        second.value.servers[2].requestBytes.set(6)
        second.value.servers[3].serverConnections.set(1)
        second.value.servers[3].requests.set(3)
        second.value.servers[3].requestBytes.set(63)
        second.value.servers[3].outQueue.set(3)
        second.value.servers[3].outQueueBytes.set(63)
        return workers
    }
}

func makeConfiguration(_ pools: [(name: String, servers: [String])]) -> Configuration {
    Configuration(
        pools: pools.map { pool in
            PoolConfiguration(
                name: pool.name, listen: .tcp(host: "127.0.0.1", port: 1),
                servers: pool.servers.map {
                    ServerConfiguration(
                        name: $0, address: .tcp(host: "127.0.0.1", port: 1), weight: 1)
                })
        })
}
