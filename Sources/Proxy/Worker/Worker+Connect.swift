// How a connection finds its server: the name is looked up, if what is known of it is old, and the
// addresses are tried one after another.

extension Worker where IO: ~Copyable {
    /// How long, in nanoseconds, a connection waits for its server's name to be looked up before it
    /// makes do with what is known, and how often it looks.
    private static var lookupMax: UInt64 { 300_000_000 }
    private static var lookupInterval: UInt64 { 1_000_000 }
    /// How long an address may take to accept: long enough for a lost packet to be sent twice more.
    private static var connectMax: UInt64 { 4_000_000_000 }

    /// Begins to connect, or waits for an answer first. Returns what failed at once.
    mutating func resolve(_ connection: Handle<ServerConnection>) -> SystemError? {
        let place = Int(connections[connection].place)
        guard !process.value.addresses.isFresh(place, now: now) else {
            return beginConnect(connection)
        }
        connections[connection].connectDeadline =
            now &+ min(Self.lookupMax, timeout(of: connection) / 2)
        nextExpiry = min(nextExpiry, now &+ Self.lookupInterval)
        return nil
    }

    /// Connects to the address that worked last, or to the next after one that did not.
    private mutating func beginConnect(_ connection: Handle<ServerConnection>) -> SystemError? {
        let place = Int(connections[connection].place)
        let isFirst = connections[connection].triedCount == 0
        let index =
            isFirst
            ? process.value.addresses.preferredIndex(of: place)
            : Int(connections[connection].addressIndex) &+ 1
        guard let address = process.value.addresses.address(of: place, at: index) else {
            return .hostDown
        }
        switch ring.openSocket(for: address) {
        case .failure(let error): return error
        case .success(let socket):
            connections[connection].didBeginConnect(socket, address: index)
            ring.connect(socket, to: address, token: Token(.serverConnect, connection))
        }
        let isLast = !hasNextAddress(connection)
        let timeout = timeout(of: connection)
        let limit = isLast || timeout == .max ? Self.connectMax : timeout / 2
        connections[connection].connectDeadline = now &+ min(Self.connectMax, limit)
        nextExpiry = min(nextExpiry, connections[connection].connectDeadline)
        return nil
    }

    private mutating func hasNextAddress(_ connection: Handle<ServerConnection>) -> Bool {
        let place = Int(connections[connection].place)
        return Int(connections[connection].triedCount)
            < process.value.addresses.addressCount(of: place)
    }

    mutating func didConnect(_ completion: Completion, _ connection: Handle<ServerConnection>) {
        connections[connection].didEndConnect()
        touch(connection)
        guard connections[connection].phase == .connecting else { return }
        guard completion.result < 0 else {
            let place = Int(connections[connection].place)
            if connections[connection].triedCount > 1 {
                let index = Int(connections[connection].addressIndex)
                process.value.addresses.prefer(index, of: place)
            }
            connections[connection].didConnect()
            didReopen(connection)
            noteReadiness(of: connection)
            return counters.value.servers[place].serverConnections.add(1)
        }
        let isLate = connections[connection].didFailConnect()
        let error = isLate ? .timedOut : SystemError(errno: -completion.result)
        guard hasNextAddress(connection) else { return fail(connection, error) }
        ring.close(connections[connection].socket, token: Token(.ignored))
        connections[connection].didLoseSocket()
        if let error = beginConnect(connection) { fail(connection, error) }
    }

    /// The next connection to this server begins with another address.
    mutating func avoidAddress(of connection: Handle<ServerConnection>) {
        process.value.addresses.prefer(
            Int(connections[connection].addressIndex) &+ 1, of: Int(connections[connection].place))
    }

    /// Goes on with a connection whose name was looked up or will not be in time, and gives up an
    /// address that does not accept.
    mutating func expireConnect(_ connection: Handle<ServerConnection>) {
        switch connections[connection].phase {
        case .resolving:
            let place = Int(connections[connection].place)
            let isLate = now >= connections[connection].connectDeadline
            guard isLate || process.value.addresses.isFresh(place, now: now) else {
                nextExpiry = min(nextExpiry, now &+ Self.lookupInterval)
                return
            }
            if let error = beginConnect(connection) { fail(connection, error) }
        case .connecting:
            guard now >= connections[connection].connectDeadline else {
                nextExpiry = min(nextExpiry, connections[connection].connectDeadline)
                return
            }
            if connections[connection].cancelConnect() {
                ring.cancel(Token(.serverConnect, connection))
            }
        case .greeting, .ready, .closing, .closed: break
        }
    }
}
