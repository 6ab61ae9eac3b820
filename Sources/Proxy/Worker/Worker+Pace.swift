// How a client that reads more slowly than its server sends is served, and harms nobody.
//
//     unsent replies   what happens
//     outrunMax        while a long reply arrives: its server connection is set apart, so that
//                      what comes later goes on another
//     pauseMax         the connection is not read either, until half is sent
//
// A client is never closed for the size of what it reads, only for not reading.

extension Worker where IO: ~Copyable {
    /// Server connections set apart at most: each is a descriptor.
    private static var setApartMax: Int { 256 }

    /// A reply has arrived in part, and what there is of it may have left for its client.
    mutating func checkPace(
        of request: Handle<Request>, _ connection: Handle<ServerConnection>
    ) {
        guard requests[request].progress == .streaming else { return }
        let client = requests[request].client
        guard !client.isNone, clients[client].unsentCount > limits.client.outrunMax else { return }
        setApart(connection)
    }

    /// Does not read the connections any more whose next reply is for a client that holds more than
    /// it may.
    private mutating func pauseServers(of client: Handle<ClientConnection>) {
        var next = connections.next(from: 0)
        while let connection = next {
            next = connections.next(from: connection.index + 1)
            guard connections[connection].phase == .ready, connections[connection].awaitsReply,
                !connections[connection].isPaused,
                requests[whole(of: connections[connection].firstRequest)].client == client
            else { continue }
            setApart(connection)
            connections[connection].pause(for: client)
            counters.value.serverPauses.add(1)
            touch(connection)
        }
    }

    /// The client for whose sake connections are paused has read, or left.
    private mutating func resumeServers(of client: Handle<ClientConnection>) {
        var next = connections.next(from: 0)
        while let connection = next {
            next = connections.next(from: connection.index + 1)
            guard connections[connection].pausedFor == client else { continue }
            connections[connection].resume(at: milliseconds)
            // Its requests may be too old again.
            nextExpiry = min(nextExpiry, now)
            touch(connection)
        }
    }

    // MARK: Connections set apart

    /// Lets new requests go on another connection. Those who wait for replies on this one ask
    /// nothing more until they have them, or what they ask might overtake what they asked.
    private mutating func setApart(_ connection: Handle<ServerConnection>) {
        guard connections[connection].phase == .ready, !connections[connection].isSetApart,
            setApartCount < Self.setApartMax, drainDeadline == .max
        else { return }
        setApartCount &+= 1
        connections[connection].setApart()
        connections[connection].didHoldClient(at: milliseconds)
        let pool = Int(connections[connection].pool)
        pools[pool].servers[Int(connections[connection].server)].didClose(connection)
        var request = connections[connection].firstRequest
        var left = connections[connection].requestCount
        while left > 0 {
            let client = requests[whole(of: request)].client
            if !client.isNone { hold(client, for: connection) }
            request = requests[request].nextOfServer
            left &-= 1
        }
    }

    private mutating func whole(of request: Handle<Request>) -> Handle<Request> {
        requests[request].role == .fragment
            ? gatherings[requests[request].gathering].whole : request
    }

    /// Everything on a connection that was set apart is answered.
    mutating func rejoin(_ connection: Handle<ServerConnection>) {
        setApartCount &-= 1
        connections[connection].didRejoin()
        let pool = Int(connections[connection].pool)
        let server = Int(connections[connection].server)
        let lane = pools[pool].servers[server].nextLane
        if pools[pool].servers[server].connection(in: lane).isNone {
            pools[pool].servers[server].didOpen(connection, in: lane)
        } else {
            retire(connection)
        }
    }

    // MARK: Clients that must read

    /// Watches whether a client reads that must.
    mutating func watch(_ client: Handle<ClientConnection>) {
        if clients[client].unsentCount > limits.client.pauseMax { pauseServers(of: client) }
        guard !clients[client].isSlow else { return }
        if slow.count == slow.capacity { checkSlowClients() }
        clients[client].isSlow = true
        slow.append(client, number: now)
        nextStall = min(nextStall, now &+ limits.clientStall)
    }

    /// A client that is watched has got what one send had.
    mutating func didRead(_ client: Handle<ClientConnection>) {
        for index in 0..<slow.count where slow[index].handle == client {
            slow[index] = HandleList.Entry(handle: client, number: now)
        }
    }

    /// Something has happened to a client that is watched.
    mutating func checkPace(of client: Handle<ClientConnection>) {
        guard clients[client].phase.isOver || clients[client].hasCaughtUp(limits.client) else {
            return
        }
        resumeServers(of: client)
        clients[client].isSlow = false
        for index in 0..<slow.count where slow[index].handle == client {
            slow[index] = slow[slow.count - 1]
            return slow.truncate(to: slow.count - 1)
        }
    }

    /// Closes those that have read nothing for too long. Waiting on would be in vain: they may not
    /// write more, or others wait for what they do not read.
    mutating func checkSlowClients() {
        var index = 0
        while index < slow.count {
            let client = slow[index].handle
            let end = slow[index].number &+ limits.clientStall
            if !clients.contains(client) {
                slow[index] = slow[slow.count - 1]
                slow.truncate(to: slow.count - 1)
                continue
            }
            if end <= now, !clients[client].phase.isOver {
                close(client, because: .notReading, count: clients[client].unsentCount)
            } else {
                nextStall = min(nextStall, max(end, now &+ 1_000_000))
            }
            index &+= 1
        }
    }
}

extension ClientConnection.Phase {
    fileprivate var isOver: Bool {
        switch self {
        case .open, .draining: false
        case .closing, .closed: true
        }
    }
}
