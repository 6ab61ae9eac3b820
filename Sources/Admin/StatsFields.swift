import Proxy

// The fields of the statistics document, in its order. Exporters read every one of them by its
// name and take anything else for a pool or a server: nothing is ever added here, removed,
// renamed, or moved (twemproxy nc_stats.h).

/// Whether a number may fall again. One that may is never shown below zero, which a sum over
/// workers can be for the moment between two of their steps.
enum StatsKind {
    /// A counter, or the time when something happened last.
    case rising
    case gauge
}

/// One number of a pool.
struct PoolField: Sendable {
    let name: StaticString
    let kind: StatsKind
    let count: @Sendable (borrowing PoolCounters) -> Int

    static let all = [
        PoolField(name: "client_eof", kind: .rising) { $0.clientEOF.current },
        PoolField(name: "client_err", kind: .rising) { $0.clientErr.current },
        PoolField(name: "client_connections", kind: .gauge) { $0.clientConnections.current },
        PoolField(name: "server_ejects", kind: .rising) { $0.serverEjects.current },
        PoolField(name: "forward_error", kind: .rising) { $0.forwardError.current },
        PoolField(name: "fragments", kind: .rising) { $0.fragments.current },
    ]
}

/// One number of a server.
struct ServerField: Sendable {
    let name: StaticString
    let kind: StatsKind
    /// How the numbers of two workers become one.
    var combine: @Sendable (Int, Int) -> Int = { $0 &+ $1 }
    let count: @Sendable (borrowing ServerCounters) -> Int

    static let all = [
        ServerField(name: "server_eof", kind: .rising) { $0.serverEOF.current },
        ServerField(name: "server_err", kind: .rising) { $0.serverErr.current },
        ServerField(name: "server_timedout", kind: .rising) { $0.serverTimedout.current },
        ServerField(name: "server_connections", kind: .gauge) { $0.serverConnections.current },
        // A moment: the last one counts.
        ServerField(name: "server_ejected_at", kind: .rising, combine: { max($0, $1) }) {
            $0.serverEjectedAt.current
        },
        ServerField(name: "requests", kind: .rising) { $0.requests.current },
        ServerField(name: "request_bytes", kind: .rising) { $0.requestBytes.current },
        ServerField(name: "responses", kind: .rising) { $0.responses.current },
        ServerField(name: "response_bytes", kind: .rising) { $0.responseBytes.current },
        ServerField(name: "in_queue", kind: .gauge) { $0.inQueue.current },
        ServerField(name: "in_queue_bytes", kind: .gauge) { $0.inQueueBytes.current },
        ServerField(name: "out_queue", kind: .gauge) { $0.outQueue.current },
        ServerField(name: "out_queue_bytes", kind: .gauge) { $0.outQueueBytes.current },
    ]
}
