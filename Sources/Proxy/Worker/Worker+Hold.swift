// How a queue that is full holds the clients who fill it: nothing of them is executed, and soon
// nothing read, until the server has taken half of it. Nobody else waits.

extension Worker where IO: ~Copyable {
    /// Has a client wait for a server connection.
    mutating func hold(
        _ client: Handle<ClientConnection>, for connection: Handle<ServerConnection>
    ) {
        guard clients[client].phase == .open, !clients[client].awaitsServer else { return }
        if held.count == held.capacity { forgetStaleHolds() }
        clients[client].awaitsServer = true
        held.append(client, number: connection.number)
        connections[connection].didHoldClient(at: milliseconds)
        nextStall = min(nextStall, now &+ limits.serverStall)
        counters.value.clientHolds.add(1)
        touch(client)
    }

    /// Lets those go on who wait for a connection, in the order in which they came.
    mutating func releaseClients(of connection: Handle<ServerConnection>) {
        connections[connection].didReleaseClients()
        let number = connection.number
        var kept = 0
        for index in 0..<held.count {
            let entry = held[index]
            if entry.number != number {
                held[kept] = entry
                kept &+= 1
            } else if clients.contains(entry.handle), clients[entry.handle].phase != .closed {
                clients[entry.handle].awaitsServer = false
                touch(entry.handle)
            }
        }
        held.truncate(to: kept)
    }

    /// Those of clients that have left.
    private mutating func forgetStaleHolds() {
        var kept = 0
        for index in 0..<held.count where clients.contains(held[index].handle) {
            held[kept] = held[index]
            kept &+= 1
        }
        held.truncate(to: kept)
    }

    // MARK: Those that do not move

    /// Finds server connections that hold clients and do not move, and clients that must read and
    /// do not.
    mutating func checkStalls() {
        nextStall = .max
        var next = connections.next(from: 0)
        while let connection = next {
            next = connections.next(from: connection.index + 1)
            let isWaitedFor =
                connections[connection].holdsClients && !connections[connection].isSetApart
                && !connections[connection].isPaused
            guard isWaitedFor, connections[connection].phase != .closing else { continue }
            let end = now &- stillness(of: connection) &+ limits.serverStall
            if end <= now {
                didStall(connection)
            } else {
                nextStall = min(nextStall, end)
            }
        }
        checkSlowClients()
    }

    /// Nanoseconds since a connection last moved, in whole milliseconds.
    mutating func stillness(of connection: Handle<ServerConnection>) -> UInt64 {
        UInt64(milliseconds &- connections[connection].movedAt) &* 1_000_000
    }

    /// Whoever waits is told, and so is everybody who asks for more until the connection moves.
    private mutating func didStall(_ connection: Handle<ServerConnection>) {
        connections[connection].didStall()
        counters.value.serverStalls.add(1)
        let pool = Int(connections[connection].pool)
        report(
            .serverStalled, server: Int(connections[connection].server), of: pool,
            .tooManyRequests)
        releaseClients(of: connection)
    }
}

extension Handle where Element: ~Copyable {
    /// All of it.
    fileprivate var number: UInt64 { UInt64(generation) << 32 | UInt64(index) }
}
