import Admin
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
        switch event.kind.level {
        case .error: .error
        case .warning: .warning
        case .info: .info
        case .debug: .debug
        }
    }

    func text(of event: LogEvent) -> String {
        let pool = configuration.pools[Int(event.pool)]
        return sentence(event, in: pool) + untold(event)
    }

    private func sentence(_ event: LogEvent, in pool: PoolConfiguration) -> String {
        switch event.kind {
        case .serverFailed:
            "\(server(event, in: pool)) failed\(beforeGreeting(event)): \(reason(event))"
        case .stepLost:
            "\(server(event, in: pool)) sent what is no reply to what it was asked: the "
                + "connection ends, and all requests on it fail"
        case .serverEjected:
            "\(server(event, in: pool)) is ejected; it is probed every "
                + "\(milliseconds(pool.serverRetryTimeout)) ms"
        case .serverRecovered: "\(server(event, in: pool)) answered a probe and is back"
        case .greetingRefused:
            "\(server(event, in: pool)) refused \(greeting(event, in: pool)): \(String(event.text))"
        case .serverConnected: "\(server(event, in: pool)) is connected"
        case .serverEnded: "\(server(event, in: pool)) ended an idle connection: \(reason(event))"
        case .probeFailed: "\(server(event, in: pool)) did not answer a probe: \(reason(event))"
        case .commandRefused:
            "pool '\(pool.name)' refused '\(String(event.text))' of a client\(peer(event)): "
                + refusal(event)
        case .clientRefused:
            "pool '\(pool.name)' refused a client\(peer(event)): it has \(event.count), and may "
                + "have no more"
        case .clientClosed:
            "pool '\(pool.name)' closed a client\(peer(event)) that "
                + (event.reason.map { Self.text(of: $0, event.count) } ?? "")
        case .memoryShort:
            "memory is short: messages take \(event.count >> 20) MiB; clients that send or hold "
                + "much are read one after another"
        case .serverStalled:
            "\(server(event, in: pool)) takes nothing and its queue is full: what is asked of it "
                + "gets an error until it does"
        case .clientsCutOff:
            "pool '\(pool.name)' closed \(event.count) clients that were still there when the time "
                + "to shut down was over"
        case .acceptFailed: "pool '\(pool.name)' cannot accept clients: \(reason(event))"
        case .clientAccepted: "pool '\(pool.name)' accepted client \(event.socket)\(peer(event))"
        case .clientEnded: "pool '\(pool.name)' has done with client \(event.socket)\(peer(event))"
        case .clientFailed:
            "pool '\(pool.name)' lost client \(event.socket)\(peer(event)): "
                + (event.errno == 0 ? "the connection ended" : "\(SystemError(code: event.errno))")
        }
    }

    /// What follows "closed a client that".
    private static func text(of reason: CloseReason, _ count: Int64) -> String {
        switch reason {
        case .notReading: "did not read: \(count) bytes of its replies waited for it"
        case .memoryLimit: "held \(count) bytes: memory is at its limit"
        case .authenticationTime: "did not authenticate in time"
        case .unauthenticatedCount: "sent too many arguments before it authenticated"
        case .unauthenticatedLength: "sent too long an argument before it authenticated"
        case .brokenReply: "was in the middle of a reply, whose server failed"
        case .shutdown: "was still there at the end"
        case .argumentCount: "sent an invalid number of arguments"
        case .bulkLength: "sent an invalid length of an argument"
        case .argumentStart: "sent something else than the length of an argument"
        case .argumentEnd: "sent an argument without a line end behind it"
        case .unbalancedQuotes: "sent a line with unbalanced quotes"
        case .requestSize: "sent too big a request"
        case .inlineSize, .lineLength: "sent too long a line"
        case .binaryProtocol: "spoke memcached's binary protocol"
        case .hypertext: "spoke HTTP"
        case .tls: "began a TLS handshake, on a port without TLS"
        case .proxyHeader: "sent a header of the PROXY protocol, which the port does not take"
        case .ssh: "spoke SSH"
        case .mail: "spoke SMTP"
        case .dictionary: "spoke DICT, as curl does"
        case .redisProtocol: "spoke redis' protocol, in a pool of memcached"
        case .memcacheProtocol: "spoke memcached's protocol, in a pool of redis"
        case .replyMode: "asked for no replies (CLIENT REPLY OFF or SKIP)"
        }
    }

    private func peer(_ event: LogEvent) -> String { Self.text(of: event.peer) }

    private static func text(of peer: PeerAddress) -> String {
        peer.text.map { " (\($0))" } ?? ""
    }

    private func greeting(_ event: LogEvent, in pool: PoolConfiguration) -> String {
        switch Greeting(rawValue: event.code &- 1) {
        case .database: "SELECT \(pool.redisDatabase)"
        case let greeting: greeting.map { "\($0.name)" } ?? "a greeting"
        }
    }

    private func beforeGreeting(_ event: LogEvent) -> String {
        Greeting(rawValue: event.code &- 1).map { " before it answered \($0.name)" } ?? ""
    }

    private func refusal(_ event: LogEvent) -> String {
        Refusal(rawValue: event.code &- 1).map { "\($0.text)" } ?? "redis does not know it either"
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

    private func untold(_ event: LogEvent) -> String { Self.untold(Int(event.untoldCount)) }

    private static func untold(_ count: Int) -> String {
        count == 0 ? "" : " (and \(count) times more since the last line)"
    }

    /// Of the statistics port, which is no pool's.
    static func text(of stranger: StatsStranger) -> String {
        "the statistics port closed a client\(text(of: stranger.peer)) that "
            + text(of: stranger.spoken.closeReason, 0) + untold(stranger.untoldCount)
    }

    private func milliseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}

extension String {
    /// What is not UTF-8 becomes replacement characters.
    fileprivate init(_ text: ShortText) {
        self.init(decoding: text.indices.map { text[$0] }, as: UTF8.self)
    }
}
