// How the proxy ends: it accepts nothing more, answers what was asked, and closes.

extension Worker where IO: ~Copyable {
    /// Clients that wait for nothing are closed at once, the others when they have their replies.
    mutating func beginDrain() {
        guard drainDeadline == .max else {
            isRunning = false
            return
        }
        drainDeadline = now &+ limits.drainNanoseconds
        nextAccept = .max
        nextProbe = .max
        nextReopening = .max
        if index == 0 {
            for pool in 0..<pools.count { ring.stopAccepting(on: pools[pool].listener) }
        }
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            // One that is being closed may be gone before the turn ends.
            guard clients[client].phase != .closed else { continue }
            clients[client].drain()
            touch(client)
        }
    }

    mutating func finishDrain() {
        guard clients.count > 0 else {
            isRunning = false
            return
        }
        guard now >= drainDeadline else { return }
        noteCutOff()
        isRunning = false
    }

    /// Counts and tells, once per pool, of the clients that are still there at the end.
    private mutating func noteCutOff() {
        for pool in 0..<pools.count {
            var count = 0
            var next = clients.next(from: 0)
            while let client = next {
                next = clients.next(from: client.index + 1)
                if Int(clients[client].pool) == pool, clients[client].phase != .closed {
                    count += 1
                }
            }
            guard count > 0 else { continue }
            counters.value.pools[pool].clientsClosed[Int(CloseReason.shutdown.rawValue)].add(count)
            note(.clientsCutOff, of: pool, count: count)
        }
    }
}
