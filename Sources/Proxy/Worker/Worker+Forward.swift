import Config

// The fourth step: a request joins the queue of a server connection.

extension Worker where IO: ~Copyable {
    /// Sends a whole request to one server, as it came.
    mutating func forward(
        _ arrival: Arrival, _ chain: inout MbufChain, to server: Int,
        from client: Handle<ClientConnection>
    ) {
        guard let (request, connection) = begin(arrival, to: server, from: client) else { return }
        enqueue(request, on: connection)
        account(request, on: connection, byteCount: arrival.byteCount)
        add(arrival, &chain, to: connection)
    }

    /// Puts a request for one server into its client's queue, and finds the connection that it goes
    /// on. Returns nil if there is none: then it has failed, or is to wait.
    @inline(__always)
    mutating func begin(
        _ arrival: Arrival, to server: Int, from client: Handle<ClientConnection>,
        _ silence: Request.Silence = .none
    ) -> (Handle<Request>, Handle<ServerConnection>)? {
        let open = openConnection(to: server, in: Int(clients[client].pool))
        guard !open.isNone || hasRoom(at: server, for: client) else { return nil }
        let request = requests.insert(
            Request(.single, client: client, expecting: arrival.expectedKind, silence))
        push(request, of: client)
        guard open.isNone else { return (request, open) }
        switch connection(to: server, for: client) {
        case .failure(let error):
            fail(request, error)
            return nil
        case .success(let connection):
            return (request, connection)
        }
    }

    /// Adds a whole request to what a connection sends.
    @inline(__always)
    mutating func add(
        _ arrival: Arrival, _ chain: inout MbufChain, to connection: Handle<ServerConnection>
    ) {
        if arrival.isContiguous {
            mbufs.append(arrival.start.slice, to: &connections[connection].outgoing)
        } else {
            mbufs.append(moving: &chain, to: &connections[connection].outgoing)
        }
    }

    /// The same, for a request that has no reply: it stands in no queue, and waits for nothing.
    /// When it cannot be sent, only the counters know.
    mutating func forwardSilently(
        _ arrival: Arrival, _ chain: inout MbufChain, to server: Int,
        from client: Handle<ClientConnection>
    ) {
        guard hasRoom(at: server, for: client) else { return }
        let pool = Int(clients[client].pool)
        let error: SystemError
        switch connection(to: server, for: client, .silent) {
        case .failure(let reason):
            error = reason
        case .success(let connection):
            add(arrival, &chain, to: connection)
            return accountSilent(arrival.byteCount, on: connection)
        }
        countError(for: client)
        report(.serverFailed, server: server, of: pool, error)
    }

    private mutating func accountSilent(
        _ byteCount: Int, on connection: Handle<ServerConnection>
    ) {
        connections[connection].didAddSilent(byteCount)
        countQueued(byteCount, on: connection)
        touch(connection)
    }

    /// Puts a request at the end of its client's queue, which is the order of replies.
    mutating func push(_ request: Handle<Request>, of client: Handle<ClientConnection>) {
        if clients[client].requestCount > 0 {
            requests[clients[client].lastRequest].nextSibling = request
        }
        clients[client].didPush(request)
    }

    /// Puts a request at the end of a server connection's queue, which pairs it with its reply.
    /// The caller then adds its bytes to what the connection sends.
    mutating func enqueue(
        _ request: Handle<Request>, on connection: Handle<ServerConnection>
    ) {
        requests[request].enqueuedAt = milliseconds
        if connections[connection].requestCount > 0 {
            requests[connections[connection].lastRequest].nextOfServer = request
        } else {
            let timeout = timeout(of: connection)
            if timeout != .max { nextExpiry = min(nextExpiry, now &+ timeout) }
        }
        connections[connection].didPush(request)
        touch(connection)
    }

    /// Counts a request that was enqueued, now that its length is known.
    mutating func account(
        _ request: Handle<Request>, on connection: Handle<ServerConnection>, byteCount: Int
    ) {
        requests[request].byteCount = UInt32(truncatingIfNeeded: byteCount)
        connections[connection].didAddBytes(byteCount)
        countQueued(byteCount, on: connection)
    }

    private mutating func countQueued(_ byteCount: Int, on connection: Handle<ServerConnection>) {
        let place = Int(connections[connection].place)
        counters.value.servers[place].requests.add(1)
        counters.value.servers[place].requestBytes.add(byteCount)
        counters.value.servers[place].inQueue.add(1)
        counters.value.servers[place].inQueueBytes.add(byteCount)
    }

    /// The connection that a client's next request to a server goes on. Opens one if its lane has
    /// none.
    mutating func connection(
        to server: Int, for client: Handle<ClientConnection>, _ use: LaneUse = .request
    ) -> Result<Handle<ServerConnection>, SystemError> {
        let pool = Int(clients[client].pool)
        if pools[pool].topology.isEmpty { return .failure(.connectionRefused) }
        let hasOneLane = pools[pool].servers[server].hasOneLane
        let lane = hasOneLane ? 0 : takeLane(of: client, to: server, use)
        let chosen = pools[pool].servers[server].connection(in: lane)
        if chosen.isNone { return open(to: server, in: pool, lane: lane) }
        guard connections[chosen].isStalled, connections[chosen].isFull(limits.serverRequestMax)
        else { return .success(chosen) }
        counters.value.requestsRefused.add(1)
        return .failure(.tooManyRequests)
    }

    /// The one connection to a server, if it is open and has room; else `none`. This is how nearly
    /// all requests find theirs.
    @inline(__always)
    private mutating func openConnection(
        to server: Int, in pool: Int
    ) -> Handle<ServerConnection> {
        guard !pools[pool].topology.isEmpty, pools[pool].servers[server].hasOneLane else {
            return .none
        }
        let connection = pools[pool].servers[server].connection(in: 0)
        guard !connection.isNone, !connections[connection].isFull(limits.serverRequestMax) else {
            return .none
        }
        return connection
    }

    /// Whether a client's next request to a server may be queued there. If not, `filled` is the
    /// connection that the client is to wait for, with all of the request.
    mutating func hasRoom(at server: Int, for client: Handle<ClientConnection>) -> Bool {
        let pool = Int(clients[client].pool)
        let lane = pools[pool].servers[server].hasOneLane ? 0 : nextLane(of: client, to: server)
        let next = pools[pool].servers[server].connection(in: lane)
        guard !next.isNone, connections[next].isFull(limits.serverRequestMax),
            !connections[next].isStalled
        else { return true }
        filled = next
        return false
    }

    /// The lane that `takeLane` is going to take.
    private mutating func nextLane(of client: Handle<ClientConnection>, to server: Int) -> Int {
        guard clients[client].requestCount == 0, !clients[client].keepsLane else {
            return Int(clients[client].lane)
        }
        return pools[Int(clients[client].pool)].servers[server].nextLane
    }

    /// A request that has to wait goes back to what its client has sent.
    ///
    /// - Parameter slice: All of the request, unless `chain` is.
    mutating func putBack(
        _ slice: MbufSlice, _ chain: inout MbufChain, from client: Handle<ClientConnection>
    ) {
        let connection = filled
        filled = .none
        assert(clients[client].backlog.isEmpty)
        if chain.isEmpty {
            mbufs.append(slice, to: &clients[client].backlog)
        } else {
            mbufs.append(moving: &chain, to: &clients[client].backlog)
        }
        hold(client, for: connection)
    }

    /// As long as a client has requests in flight they go on one connection per server, so that
    /// none is overtaken by one behind it.
    private mutating func takeLane(
        of client: Handle<ClientConnection>, to server: Int, _ use: LaneUse
    ) -> Int {
        if clients[client].mayChangeLane(use) {
            let pool = Int(clients[client].pool)
            clients[client].lane = UInt16(
                truncatingIfNeeded: pools[pool].servers[server].takeLane())
        }
        if use == .silent { clients[client].keepsLane = true }
        return Int(clients[client].lane)
    }
}
