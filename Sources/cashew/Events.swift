import Config
import Proxy

/// Writes what workers report to the log.
struct EventLog {
    private let events: EventPipe<LogEvent>
    private let texts: EventTexts
    private let log: Log

    init(_ events: EventPipe<LogEvent>, of configuration: Configuration, to log: Log) {
        self.events = events
        texts = EventTexts(configuration)
        self.log = log
    }

    /// Becomes readable when there is something to write.
    var descriptor: Int32 { events.readEnd }

    func writeAll() {
        while let event = events.next() {
            log.write(texts.level(of: event), texts.text(of: event))
        }
    }
}

/// The words for what workers report: one line each, with pool, server and reason.
struct EventTexts {
    private let configuration: Configuration

    init(_ configuration: Configuration) {
        self.configuration = configuration
    }

    func level(of event: LogEvent) -> LogLevel {
        switch event.kind {
        case .serverFailed, .serverEjected, .serverRecovered, .clientRefused: .warning
        case .greetingRefused, .clientOverLimit, .acceptFailed: .error
        }
    }

    func text(of event: LogEvent) -> String {
        let pool = configuration.pools[Int(event.pool)]
        return switch event.kind {
        case .serverFailed:
            "\(server(event, in: pool)) failed: \(reason(event))\(unreported(event))"
        case .serverEjected:
            "\(server(event, in: pool)) is ejected; it is probed every "
                + "\(milliseconds(pool.serverRetryTimeout)) ms"
        case .serverRecovered:
            "\(server(event, in: pool)) answered a probe and is back"
        case .greetingRefused:
            "\(server(event, in: pool)) refused AUTH or SELECT \(pool.redisDatabase)"
        case .clientRefused:
            "pool '\(pool.name)' refused a client: it has \(event.count), and may have no more"
        case .clientOverLimit:
            "pool '\(pool.name)' closed a client that held \(event.count) bytes: memory is at "
                + "its limit"
        case .acceptFailed:
            "pool '\(pool.name)' cannot accept clients: \(reason(event))"
        }
    }

    private func server(_ event: LogEvent, in pool: PoolConfiguration) -> String {
        let server = pool.servers[Int(event.server)]
        let address =
            switch server.address {
            case .tcp(let host, let port): "\(host):\(port)"
            case .unix(let path): path
            }
        return "pool '\(pool.name)' server '\(server.name)' (\(address))"
    }

    /// An errno of 0 is the server's own end of the connection.
    private func reason(_ event: LogEvent) -> String {
        event.errno == 0 ? "it closed the connection" : "\(SystemError(code: event.errno))"
    }

    private func unreported(_ event: LogEvent) -> String {
        event.count == 0 ? "" : " (and \(event.count) times more since the last line)"
    }

    private func milliseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
