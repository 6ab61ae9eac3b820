import Config

// What comes before any client's request on a new connection to a server: AUTH and SELECT, and on
// a probe the question whether it is back.

extension Worker where IO: ~Copyable {
    /// Queues what must come before any client's request, and, on a probe, the question.
    mutating func greet(on connection: Handle<ServerConnection>, in pool: Int) {
        let expectedKind = connections[connection].parser.kindOfGreetings
        // The last greeting is the question of a probe.
        let count = pools[pool].greetings.count &- (connections[connection].isProbe ? 0 : 1)
        for greeting in 0..<count {
            pools[pool].greetings[greeting].withSpan { bytes in
                mbufs.append(bytes, to: &connections[connection].greeting)
            }
            let request = requests.insert(
                Request(.greeting, client: .none, expecting: expectedKind))
            enqueue(request, on: connection)
            connections[connection].didAddGreeting()
        }
    }

    /// A reply to AUTH or SELECT. After a refusal nothing may be sent: it would reach the wrong
    /// database, or be refused.
    mutating func didGreet(
        _ connection: Handle<ServerConnection>, _ request: Handle<Request>
    ) {
        var reply = mbufs.cursor(of: requests[request].reply)
        let count = min(requests[request].reply.byteCount, 512)
        let protocolKind = connections[connection].parser.protocolKind
        let pool = Int(connections[connection].pool)
        let (isRefused, text) = reply.withBytes(count) { bytes in
            guard bytes.isRefusal(protocolKind) else { return (false, ShortText()) }
            return (
                true, pools[pool].password.withSpan { ShortText(error: bytes, hiding: $0) }
            )
        }
        mbufs.release(&requests[request].reply)
        requests.remove(request)
        if isRefused {
            let refused = failure(at: connection, isRefused: true)
            connections[connection].didRefuseGreeting()
            return fail(connection, .invalidReply, refused, text: text)
        }
        connections[connection].didGreet()
        noteReadiness(of: connection)
        touch(connection)
        if connections[connection].isProbe, connections[connection].phase == .ready {
            didProbe(connection)
        }
    }

    /// The greeting that a connection waits for; nil if it does not.
    mutating func unansweredGreeting(
        of connection: Handle<ServerConnection>
    ) -> GreetingFailure? {
        guard connections[connection].phase == .greeting else { return nil }
        return failure(at: connection, isRefused: false)
    }

    /// - Precondition: A reply to a greeting is still to come, or has just come.
    private mutating func failure(
        at connection: Handle<ServerConnection>, isRefused: Bool
    ) -> GreetingFailure {
        let pool = connections[connection].pool
        let left = Int(connections[connection].greetingCount)
        assert(left > 0)
        let isProbe = connections[connection].isProbe
        let greeting = pools[Int(pool)].greeting(left: left &- (isProbe ? 1 : 0))
        return GreetingFailure(
            greeting: greeting, isRefused: isRefused, pool: pool,
            server: connections[connection].server)
    }

    /// What a client reads whose request waited behind a greeting.
    mutating func append(
        _ failure: GreetingFailure, _ error: SystemError, to chain: inout MbufChain
    ) {
        mbufs.append("server ", to: &chain)
        pools[Int(failure.pool)].servers[Int(failure.server)].name.withSpan { name in
            for index in name.indices {
                let isPrintable = name[index] >= 0x20 && name[index] != 0x7F
                mbufs.append(isPrintable ? name[index] : UInt8(ascii: "?"), to: &chain)
            }
        }
        mbufs.append(failure.isRefused ? " refused " : " did not answer ", to: &chain)
        mbufs.append(failure.greeting.name, to: &chain)
        guard !failure.isRefused else { return }
        mbufs.append(": ", to: &chain)
        if error == .endOfStream {
            mbufs.append("it closed the connection", to: &chain)
        } else {
            mbufs.append(textOf: error, to: &chain)
        }
    }
}

extension Span<UInt8> {
    /// Whether the reply to a greeting says that it failed. A redis server without a password says
    /// so to AUTH, and is as usable as one that liked it (redis 6 and later, then older ones).
    fileprivate func isRefusal(_ protocolKind: ProtocolKind) -> Bool {
        switch protocolKind {
        case .redis:
            self[0] == UInt8(ascii: "-") && !hasPrefix("-ERR AUTH <password> called")
                && !hasPrefix("-ERR Client sent AUTH")
        case .memcache: !hasPrefix("VERSION")
        }
    }
}
