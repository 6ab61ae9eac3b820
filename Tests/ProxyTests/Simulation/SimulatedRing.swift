import Glibc

@testable import Proxy

/// A `Ring` whose kernel, network, peers and clock are a `World`. It checks what it is asked.
struct SimulatedRing: Ring, ~Copyable {
    let world: World
    let side: RingSide

    var now: UInt64 { world.clock }

    var microsecondsSince1970: Int { Int(world.clock / 1000) }

    mutating func stopAccepting(on listener: Socket) {
        check(listener == Self.listener && world.isListening, "stopAccepting on \(listener)")
        side.operations.removeAll { if case .accept = $0.kind { true } else { false } }
        world.stopListening()
    }

    mutating func hand(
        _ socket: Socket, toRing descriptor: Int32, token: Token, sent: Token
    ) {
        guard let link = link(socket, "hand") else { return }
        check(descriptor != side.descriptor, "a hand-over to itself")
        check(world.operations(on: link).isEmpty, "a hand-over while something is in flight")
        let readyAt = world.clock + UInt64(world.chance.below(world.scenario.handDelayMax))
        begin(
            Operation(
                .hand(descriptor, token), token: sent, of: side, link: link,
                readyAt: readyAt))
        link.owner = nil
    }

    mutating func keepAlive(_ socket: Socket) {
        check(link(socket, "keepAlive") != nil, "keepAlive of no socket")
    }

    func peer(of socket: Socket) -> PeerAddress {
        check(link(socket, "peer")?.isClient ?? false, "peer of \(socket.descriptor)")
        return .unknown
    }

    mutating func accept(on listener: Socket, token: Token) {
        check(listener == Self.listener && world.isListening, "accept on \(listener)")
        begin(Operation(.accept, token: token, of: side))
    }

    mutating func openSocket(for address: borrowing SocketAddress) -> Result<Socket, SystemError> {
        guard let server = server(at: address) else {
            world.fail("a socket for an unknown address")
            return .failure(.hostDown)
        }
        world.openedCount += 1
        if world.chance.percent(world.scenario.connectFaults / 4) {
            server.noteFault(in: world)
            return .failure(SystemError(errno: EMFILE))
        }
        let link = world.makeLink(to: .server(server), isConnected: false, owner: side)
        return .success(Socket(descriptor: link.descriptor))
    }

    mutating func connect(_ socket: Socket, to address: borrowing SocketAddress, token: Token) {
        guard let link = link(socket, "connect") else { return }
        check(!link.isConnected, "a second connect")
        begin(Operation(.connect, token: token, of: side, link: link))
    }

    mutating func receive(from socket: Socket, into group: MbufGroup, token: Token) {
        guard let link = link(socket, "receive") else { return }
        check(link.isConnected, "receive before connect")
        check(
            !world.operations(on: link).contains {
                if case .receive = $0.kind { true } else { false }
            },
            "a second receive")
        link.isServed = true
        begin(Operation(.receive(group), token: token, of: side, link: link))
    }

    mutating func send(
        _ chain: borrowing MbufChain, of mbufs: borrowing MbufPool, to socket: Socket,
        endFollows: Bool, token: Token
    ) {
        guard let link = link(socket, "send") else { return }
        check(link.isConnected, "send before connect")
        check(
            !world.operations(on: link).contains {
                if case .send = $0.kind { true } else { false }
            },
            "a second send")
        var parts: [UnsafeRawBufferPointer] = []
        var index = chain.head
        while index != ChainNodePool.none {
            let node = mbufs.nodes[index]
            parts.append(
                UnsafeRawBufferPointer(
                    start: mbufs.memory(of: node.slice), count: node.slice.count))
            index = node.next
        }
        check(!parts.isEmpty && parts.count <= ChainNodePool.sendPartsMax, "send of \(parts.count)")
        check(parts.allSatisfy { $0.count > 0 }, "send of an empty part")
        let operation = Operation(.send, token: token, of: side, link: link, parts: parts)
        check(operation.bytes.count == chain.byteCount, "a chain whose byte count is wrong")
        begin(operation)
    }

    /// What has reached the worker by then is to be answered: nothing can be, after that.
    mutating func shutDown(_ socket: Socket) {
        guard let link = link(socket, "shutDown") else { return }
        check(
            !world.operations(on: link).contains {
                if case .send = $0.kind { true } else { false }
            },
            "shutDown in the middle of a send")
        link.deliveredAtDrain = link.deliveredCount
    }

    mutating func cancel(_ token: Token) {
        let found = side.operations.first { $0.token == token }
        found?.isCancelled = true
        side.post(Completion(token: Token(.ignored), result: found == nil ? -ENOENT : 0))
    }

    mutating func close(_ socket: Socket, token: Token) {
        guard let link = link(socket, "close") else { return }
        check(world.operations(on: link).isEmpty, "close while something is in flight")
        link.isClosing = true
        begin(Operation(.close, token: token, of: side, link: link))
    }

    mutating func watch(_ descriptor: Socket, token: Token) {
        check(descriptor == Self.stop, "watch of \(descriptor)")
        guard world.stopsAt < .max else { return }
        let readyAt = world.stopsAt + UInt64(world.chance.below(1_000_000))
        begin(Operation(.watch, token: token, of: side, readyAt: readyAt))
    }

    func vacancies(in group: MbufGroup) -> Int {
        side.groups[group.rawValue].capacity - side.groups[group.rawValue].buffers.count
    }

    mutating func provide(_ mbuf: Mbuf, of mbufs: borrowing MbufPool, to group: MbufGroup) {
        check(vacancies(in: group) > 0, "provide without a vacancy")
        let memory = mbufs.memory(of: MbufSlice(mbuf: mbuf, offset: 0, count: Mbuf.size))
        side.groups[group.rawValue].buffers.append(
            ProvidedMbufs.Buffer(mbuf: mbuf, memory: memory))
    }

    mutating func submitAndWait(until deadline: UInt64) {
        check(deadline == side.deadline, "a wait until \(deadline), not \(side.deadline)")
        side.beginTurn()
    }

    mutating func gather() -> Bool {
        guard world.chance.percent(world.scenario.gathers) else { return false }
        world.goOn()
        side.beginTurn()
        return side.hasReady
    }

    mutating func nextCompletion() -> Completion? {
        guard let (completion, link) = side.next() else { return nil }
        world.trace?(
            "  \(completion.token.purpose) \(completion.token.index): \(completion.result)")
        switch completion.token.purpose {
        case .handover:
            check(link?.owner == nil, "a socket that somebody has was handed over")
            link?.owner = side
            world.note(.handOver)
        case .clientReceive where completion.hasMbuf:
            link?.deliveredCount += Int(completion.result)
        case .wake:
            for link in world.links.values where link.isClient && link.owner === side {
                link.deliveredAtDrain = link.deliveredCount
            }
        default: break
        }
        return completion
    }
}

extension SimulatedRing {
    static let listener = Socket(descriptor: 3)
    /// Becomes readable when the proxy is to end.
    static let stop = Socket(descriptor: 4)

    private func check(_ isRight: Bool, _ text: @autoclosure () -> String) {
        if !isRight { world.fail(text()) }
    }

    private func begin(_ operation: Operation) {
        if operation.token != Token(.ignored) {
            check(
                !side.operations.contains { $0.token == operation.token },
                "two operations of one token")
        }
        world.trace?("  begin \(operation.kind) \(operation.link?.descriptor ?? 0)")
        side.operations.append(operation)
    }

    private func link(_ socket: Socket, _ text: String) -> Link? {
        guard let link = world.links[socket.descriptor], !link.isClosing else {
            world.fail("\(text) on closed socket \(socket.descriptor)")
            return nil
        }
        check(link.owner === side, "\(text) on another worker's socket \(socket.descriptor)")
        return link
    }

    /// Servers listen on unix sockets named `s` and their index.
    private func server(at address: borrowing SocketAddress) -> SimulatedServer? {
        let index = address.withSockaddr { pointer, _ in
            Int(UnsafeRawPointer(pointer).load(fromByteOffset: 3, as: UInt8.self)) - 0x30
        }
        return world.servers.indices.contains(index) ? world.servers[index] : nil
    }
}
