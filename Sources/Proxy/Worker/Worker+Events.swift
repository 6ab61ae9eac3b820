// What the operator is told: events for the log, no more of them than somebody can read.

/// What spares the log: a limit per server for its failures, and per pool for everything else of a
/// kind, or for each reason to close clients.
struct LogLimits: ~Copyable {
    private let servers: FixedArray<LogLimit>
    private let pools: FixedArray<LogLimit>

    private let kindCount = LogEvent.Kind.allCases.count
    private let perPool: Int

    init(serverCount: Int, poolCount: Int) {
        let perPool = LogEvent.Kind.allCases.count + CloseReason.count
        self.perPool = perPool
        servers = FixedArray(count: serverCount) { _ in LogLimit() }
        pools = FixedArray(count: poolCount * perPool) { _ in LogLimit() }
    }

    /// - Parameter place: Of the server among those of all pools.
    func takeFailure(ofServer place: Int, at now: UInt64) -> UInt32? {
        servers[place].take(at: now, perSecond: 1)
    }

    func take(
        _ kind: LogEvent.Kind, _ reason: CloseReason? = nil, ofPool pool: Int, at now: UInt64
    ) -> UInt32? {
        var topic = Int(kind.rawValue)
        if let reason { topic = kindCount &+ Int(reason.rawValue) }
        return pools[pool &* perPool &+ topic].take(at: now, perSecond: kind.perSecondMax)
    }
}

extension Worker where IO: ~Copyable {
    /// Whether the log shows events of this kind now.
    mutating func isLogged(_ kind: LogEvent.Kind) -> Bool {
        kind.level.rawValue <= process.value.logLevel.current
    }

    /// Tells of a server's failure, at most once a second.
    ///
    /// - Parameters:
    ///   - greeting: The one that it is about, or that was not answered yet.
    ///   - text: What the server said to it.
    mutating func report(
        _ kind: LogEvent.Kind, server: Int, of pool: Int, _ error: SystemError,
        _ greeting: Greeting? = nil, _ text: ShortText = ShortText()
    ) {
        let place = pools[pool].firstServer &+ server
        guard isLogged(kind), let untold = logLimits.takeFailure(ofServer: place, at: now) else {
            return
        }
        var event = LogEvent(kind, pool: pool, server: server, errno: error.errno)
        event.untoldCount = untold
        event.code = greeting.map { $0.rawValue &+ 1 } ?? 0
        event.text = text
        events.send(event)
    }

    /// Tells of what is no failure of a server, or of its pool.
    mutating func note(
        _ kind: LogEvent.Kind, server: Int = 0, of pool: Int, errno: Int32 = 0, count: Int = 0
    ) {
        guard isLogged(kind), let untold = logLimits.take(kind, ofPool: pool, at: now) else {
            return
        }
        var event = LogEvent(kind, pool: pool, server: server, errno: errno, count: count)
        event.untoldCount = untold
        events.send(event)
    }

    /// Tells of a client, or of one that is none yet, and who it is.
    mutating func note(
        _ kind: LogEvent.Kind, client socket: Socket, of pool: Int,
        reason: CloseReason? = nil, errno: Int32 = 0, count: Int = 0
    ) {
        guard isLogged(kind), let untold = logLimits.take(kind, reason, ofPool: pool, at: now)
        else { return }
        var event = LogEvent(kind, pool: pool, errno: errno, count: count)
        event.reason = reason
        event.socket = socket.descriptor
        event.peer = ring.peer(of: socket)
        event.untoldCount = untold
        events.send(event)
    }

    // MARK: Ends of clients

    /// The proxy ends a client's connection now.
    ///
    /// - Parameter count: What the client had of what `reason` is about, for the log.
    mutating func close(
        _ client: Handle<ClientConnection>, because reason: CloseReason, count: Int = 0
    ) {
        noteEnd(of: client, because: reason, count: count)
        close(client, isError: true)
    }

    /// The proxy ends a client's connection behind the replies to what was asked before.
    mutating func end(
        _ client: Handle<ClientConnection>, because reason: CloseReason, count: Int = 0
    ) {
        noteEnd(of: client, because: reason, count: count)
        clients[client].endInError()
    }

    /// Counts and tells that the proxy ends a client's connection, once for each client.
    mutating func noteEnd(
        of client: Handle<ClientConnection>, because reason: CloseReason, count: Int = 0
    ) {
        guard clients[client].phase == .open || clients[client].phase == .draining,
            !clients[client].isInError
        else { return }
        let pool = Int(clients[client].pool)
        counters.value.pools[pool].clientsClosed[Int(reason.rawValue)].add(1)
        note(
            .clientClosed, client: clients[client].socket, of: pool, reason: reason, count: count)
    }

    /// A client's connection is about to be closed.
    mutating func noteEnd(of client: Handle<ClientConnection>) {
        guard !clients[client].isInError else { return }
        note(.clientEnded, client: clients[client].socket, of: Int(clients[client].pool))
    }

    /// A client's connection broke.
    mutating func lose(_ client: Handle<ClientConnection>, errno: Int32) {
        guard clients[client].phase == .open || clients[client].phase == .draining else { return }
        if !clients[client].isInError {
            note(
                .clientFailed, client: clients[client].socket, of: Int(clients[client].pool),
                errno: errno)
        }
        close(client, isError: true)
    }

    // MARK: Servers

    /// Requests can go on a server connection, if nothing is left that must come before them.
    mutating func noteReadiness(of connection: Handle<ServerConnection>) {
        guard connections[connection].phase == .ready else { return }
        let pool = Int(connections[connection].pool)
        let server = Int(connections[connection].server)
        note(.serverConnected, server: server, of: pool)
    }
}

extension RESPRequestParser.Violation {
    var closeReason: CloseReason {
        switch self {
        case .argumentCount: .argumentCount
        case .bulkLength: .bulkLength
        case .expectedBulk: .argumentStart
        case .expectedLineEnd: .argumentEnd
        case .tooBigRequest: .requestSize
        case .tooBigInline: .inlineSize
        case .unbalancedQuotes: .unbalancedQuotes
        case .unauthenticatedCount: .unauthenticatedCount
        case .unauthenticatedLength: .unauthenticatedLength
        }
    }
}

extension MemcacheProblem {
    /// Nil where the connection goes on.
    var closeReason: CloseReason? {
        switch self {
        case .tooLongLine: .lineLength
        case .binaryProtocol: .binaryProtocol
        case .hypertext: .hypertext
        default: nil
        }
    }
}
