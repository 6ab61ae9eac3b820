// How the proxy ends: it accepts nothing more, answers what was asked, and ends each client in a
// quiet moment, when nothing of what the client has sent can be without an answer.
//
//     SIGTERM ── 20 ms ──▶ accepts nobody ── 100 ms ──▶ holds replies ── 3/4 ──▶ reads no more
//     clients end that are quiet for 20 ms        … for 10 ms      when answered
//
// A client that asks again as soon as it has its reply is never quiet. So its last reply is held
// for 10 ms. Nothing else comes in that time from a client that waits for it, and then the reply
// and the end of the connection leave in one packet: the client knows before it asks again.

extension Worker where IO: ~Copyable {
    /// Nanoseconds between two looks at the clients, and when clients that are never quiet are made
    /// so.
    private static var quietTick: UInt64 { 20_000_000 }
    private static var holdingTick: UInt64 { 10_000_000 }
    private static var holdingStart: UInt64 { 100_000_000 }

    mutating func beginDrain() {
        guard drainDeadline == .max else {
            isRunning = false
            return
        }
        drainStartedAt = now
        drainDeadline = now &+ limits.drainNanoseconds
        nextDrainTick = now &+ min(Self.quietTick, limits.drainNanoseconds / 4)
        nextAccept = .max
        nextProbe = .max
        nextReopening = .max
    }

    /// Looks which clients are quiet. Those that connected before the signal are accepted by now.
    mutating func tickDrain() {
        if index == 0, isAccepting {
            for pool in 0..<pools.count { ring.stopAccepting(on: pools[pool].listener) }
        }
        isAccepting = false
        let elapsed = now &- drainStartedAt
        let holds = elapsed >= Self.holdingStart
        let isLate = elapsed >= limits.drainNanoseconds / 4 &* 3
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            // One that is being closed may be gone before the turn ends.
            guard clients[client].phase != .closed else { continue }
            clients[client].didTick(holds: holds, isLate: isLate)
            touch(client)
        }
        nextDrainTick = now &+ (holds ? Self.holdingTick : Self.quietTick)
    }

    mutating func finishDrain() {
        // What other workers hand over arrives until then.
        guard clients.count > 0 || isAccepting || hasUnsentRequests else {
            isRunning = false
            return
        }
        guard now >= drainDeadline else { return }
        noteCutOff()
        isRunning = false
    }

    /// Whether there is something to send that nobody waits for a reply to.
    private var hasUnsentRequests: Bool {
        mutating get {
            var next = connections.next(from: 0)
            while let connection = next {
                next = connections.next(from: connection.index + 1)
                guard connections[connection].phase != .closed else { continue }
                let isSent =
                    connections[connection].outgoing.isEmpty
                    && connections[connection].sending.isEmpty
                if !isSent { return true }
            }
            return false
        }
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
