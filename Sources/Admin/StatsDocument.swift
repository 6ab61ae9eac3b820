import Config
import Proxy

/// twemproxy's statistics document, from the counters of all workers at this moment.
///
/// The layout is frozen to the byte: members are joined by `, `, a scalar follows its colon
/// without a blank, an object with one, and after a closing brace comes `,` without a blank.
///
///     {"service":"nutcracker", …, "curr_connections":5, "pool": {"client_eof":1, …,
///     "fragments":0, "server": {…},"server": {…}},"pool": {…}}
///
/// What twemproxy gets wrong is right here: names are escaped, gauges are never negative, and
/// the numbers are of now.
package struct StatsDocument: Sendable {
    /// What exporters take for the program and its version, whatever this one is called.
    static let service = "nutcracker"
    static let version = "0.5.0"

    private let source: String
    private let pools: [PoolConfiguration]
    private let workers: [Shared<WorkerCounters>]

    /// - Parameters:
    ///   - source: The name of the host.
    ///   - workers: What each worker counts for this configuration.
    package init(
        of configuration: Configuration, workers: [Shared<WorkerCounters>], source: String
    ) {
        self.source = source
        pools = configuration.pools
        self.workers = workers
    }

    /// The whole document, with a line feed at its end.
    ///
    /// - Parameters:
    ///   - uptime: Seconds since the start.
    ///   - timestamp: Seconds since 1970.
    package func bytes(uptime: Int, timestamp: Int) -> [UInt8] {
        var text = StatsText()
        text.append("{\"service\":")
        text.appendQuoted(Self.service)
        text.append(", \"source\":")
        text.appendQuoted(source)
        text.append(", \"version\":")
        text.appendQuoted(Self.version)
        text.append(", \"uptime\":\(uptime), \"timestamp\":\(timestamp)")
        let total = workers.reduce(0) { $0 &+ $1.value.totalConnections.current }
        let current = workers.reduce(0) { $0 &+ $1.value.currConnections.current }
        text.append(", \"total_connections\":\(total), \"curr_connections\":\(max(current, 0)), ")
        var serverStart = 0
        for (index, pool) in pools.enumerated() {
            if index > 0 { text.append(",") }
            append(pool, at: index, serverStart: serverStart, to: &text)
            serverStart += pool.servers.count
        }
        text.append("}\n")
        return text.bytes
    }

    /// - Parameter serverStart: The index of the pool's first server among those of all pools.
    private func append(
        _ pool: PoolConfiguration, at index: Int, serverStart: Int, to text: inout StatsText
    ) {
        text.appendQuoted(pool.name)
        text.append(": {")
        for field in PoolField.all {
            let sum = workers.reduce(0) { $0 &+ field.count($1.value.pools[index]) }
            text.append(field.name, field.kind.shown(sum))
            text.append(", ")
        }
        for (offset, server) in pool.servers.enumerated() {
            if offset > 0 { text.append(",") }
            append(server, at: serverStart + offset, to: &text)
        }
        text.append("}")
    }

    private func append(
        _ server: ServerConfiguration, at index: Int, to text: inout StatsText
    ) {
        text.appendQuoted(server.name)
        text.append(": {")
        for (position, field) in ServerField.all.enumerated() {
            let sum = workers.reduce(0) {
                field.combine($0, field.count($1.value.servers[index]))
            }
            if position > 0 { text.append(", ") }
            text.append(field.name, field.kind.shown(sum))
        }
        text.append("}")
    }
}

extension StatsKind {
    fileprivate func shown(_ number: Int) -> Int {
        switch self {
        case .rising: number
        case .gauge: max(number, 0)
        }
    }
}
