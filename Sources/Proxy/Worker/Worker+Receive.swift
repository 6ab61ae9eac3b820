// The first step: bytes arrive, in mbufs that the kernel has filled.

extension Worker where IO: ~Copyable {
    mutating func didReceive(_ completion: Completion, from client: Handle<ClientConnection>) {
        if !completion.isMore {
            clients[client].didEndReceive()
            touch(client)
        }
        if completion.hasMbuf {
            if completion.isMbufShared { mbufs.retain(completion.slice.mbuf) }
            if completion.result > 0, clients[client].phase == .open {
                if drainDeadline != .max { clients[client].didSpeak() }
                didReceive(completion.slice, from: client)
            }
            mbufs.release(completion.slice.mbuf)
        }
        if completion.result == 0 {
            clients[client].didReachEnd()
        } else if completion.result < 0, completion.result != SystemError.noBuffers,
            completion.result != SystemError.cancelled
        {
            lose(client, errno: 0 &- completion.result)
        }
    }

    private mutating func didReceive(_ slice: MbufSlice, from client: Handle<ClientConnection>) {
        if clients[client].backlog.isEmpty, !clients[client].isOver(limits.client) {
            parseRequests(in: slice, from: client)
        } else {
            mbufs.append(slice, to: &clients[client].backlog)
            touch(client)
        }
    }

    /// Parses what a client was not allowed to ask before.
    mutating func resume(_ client: Handle<ClientConnection>) {
        guard !clients[client].backlog.isEmpty, clients[client].isBelow(limits.client) else {
            return
        }
        var backlog = clients[client].backlog.take()
        while clients[client].phase == .open, !clients[client].isOver(limits.client),
            let slice = mbufs.takeFirst(from: &backlog)
        {
            parseRequests(in: slice, from: client)
            mbufs.release(slice)
        }
        // What was held back again in between comes first.
        mbufs.append(moving: &backlog, to: &clients[client].backlog)
        mbufs.release(&backlog)
    }

    mutating func didReceive(_ completion: Completion, from connection: Handle<ServerConnection>) {
        if !completion.isMore {
            connections[connection].didEndReceive()
            touch(connection)
        }
        if completion.hasMbuf {
            if completion.isMbufShared { mbufs.retain(completion.slice.mbuf) }
            if completion.result > 0, connections[connection].phase != .closing {
                parseReplies(in: completion.slice, from: connection)
            }
            mbufs.release(completion.slice.mbuf)
        }
        guard connections[connection].phase != .closing else { return }
        if completion.result == 0 {
            fail(connection, .endOfStream)
        } else if completion.result < 0, completion.result != SystemError.noBuffers {
            fail(connection, SystemError(errno: -completion.result))
        }
    }

    /// Hands the kernel new mbufs for those it has filled. Clients get none while memory is short,
    /// so that their TCP windows close; replies always find room.
    mutating func provideMbufs() {
        while ring.vacancies(in: .servers) > 0 {
            ring.provide(mbufs.take(), of: mbufs, to: .servers)
        }
        guard mbufs.usedCount < limits.mbufSoftMax else {
            if !isShortOfMemory { nextRelief = now &+ Self.shortageMax }
            return
        }
        nextRelief = .max
        while ring.vacancies(in: .clients) > 0 {
            ring.provide(mbufs.take(), of: mbufs, to: .clients)
        }
        if hasUnreadClients { readAllClients() }
    }

    /// How long, in nanoseconds, memory may be short before a client is closed: all of it may be
    /// in requests whose rest cannot be read.
    private static var shortageMax: UInt64 { 1_000_000_000 }

    /// Receives from clients that end then are not begun again. Without mbufs each would end at
    /// once, and again, and keep the processor busy.
    var isShortOfMemory: Bool { nextRelief != .max }

    private mutating func readAllClients() {
        hasUnreadClients = false
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            touch(client)
        }
        settle()
    }
}
