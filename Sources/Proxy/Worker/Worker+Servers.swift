import Config

// The life of a connection to a server: open, greet, fail, and close.

extension Worker where IO: ~Copyable {
    /// Opens a connection in a lane that has none. If the process has no descriptor for it, the
    /// lane gets that of another.
    mutating func open(
        to server: Int, in pool: Int, lane: Int
    ) -> Result<Handle<ServerConnection>, SystemError> {
        let isFirst = pools[pool].servers[server].connectionCount == 0
        if isFirst || process.value.admitsConnection {
            let opened = open(to: server, in: pool, isFurther: !isFirst)
            guard case .failure(let error) = opened, error.isOwn else {
                if case .success(let connection) = opened {
                    pools[pool].servers[server].didOpen(connection, in: lane)
                }
                return opened
            }
        }
        let shared = pools[pool].servers[server].shareConnection(with: lane)
        return shared.isNone ? .failure(.noDescriptor) : .success(shared)
    }

    /// Opens a connection that is in no lane yet.
    ///
    /// - Parameters:
    ///   - isProbe: Whether it is to find out if the server is back, and is nobody else's.
    ///   - isFurther: Whether the server has another.
    mutating func open(
        to server: Int, in pool: Int, isProbe: Bool = false, isFurther: Bool = false
    ) -> Result<Handle<ServerConnection>, SystemError> {
        guard !connections.isFull else { return .failure(.noDescriptor) }
        let place = pools[pool].firstServer &+ server
        let connection = connections.insert(
            ServerConnection(
                pool: pool, server: server, place: place, openedAt: now, isProbe: isProbe,
                isFurther: isFurther, protocolKind: pools[pool].protocolKind,
                queueMax: pools[pool].queueMax(ofServer: limits.serverQueueMax)))
        connections[connection].didMove(at: milliseconds)
        counters.value.totalConnections.add(1)
        counters.value.currConnections.add(1)
        if isFurther { process.value.descriptors.furtherConnections.add(1) }
        if let error = resolve(connection) {
            didFailToOpen(server, in: pool, error, isProbe: isProbe)
            didClose(connection)
            return .failure(error)
        }
        greet(on: connection, in: pool)
        return .success(connection)
    }

    /// What this process is short of is no failure of the server.
    private mutating func didFailToOpen(
        _ server: Int, in pool: Int, _ error: SystemError, isProbe: Bool
    ) {
        counters.value.servers[pools[pool].firstServer &+ server].serverErr.add(1)
        report(.serverFailed, server: server, of: pool, error)
        if !isProbe, !error.isOwn { didFail(server: server, of: pool, openedAt: now) }
    }

    mutating func preconnect(to server: Int, in pool: Int) {
        guard pools[pool].servers[server].connectionCount == 0 else { return }
        let lane = pools[pool].servers[server].takeLane()
        if case .failure = open(to: server, in: pool, lane: lane) {
            scheduleReopening(of: server, in: pool)
        }
    }

    /// Ends a server connection, and tells everybody who waits for a reply on it.
    ///
    /// - Parameters:
    ///   - refused: The greeting that was answered with an error, if that is why.
    ///   - text: That error.
    mutating func fail(
        _ connection: Handle<ServerConnection>, _ error: SystemError,
        _ refused: GreetingFailure? = nil, text: ShortText = ShortText()
    ) {
        assert(connections[connection].phase != .closing)
        let greeting = refused ?? unansweredGreeting(of: connection)
        let pool = Int(connections[connection].pool)
        let server = Int(connections[connection].server)
        pools[pool].servers[server].didClose(connection)
        if connections[connection].phase == .connecting { avoidAddress(of: connection) }
        var request = connections[connection].firstRequest
        var left = connections[connection].requestCount
        let silentCount = connections[connection].silentCount
        count(failure: error, of: connection)
        if let refused {
            report(.greetingRefused, server: server, of: pool, error, refused.greeting, text)
        }
        if connections[connection].isProbe {
            note(.probeFailed, server: server, of: pool, errno: error.errno)
            probe(pools[pool].firstServer &+ server, after: pools[pool].retryTimeout)
        } else if left > 0 || silentCount > 0 || connections[connection].phase != .ready {
            // What a server sends that is no reply has been reported as that.
            if refused == nil, error != .invalidReply {
                report(.serverFailed, server: server, of: pool, error, greeting?.greeting)
            }
            let openedAt = connections[connection].openedAt
            didFail(server: server, of: pool, openedAt: openedAt)
        } else {
            note(.serverEnded, server: server, of: pool, errno: error.errno)
        }
        if connections[connection].isSetApart { setApartCount &-= 1 }
        if connections[connection].holdsClients { releaseClients(of: connection) }
        connections[connection].abandon()
        scheduleReopening(of: server, in: pool)
        mbufs.release(&connections[connection].outgoing)
        mbufs.release(&connections[connection].greeting)
        mbufs.release(&connections[connection].cutLine)
        mbufs.release(&connections[connection].askedKeys)
        touch(connection)
        while left > 0 {
            let next = requests[request].nextOfServer
            fail(request, error, at: greeting)
            request = next
            left &-= 1
        }
    }

    /// Ends a server connection that nobody waits on, because there are enough.
    mutating func retire(_ connection: Handle<ServerConnection>) {
        assert(connections[connection].phase == .ready)
        assert(connections[connection].hasAnsweredAll)
        counters.value.servers[Int(connections[connection].place)].serverConnections.add(-1)
        connections[connection].abandon()
        touch(connection)
    }

    private mutating func count(failure error: SystemError, of connection: Handle<ServerConnection>)
    {
        let place = Int(connections[connection].place)
        switch error {
        case .endOfStream: counters.value.servers[place].serverEOF.add(1)
        case .timedOut: counters.value.servers[place].serverTimedout.add(1)
        default: counters.value.servers[place].serverErr.add(1)
        }
        if connections[connection].phase.rawValue > ServerConnection.Phase.connecting.rawValue {
            counters.value.servers[place].serverConnections.add(-1)
        }
        let unsent = Int(connections[connection].unsentCount)
        let silent = Int(connections[connection].silentCount)
        // Nobody else is told of these.
        counters.value.pools[Int(connections[connection].pool)].forwardError.add(silent)
        // The proxy's own requests are not counted.
        let greetings = Int(connections[connection].greetingCount)
        let sent = Int(connections[connection].requestCount) &- unsent &- greetings
        counters.value.servers[place].inQueue.add(0 &- unsent &- silent)
        counters.value.servers[place].outQueue.add(0 &- sent)
        let unsentBytes = connections[connection].unsentBytes
        let silentBytes = connections[connection].silentBytes
        let sentBytes = connections[connection].sentBytes
        counters.value.servers[place].inQueueBytes.add(0 &- unsentBytes &- silentBytes)
        counters.value.servers[place].outQueueBytes.add(0 &- sentBytes)
    }

    mutating func didClose(_ connection: Handle<ServerConnection>) {
        mbufs.release(&connections[connection].outgoing)
        if connections[connection].isFurther {
            process.value.descriptors.furtherConnections.add(-1)
        }
        connections.remove(connection)
        counters.value.currConnections.add(-1)
    }

    /// Nanoseconds that a request may wait on a connection; `.max` is for ever. A probe waits no
    /// longer than for the next, whatever clients do.
    mutating func timeout(of connection: Handle<ServerConnection>) -> UInt64 {
        let pool = Int(connections[connection].pool)
        guard connections[connection].isProbe else { return pools[pool].timeout }
        return min(pools[pool].timeout, pools[pool].retryTimeout)
    }

    /// Closes the connections whose oldest request has waited too long, as twemproxy does, and
    /// finds out when to look again.
    mutating func expireRequests() {
        nextExpiry = .max
        var next = connections.next(from: 0)
        while let connection = next {
            next = connections.next(from: connection.index + 1)
            expireConnect(connection)
            let timeout = timeout(of: connection)
            guard timeout != .max, connections[connection].requestCount > 0,
                !connections[connection].isPaused
            else { continue }
            let first = connections[connection].firstRequest
            // Both are rounded: a millisecond more, and no request gives up too early.
            var waited = UInt64(milliseconds &- requests[first].enqueuedAt) &* 1_000_000
            // A long reply takes as long as its client reads, and is no sign of a slow server.
            if connections[connection].isSetApart {
                waited = min(waited, stillness(of: connection))
            }
            let expiry = now &- waited &+ timeout &+ 1_000_000
            if expiry <= now {
                fail(connection, .timedOut)
            } else {
                nextExpiry = min(nextExpiry, expiry)
            }
        }
    }
}
