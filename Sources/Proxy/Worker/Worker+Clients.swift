// The life of a client's connection: accept, and close.

extension Worker where IO: ~Copyable {
    mutating func startAccept(pool: Int) {
        ring.accept(on: pools[pool].listener, token: Token(.accept, index: UInt32(pool)))
    }

    mutating func didAccept(_ completion: Completion, pool: Int) {
        if completion.result >= 0 {
            if !completion.isMore { startAccept(pool: pool) }
            assign(Socket(descriptor: completion.result), pool: pool)
        } else if !completion.isMore, drainDeadline == .max {
            // Mostly for lack of descriptors. Trying again at once would spin.
            pools[pool].isAcceptPaused = true
            nextAccept = min(nextAccept, now &+ 100_000_000)
            note(.acceptFailed, of: pool, errno: -completion.result)
        }
    }

    /// Gives a new client to the worker that has fewest.
    private mutating func assign(_ socket: Socket, pool: Int) {
        var chosen = index
        // Others may have ended before a client reaches them.
        let count = drainDeadline == .max ? process.value.workers.count : 0
        for other in 0..<count
        where process.value.workers[other].ringDescriptor >= 0
            && process.value.workers[other].clients.current
                < process.value.workers[chosen].clients.current
        {
            chosen = other
        }
        process.value.workers[chosen].clients.add(1)
        guard chosen != index else { return didAccept(socket, pool: pool) }
        ring.hand(
            socket, toRing: process.value.workers[chosen].ringDescriptor,
            token: Token(.handover, index: UInt32(pool)),
            sent: Token(handed: socket, pool: UInt16(pool), worker: chosen))
    }

    /// A client that could not be given to another worker stays with this one.
    mutating func didHand(_ completion: Completion) {
        guard completion.result < 0 else { return }
        let (socket, pool, worker) = completion.token.handed
        process.value.workers[worker].clients.add(-1)
        process.value.workers[index].clients.add(1)
        didAccept(socket, pool: pool)
    }

    mutating func resumeAccept() {
        nextAccept = .max
        for pool in 0..<pools.count where pools[pool].isAcceptPaused {
            pools[pool].isAcceptPaused = false
            startAccept(pool: pool)
        }
    }

    /// Takes a client that has been counted as this worker's.
    mutating func didAccept(_ socket: Socket, pool: Int) {
        counters.value.totalConnections.add(1)
        guard !clients.isFull, isAccepting, process.value.admitsClient else {
            process.value.workers[index].clients.add(-1)
            counters.value.clientsRefused.add(1)
            // One that came while the proxy ends is refused by whoever starts it, if anybody.
            if isAccepting {
                note(.clientRefused, client: socket, of: pool, count: Int(clients.count))
            }
            return ring.close(socket, token: Token(.ignored))
        }
        if pools[pool].isKeptAlive { ring.keepAlive(socket) }
        let client = clients.insert(
            ClientConnection(
                socket: socket, pool: pool, isAuthenticated: !pools[pool].needsPassword,
                protocolKind: pools[pool].protocolKind))
        let count = process.value.poolClients[pool].add(1)
        counters.value.currConnections.add(1)
        counters.value.pools[pool].clientConnections.add(1)
        touch(client)
        if pools[pool].needsPassword { awaitAuthentication(of: client, isNew: true) }
        note(.clientAccepted, client: socket, of: pool)
        if count > pools[pool].clientMax {
            counters.value.clientsRefused.add(1)
            note(.clientRefused, client: socket, of: pool, count: count - 1)
            reply(error: "max number of clients reached", to: client)
            clients[client].endInError()
        }
    }

    /// Ends a client's connection. Its requests go on, and their replies are dropped. What ends it
    /// is told before: see `close(_:because:)` and `lose`.
    mutating func close(_ client: Handle<ClientConnection>, isError: Bool) {
        guard clients[client].phase == .open || clients[client].phase == .draining else { return }
        if isError { clients[client].endInError() }
        leaveRequests(of: client)
        clients[client].abandon()
        releaseMemory(of: client)
        touch(client)
    }

    /// Ends a client's connection behind half of a reply, which cannot be completed.
    mutating func breakOff(_ client: Handle<ClientConnection>, because reason: CloseReason) {
        guard clients[client].phase == .open || clients[client].phase == .draining else { return }
        noteEnd(of: client, because: reason)
        leaveRequests(of: client)
        clients[client].didLeaveRequests()
        mbufs.release(&clients[client].partial)
        mbufs.release(&clients[client].backlog)
        clients[client].endInError()
        touch(client)
    }

    /// The requests of a client that gets no more answers.
    private mutating func leaveRequests(of client: Handle<ClientConnection>) {
        var request = clients[client].firstRequest
        var left = clients[client].requestCount
        while left > 0 {
            let next = requests[request].nextSibling
            if requests[request].progress == .answered {
                mbufs.release(&requests[request].reply)
                requests.remove(request)
            } else {
                requests[request].client = .none
                releaseReplies(to: request)
            }
            request = next
            left &-= 1
        }
    }

    /// What has arrived for a request that nobody waits for any more.
    private mutating func releaseReplies(to request: Handle<Request>) {
        mbufs.release(&requests[request].reply)
        guard requests[request].role == .split else { return }
        var fragment = gatherings[requests[request].gathering].firstFragment
        while !fragment.isNone {
            mbufs.release(&requests[fragment].reply)
            fragment = requests[fragment].nextSibling
        }
    }

    /// Gives back everything but what the kernel is sending.
    private mutating func releaseMemory(of client: Handle<ClientConnection>) {
        mbufs.release(&clients[client].partial)
        mbufs.release(&clients[client].backlog)
        mbufs.release(&clients[client].outgoing)
    }

    mutating func didClose(_ client: Handle<ClientConnection>) {
        releaseMemory(of: client)
        let pool = Int(clients[client].pool)
        process.value.poolClients[pool].add(-1)
        process.value.workers[index].clients.add(-1)
        counters.value.currConnections.add(-1)
        counters.value.pools[pool].clientConnections.add(-1)
        if clients[client].isInError {
            counters.value.pools[pool].clientErr.add(1)
        } else {
            counters.value.pools[pool].clientEOF.add(1)
        }
        clients.remove(client)
        if nextAccept != .max { nextAccept = now }
    }
}
