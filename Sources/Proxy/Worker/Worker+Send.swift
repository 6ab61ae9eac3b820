// The last step: what the turn has brought for a connection leaves in one send.

extension Worker where IO: ~Copyable {
    mutating func act(for client: Handle<ClientConnection>) {
        if clients[client].isSlow { checkPace(of: client) }
        if clients[client].unsentCount > limits.client.unsentMax / 2,
            clients[client].mustRead(limits.client)
        {
            watch(client)
        }
        let mayRead = mayRead(client)
        while true {
            let socket = clients[client].socket
            switch clients[client].nextAction(limits.client, mayReceive: mayRead) {
            case .none:
                return
            case .receive:
                ring.receive(from: socket, into: .clients, token: Token(.clientReceive, client))
            case .send:
                // Of one that must read, small sends show better whether it does.
                let partsMax = clients[client].isSlow ? 16 : ChainNodePool.sendPartsMax
                let chain = mbufs.takeSend(
                    from: &clients[client].outgoing, partsMax: partsMax)
                clients[client].sending = chain
                ring.send(
                    clients[client].sending, of: mbufs, to: socket,
                    endFollows: clients[client].isBeforeEnd, token: Token(.clientSend, client))
            case .shutDown:
                ring.shutDown(socket)
            case .cancelReceive:
                ring.cancel(Token(.clientReceive, client))
            case .cancelSend:
                ring.cancel(Token(.clientSend, client))
            case .close:
                noteEnd(of: client)
                ring.close(socket, token: Token(.clientClose, client))
            }
        }
    }

    mutating func didSend(_ completion: Completion, to client: Handle<ClientConnection>) {
        let count = clients[client].sending.byteCount
        mbufs.release(&clients[client].sending)
        clients[client].didSend()
        if clients[client].isSlow { didRead(client) }
        touch(client)
        if Int(completion.result) != count { lose(client, errno: max(0, 0 &- completion.result)) }
    }

    mutating func act(for connection: Handle<ServerConnection>) {
        if connections[connection].mayRelease(limits.serverRequestMax) {
            releaseClients(of: connection)
            if connections[connection].isSetApart { rejoin(connection) }
        }
        while true {
            let socket = connections[connection].socket
            let unsentCount = Int(connections[connection].unsentCount)
            let unsentBytes = connections[connection].unsentBytes
            let silentCount = Int(connections[connection].silentCount)
            let silentBytes = connections[connection].silentBytes
            switch connections[connection].nextAction() {
            case .none:
                return
            case .receive:
                ring.receive(
                    from: socket, into: .servers, token: Token(.serverReceive, connection))
            case .send:
                if connections[connection].phase == .ready {
                    let place = Int(connections[connection].place)
                    counters.value.servers[place].inQueue.add(0 &- unsentCount &- silentCount)
                    counters.value.servers[place].inQueueBytes.add(
                        0 &- unsentBytes &- silentBytes)
                    counters.value.servers[place].outQueue.add(unsentCount)
                    counters.value.servers[place].outQueueBytes.add(unsentBytes)
                }
                connections[connection].didMove(at: milliseconds)
                send(on: connection)
            case .cancelConnect:
                ring.cancel(Token(.serverConnect, connection))
            case .cancelReceive:
                ring.cancel(Token(.serverReceive, connection))
            case .cancelSend:
                ring.cancel(Token(.serverSend, connection))
            case .close:
                ring.close(socket, token: Token(.serverClose, connection))
            case .forget:
                return didClose(connection)
            }
        }
    }

    private mutating func send(on connection: Handle<ServerConnection>) {
        let chain =
            connections[connection].phase == .greeting
            ? mbufs.takeSend(from: &connections[connection].greeting)
            : mbufs.takeSend(from: &connections[connection].outgoing)
        connections[connection].sending = chain
        ring.send(
            connections[connection].sending, of: mbufs, to: connections[connection].socket,
            endFollows: false, token: Token(.serverSend, connection))
    }

    mutating func didSend(_ completion: Completion, to connection: Handle<ServerConnection>) {
        let count = connections[connection].sending.byteCount
        mbufs.release(&connections[connection].sending)
        connections[connection].didSend()
        touch(connection)
        guard connections[connection].phase != .closing, Int(completion.result) != count else {
            return
        }
        let errno = completion.result < 0 ? -completion.result : 0
        fail(connection, SystemError(errno: errno))
    }
}
