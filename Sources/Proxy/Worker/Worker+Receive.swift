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
                if shortage.isOn { touch(client) }
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
                connections[connection].didMove(at: milliseconds)
                parseReplies(in: completion.slice, from: connection)
                // What it holds may wait for its queue to get shorter.
                if connections[connection].holdsClients { touch(connection) }
            }
            mbufs.release(completion.slice.mbuf)
        }
        guard connections[connection].phase != .closing else { return }
        if completion.result == 0 {
            fail(connection, .endOfStream)
        } else if completion.result < 0, completion.result != SystemError.noBuffers,
            completion.result != SystemError.cancelled
        {
            fail(connection, SystemError(errno: -completion.result))
        }
    }

    /// Hands the kernel new mbufs for those it has filled. Clients get none at the hard limit of
    /// memory; replies always find room.
    mutating func provideMbufs() {
        while ring.vacancies(in: .servers) > 0 {
            ring.provide(mbufs.take(), of: mbufs, to: .servers)
        }
        guard !shortage.isFull else { return }
        while ring.vacancies(in: .clients) > 0 {
            ring.provide(mbufs.take(), of: mbufs, to: .clients)
        }
    }
}
