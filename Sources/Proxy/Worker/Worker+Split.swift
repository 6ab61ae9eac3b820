// A request whose keys are on several servers becomes one fragment per server, and their replies
// become one again. Both take time linear in the number of keys.

extension Worker where IO: ~Copyable {
    /// - Parameter servers: Per key the index of its server, in two bytes, the lower first.
    mutating func split(
        _ arrival: Arrival, _ chain: inout MbufChain, _ command: Command, _ keys: ResolvedKeys,
        servers: consuming MbufChain, from client: Handle<ClientConnection>
    ) {
        countKeys(servers)
        guard haveRoom(for: client) else {
            var servers = servers
            return mbufs.release(&servers)
        }
        let whole = requests.insert(Request(.split, client: client))
        push(whole, of: client)
        let places = mbufs.cursor(of: servers)
        let gathering = gatherings.insert(
            Gathering(
                .redis(command.split), whole: whole, keyCount: keys.count, servers: servers))
        requests[whole].gathering = gathering
        makeFragments(of: gathering, pool: Int(clients[client].pool))
        beginFragments(of: gathering, command)
        distribute(arrival, keys, command.split, places)
        finishParts(of: gathering)
    }

    mutating func countKeys(_ servers: borrowing MbufChain) {
        var places = mbufs.cursor(of: servers)
        while let server = places.nextServer() { parts[server].keyCount &+= 1 }
    }

    /// Whether all servers that have keys may get their parts now. If not, nothing is begun.
    mutating func haveRoom(for client: Handle<ClientConnection>) -> Bool {
        let count = pools[Int(clients[client].pool)].servers.count
        for server in 0..<count
        where parts[server].keyCount > 0 && !hasRoom(at: server, for: client) {
            for server in 0..<count { parts[server] = Part() }
            return false
        }
        return true
    }

    /// Makes a fragment for each server that has keys, in the order of servers. Nothing is added
    /// yet to what is sent.
    mutating func makeFragments(of gathering: Handle<Gathering>, pool: Int) {
        var last = Handle<Request>.none
        let expectedKind = gatherings[gathering].assembly.expectedKind
        let client = requests[gatherings[gathering].whole].client
        for server in 0..<pools[pool].servers.count where parts[server].keyCount > 0 {
            var fragment = Request(
                .fragment, client: .none, gathering: gathering, expecting: expectedKind)
            fragment.server = UInt16(truncatingIfNeeded: server)
            let handle = requests.insert(fragment)
            parts[server].fragment = handle
            let use = last.isNone ? LaneUse.request : .furtherFragment
            if last.isNone {
                gatherings[gathering].firstFragment = handle
            } else {
                requests[last].nextSibling = handle
            }
            last = handle
            gatherings[gathering].pendingCount &+= 1
            counters.value.pools[pool].fragments.add(1)
            switch connection(to: server, for: client, use) {
            case .failure(let error):
                parts[server].connection = .none
                parts[server].failure = error
            case .success(let connection):
                parts[server].connection = connection
                enqueue(handle, on: connection)
            }
        }
    }

    /// Starts each fragment with the right number of arguments.
    private mutating func beginFragments(of gathering: Handle<Gathering>, _ command: Command) {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            let part = parts[Int(requests[fragment].server)]
            if !part.connection.isNone {
                beginFragment(on: part.connection, command, keyCount: part.keyCount)
            }
            fragment = requests[fragment].nextSibling
        }
    }

    private mutating func beginFragment(
        on connection: Handle<ServerConnection>, _ command: Command, keyCount: Int
    ) {
        let perKey = command.split == .pairs ? 2 : 1
        let before = connections[connection].outgoing.byteCount
        mbufs.append("*", to: &connections[connection].outgoing)
        mbufs.append(decimal: keyCount &* perKey &+ 1, to: &connections[connection].outgoing)
        mbufs.append("\r\n$", to: &connections[connection].outgoing)
        commands.withName(of: command) { name in
            mbufs.append(decimal: name.count, to: &connections[connection].outgoing)
            mbufs.append("\r\n", to: &connections[connection].outgoing)
            mbufs.append(name, to: &connections[connection].outgoing)
        }
        mbufs.append("\r\n", to: &connections[connection].outgoing)
        let added = connections[connection].outgoing.byteCount &- before
        let request = connections[connection].lastRequest
        requests[request].byteCount &+= UInt32(truncatingIfNeeded: added)
    }

    /// Gives each key, with its value if it has one, to the fragment of its server.
    private mutating func distribute(
        _ arrival: Arrival, _ keys: ResolvedKeys, _ split: Command.Split,
        _ places: MbufCursor
    ) {
        var places = places
        var walker = ArgumentWalker(start: arrival.start)
        walker.skip(walker.nextHeader())
        var left = keys.count
        while left > 0, let server = places.nextServer() {
            add(&walker, to: server)
            if split == .pairs { add(&walker, to: server) }
            left &-= 1
        }
    }

    private mutating func add(_ walker: inout ArgumentWalker, to server: Int) {
        let count = walker.nextHeader()
        let connection = parts[server].connection
        guard !connection.isNone else { return walker.skip(count) }
        let before = connections[connection].outgoing.byteCount
        mbufs.append("$", to: &connections[connection].outgoing)
        mbufs.append(decimal: count, to: &connections[connection].outgoing)
        mbufs.append("\r\n", to: &connections[connection].outgoing)
        walker.append(count, to: &connections[connection].outgoing, of: &mbufs)
        let added = connections[connection].outgoing.byteCount &- before
        let fragment = parts[server].fragment
        requests[fragment].byteCount &+= UInt32(truncatingIfNeeded: added)
    }

    /// Leaves the parts as they were, and answers the fragments that found no connection.
    mutating func finishParts(of gathering: Handle<Gathering>) {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            // The last failure may free all of them.
            let next = requests[fragment].nextSibling
            let part = parts[Int(requests[fragment].server)]
            parts[Int(requests[fragment].server)] = Part()
            if part.connection.isNone {
                fail(fragment, part.failure)
            } else {
                let byteCount = Int(requests[fragment].byteCount)
                account(fragment, on: part.connection, byteCount: byteCount)
            }
            fragment = next
        }
    }
}

// MARK: - Putting together

extension Worker where IO: ~Copyable {
    /// One fragment has its reply, or its error.
    mutating func didAnswer(fragment: Handle<Request>) {
        let gathering = requests[fragment].gathering
        gatherings[gathering].pendingCount &-= 1
        guard gatherings[gathering].pendingCount == 0 else { return }
        let whole = gatherings[gathering].whole
        if !requests[whole].client.isNone { assemble(gathering) }
        release(gathering)
        didAnswer(whole)
    }

    private mutating func assemble(_ gathering: Handle<Gathering>) {
        let whole = gatherings[gathering].whole
        if let failed = firstError(of: gathering) {
            countError(for: requests[whole].client)
            return mbufs.append(moving: &requests[failed].reply, to: &requests[whole].reply)
        }
        let isRight =
            switch gatherings[gathering].assembly {
            case .redis(.values): assembleValues(gathering)
            case .redis(.sum): assembleSum(gathering)
            case .redis(.pairs): assembleStatus(gathering)
            case .redis(.none): preconditionFailure("a command that cannot be split was")
            case .memcache(let assembly): assemble(gathering, assembly)
            }
        guard !isRight else { return }
        mbufs.release(&requests[whole].reply)
        write(error: .invalidReply, to: whole)
    }

    /// The first fragment, in the order of servers, whose reply is an error.
    private mutating func firstError(of gathering: Handle<Gathering>) -> Handle<Request>? {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            if requests[fragment].replyKind == ReplyKind.error { return fragment }
            fragment = requests[fragment].nextSibling
        }
        return nil
    }

    private mutating func assembleValues(_ gathering: Handle<Gathering>) -> Bool {
        let whole = gatherings[gathering].whole
        let keyCount = gatherings[gathering].keyCount
        guard beginValues(gathering) == keyCount else { return false }
        mbufs.append("*", to: &requests[whole].reply)
        mbufs.append(decimal: keyCount, to: &requests[whole].reply)
        mbufs.append("\r\n", to: &requests[whole].reply)
        var places = mbufs.cursor(of: gatherings[gathering].servers)
        while let server = places.nextServer() {
            guard var values = parts[server].values, let count = values.valueCount() else {
                return false
            }
            mbufs.append(count, from: &values, to: &requests[whole].reply)
            parts[server].values = values
        }
        return true
    }

    /// Puts a cursor to the first value of each fragment. Returns how many values there are.
    private mutating func beginValues(_ gathering: Handle<Gathering>) -> Int {
        var sum = 0
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            var values = mbufs.cursor(of: requests[fragment].reply)
            guard values.nextByte() == UInt8(ascii: "*"), let count = values.nextNumber() else {
                return -1
            }
            parts[Int(requests[fragment].server)].values = values
            sum &+= count
            fragment = requests[fragment].nextSibling
        }
        return sum
    }

    private mutating func assembleSum(_ gathering: Handle<Gathering>) -> Bool {
        let whole = gatherings[gathering].whole
        var sum = 0
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            var reply = mbufs.cursor(of: requests[fragment].reply)
            guard reply.nextByte() == UInt8(ascii: ":"), let number = reply.nextNumber() else {
                return false
            }
            sum &+= number
            fragment = requests[fragment].nextSibling
        }
        mbufs.append(":", to: &requests[whole].reply)
        mbufs.append(decimal: sum, to: &requests[whole].reply)
        mbufs.append("\r\n", to: &requests[whole].reply)
        return true
    }

    private mutating func assembleStatus(_ gathering: Handle<Gathering>) -> Bool {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            var reply = mbufs.cursor(of: requests[fragment].reply)
            guard reply.nextByte() == UInt8(ascii: "+") else { return false }
            fragment = requests[fragment].nextSibling
        }
        mbufs.append("+OK\r\n", to: &requests[gatherings[gathering].whole].reply)
        return true
    }

    /// Frees the fragments and what they share.
    private mutating func release(_ gathering: Handle<Gathering>) {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            let next = requests[fragment].nextSibling
            mbufs.release(&requests[fragment].reply)
            parts[Int(requests[fragment].server)].values = nil
            requests.remove(fragment)
            fragment = next
        }
        mbufs.release(&gatherings[gathering].servers)
        mbufs.release(&gatherings[gathering].keys)
        gatherings.remove(gathering)
    }
}

extension MbufCursor {
    /// The next index of a server, in two bytes, the lower first; nil at the end.
    mutating func nextServer() -> Int? {
        guard let low = nextByte(), let high = nextByte() else { return nil }
        return Int(low) | Int(high) << 8
    }

    /// The number up to the line end, and moves over that; nil if there is none.
    fileprivate mutating func nextNumber() -> Int? {
        var line = RESPNumberLine()
        while let byte = nextByte() {
            switch line.parse(byte) {
            case .incomplete: continue
            case .violation: return nil
            case .value(let value): return value
            }
        }
        return nil
    }

    /// How many bytes the value here takes, header and line ends included; nil if it is none that
    /// a redis server puts into the reply to MGET.
    fileprivate func valueCount() -> Int? {
        var ahead = self
        guard ahead.nextByte() == UInt8(ascii: "$") else { return nil }
        var headerCount = 1
        var line = RESPNumberLine()
        while let byte = ahead.nextByte() {
            headerCount &+= 1
            switch line.parse(byte) {
            case .incomplete: continue
            case .violation: return nil
            case .value(let value): return value < 0 ? headerCount : headerCount &+ value &+ 2
            }
        }
        return nil
    }
}
