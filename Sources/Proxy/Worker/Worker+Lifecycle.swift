import Config

// How connections begin and end.

// MARK: - Clients

extension Worker where IO: ~Copyable {
    mutating func startAccept(pool: Int) {
        ring.accept(on: pools[pool].listener, token: Token(.accept, index: UInt32(pool)))
    }

    mutating func didAccept(_ completion: Completion, pool: Int) {
        if completion.result >= 0 {
            if !completion.isMore { startAccept(pool: pool) }
            didAccept(Socket(descriptor: completion.result), pool: pool)
        } else if !completion.isMore {
            // Mostly for lack of descriptors. Trying again at once would spin.
            pools[pool].isAcceptPaused = true
            nextAccept = min(nextAccept, now &+ 100_000_000)
        }
    }

    mutating func resumeAccept() {
        nextAccept = .max
        for pool in 0..<pools.count where pools[pool].isAcceptPaused {
            pools[pool].isAcceptPaused = false
            startAccept(pool: pool)
        }
    }

    private mutating func didAccept(_ socket: Socket, pool: Int) {
        guard !clients.isFull else {
            return ring.close(socket, token: Token(.ignored))
        }
        let client = clients.insert(
            ClientConnection(
                socket: socket, pool: pool, isAuthenticated: !pools[pool].needsPassword))
        pools[pool].clientCount &+= 1
        touch(client)
        if pools[pool].clientCount > pools[pool].clientMax {
            reply("-ERR max number of clients reached\r\n", to: client)
            clients[client].drain()
        }
    }

    /// Ends a client's connection. Its requests go on, and their replies are dropped.
    mutating func close(_ client: Handle<ClientConnection>, isError: Bool) {
        guard clients[client].phase == .open || clients[client].phase == .draining else { return }
        var request = clients[client].firstRequest
        var left = clients[client].requestCount
        while left > 0 {
            let next = requests[request].nextOfClient
            if requests[request].isAnswered {
                mbufs.release(&requests[request].reply)
                requests.remove(request)
            } else {
                requests[request].client = .none
            }
            request = next
            left &-= 1
        }
        clients[client].abandon()
        releaseMemory(of: client)
        touch(client)
    }

    /// Gives back everything but what the kernel is sending.
    private mutating func releaseMemory(of client: Handle<ClientConnection>) {
        mbufs.release(&clients[client].partial)
        mbufs.release(&clients[client].backlog)
        mbufs.release(&clients[client].outgoing)
    }

    mutating func didClose(_ client: Handle<ClientConnection>) {
        releaseMemory(of: client)
        pools[Int(clients[client].pool)].clientCount &-= 1
        clients.remove(client)
        if nextAccept != .max { nextAccept = now }
    }
}

// MARK: - Servers

extension Worker where IO: ~Copyable {
    mutating func open(
        to server: Int, in pool: Int
    ) -> Result<Handle<ServerConnection>, SystemError> {
        guard let address = pools[pool].servers[server].address else {
            return .failure(.hostDown)
        }
        guard !connections.isFull else { return .failure(.tooManyRequests) }
        switch ring.openSocket(for: address) {
        case .failure(let error):
            return .failure(error)
        case .success(let socket):
            let connection = connections.insert(
                ServerConnection(socket: socket, pool: pool, server: server))
            pools[pool].servers[server].didOpen(connection)
            ring.connect(socket, to: address, token: Token(.serverConnect, connection))
            greet(on: connection, in: pool)
            return .success(connection)
        }
    }

    mutating func preconnect(to server: Int, in pool: Int) {
        if pools[pool].servers[server].connectionCount == 0 {
            _ = open(to: server, in: pool)
        }
    }

    /// Queues what must come before any client's request: AUTH, then SELECT.
    private mutating func greet(on connection: Handle<ServerConnection>, in pool: Int) {
        for greeting in 0..<pools[pool].greetings.count {
            pools[pool].greetings[greeting].withSpan { bytes in
                mbufs.append(bytes, to: &connections[connection].greeting)
            }
            let request = requests.insert(Request(.greeting, client: .none))
            let byteCount = pools[pool].greetings[greeting].count
            enqueue(request, on: connection, byteCount: byteCount)
            connections[connection].didAddGreeting()
        }
    }

    mutating func didConnect(_ completion: Completion, _ connection: Handle<ServerConnection>) {
        connections[connection].didEndConnect()
        touch(connection)
        guard connections[connection].phase == .connecting else { return }
        if completion.result < 0 {
            fail(connection, SystemError(errno: -completion.result))
        } else {
            connections[connection].didConnect()
        }
    }

    /// A reply to AUTH or SELECT. After a refusal nothing may be sent: it would reach the wrong
    /// database, or be refused.
    mutating func didGreet(
        _ connection: Handle<ServerConnection>, _ request: Handle<Request>
    ) {
        var reply = mbufs.cursor(of: requests[request].reply)
        let count = min(requests[request].reply.byteCount, 32)
        let isRefused = reply.withBytes(count) { $0.isRefusal }
        mbufs.release(&requests[request].reply)
        requests.remove(request)
        if isRefused {
            fail(connection, .invalidReply)
        } else {
            connections[connection].didGreet()
            touch(connection)
        }
    }

    /// Ends a server connection, and tells everybody who waits for a reply on it.
    mutating func fail(_ connection: Handle<ServerConnection>, _ error: SystemError) {
        assert(connections[connection].phase != .closing)
        let pool = Int(connections[connection].pool)
        let server = Int(connections[connection].server)
        pools[pool].servers[server].didClose(connection)
        var request = connections[connection].firstRequest
        var left = connections[connection].requestCount
        connections[connection].abandon()
        mbufs.release(&connections[connection].outgoing)
        mbufs.release(&connections[connection].greeting)
        touch(connection)
        while left > 0 {
            let next = requests[request].nextOfServer
            fail(request, error)
            request = next
            left &-= 1
        }
    }

    mutating func didClose(_ connection: Handle<ServerConnection>) {
        connections.remove(connection)
    }

    /// Closes the connections whose oldest request has waited too long, as twemproxy does, and
    /// finds out when to look again.
    mutating func expireRequests() {
        nextExpiry = .max
        var next = connections.next(from: 0)
        while let connection = next {
            next = connections.next(from: connection.index + 1)
            let timeout = pools[Int(connections[connection].pool)].timeout
            guard timeout != .max, connections[connection].requestCount > 0 else { continue }
            let expiry = requests[connections[connection].firstRequest].enqueuedAt &+ timeout
            if expiry <= now {
                fail(connection, .timedOut)
            } else {
                nextExpiry = min(nextExpiry, expiry)
            }
        }
    }
}

extension Span<UInt8> {
    /// Whether the proxy's own AUTH or SELECT failed. A server without a password says so to AUTH,
    /// and is as usable as one that liked it (redis 6 and later, then older ones).
    fileprivate var isRefusal: Bool {
        self[0] == UInt8(ascii: "-") && !hasPrefix("-ERR AUTH <password> called")
            && !hasPrefix("-ERR Client sent AUTH")
    }
}

// MARK: - Memory

extension Worker where IO: ~Copyable {
    /// Free mbufs that are kept for the next burst.
    private static var mbufReserve: UInt32 { 128 }
    /// How often, in nanoseconds, idle memory is given back, and how many mbufs at a time.
    private static var trimInterval: UInt64 { 500_000_000 }
    private static var trimMax: UInt32 { 4096 }

    mutating func trimMemory() {
        if nextTrim == .max {
            if mbufs.freeCount > Self.mbufReserve &+ mbufs.trimmedCount {
                nextTrim = now &+ Self.trimInterval
            }
        } else if now >= nextTrim {
            let hasMore = mbufs.trim(reserve: Self.mbufReserve, limit: Self.trimMax)
            nextTrim = hasMore ? now &+ Self.trimInterval : .max
        }
    }

    /// Over the hard limit the client that holds most of the memory is closed.
    mutating func enforceMemoryLimit() {
        guard mbufs.usedCount > limits.mbufHardMax else { return }
        var most = Handle<ClientConnection>.none
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            guard clients[client].phase == .open || clients[client].phase == .draining else {
                continue
            }
            if most.isNone || clients[client].heldCount > clients[most].heldCount { most = client }
        }
        guard !most.isNone else { return }
        close(most, isError: true)
        clients[most].isDirty = false
        act(for: most)
    }
}
