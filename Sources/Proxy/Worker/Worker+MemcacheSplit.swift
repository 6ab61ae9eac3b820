// Memcache requests for more than one server: some keys here, some there, or everybody.

extension Worker where IO: ~Copyable {
    /// Sends a request of several keys to their servers.
    mutating func route(
        _ request: MemcacheRequest, _ arrival: Arrival, _ chain: inout MbufChain,
        from client: Handle<ClientConnection>
    ) {
        let keys = request.key.start..<Int(request.lineCount) &- 2
        guard pools[Int(clients[client].pool)].servers.count > 1 else {
            return forward(arrival, &chain, keys: keys, to: 0, from: client)
        }
        var servers = MbufChain()
        var cursor = arrival.start
        let found = cursor.withBytes(Int(request.lineCount)) { line in
            findServers(of: request, in: line, client, into: &servers)
        }
        if found.areEqual {
            forward(arrival, &chain, keys: keys, to: found.first, from: client)
        } else {
            split(request, arrival, keyCount: found.count, servers: servers.take(), from: client)
        }
        mbufs.release(&servers)
    }

    private struct Found {
        var count = 0
        /// The server of the first key, and whether all others have the same.
        var first = 0
        var areEqual = true
    }

    /// - Parameter servers: Gets the index of each key's server, in two bytes, the lower first.
    private mutating func findServers(
        of request: MemcacheRequest, in line: Span<UInt8>, _ client: Handle<ClientConnection>,
        into servers: inout MbufChain
    ) -> Found {
        let pool = Int(clients[client].pool)
        var found = Found()
        var words = MemcacheWords(from: request.key.start, to: line.count &- 2)
        while let key = words.next(in: line) {
            let server = pools[pool].topology.server(
                for: line.extracting(key.range), random: &pools[pool].random)
            if found.count == 0 { found.first = server }
            found.areEqual = found.areEqual && server == found.first
            found.count &+= 1
            mbufs.append(UInt8(truncatingIfNeeded: server), to: &servers)
            mbufs.append(UInt8(truncatingIfNeeded: server >> 8), to: &servers)
        }
        return found
    }

    private mutating func split(
        _ request: MemcacheRequest, _ arrival: Arrival, keyCount: Int,
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
            Gathering(.memcache(.values), whole: whole, keyCount: keyCount, servers: servers))
        requests[whole].gathering = gathering
        var keys = arrival.start
        keys.skip(request.key.start)
        mbufs.append(
            Int(request.lineCount) &- request.key.start, from: &keys,
            to: &gatherings[gathering].keys)
        makeFragments(of: gathering, pool: Int(clients[client].pool))
        var cursor = arrival.start
        cursor.withBytes(Int(request.lineCount)) { line in
            // "get ", or "gat 0 ".
            var words = MemcacheWords(from: request.name.start, to: request.key.start)
            while let word = words.next(in: line) {
                addToFragments(of: gathering, line.extracting(word.range))
                addToFragments(of: gathering, " ")
            }
            distribute(request, line, places)
        }
        addToFragments(of: gathering, "\r\n")
        endAskedKeys(of: gathering)
        finishParts(of: gathering)
    }

    private mutating func endAskedKeys(of gathering: Handle<Gathering>) {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            let connection = parts[Int(requests[fragment].server)].connection
            if !connection.isNone {
                mbufs.append(UInt8(ascii: "\n"), to: &connections[connection].askedKeys)
            }
            fragment = requests[fragment].nextSibling
        }
    }

    /// Adds the same bytes to each fragment that is to be sent.
    private mutating func addToFragments(of gathering: Handle<Gathering>, _ bytes: Span<UInt8>) {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            let part = parts[Int(requests[fragment].server)]
            if !part.connection.isNone {
                mbufs.append(bytes, to: &connections[part.connection].outgoing)
                requests[fragment].byteCount &+= UInt32(truncatingIfNeeded: bytes.count)
            }
            fragment = requests[fragment].nextSibling
        }
    }

    private mutating func addToFragments(
        of gathering: Handle<Gathering>, _ text: StaticString
    ) {
        text.withUTF8Span { addToFragments(of: gathering, $0) }
    }

    /// Gives each key to the fragment of its server, a blank behind it.
    private mutating func distribute(
        _ request: MemcacheRequest, _ line: Span<UInt8>, _ places: MbufCursor
    ) {
        var places = places
        var words = MemcacheWords(from: request.key.start, to: line.count &- 2)
        while let key = words.next(in: line), let server = places.nextServer() {
            let connection = parts[server].connection
            guard !connection.isNone else { continue }
            mbufs.append(line.extracting(key.range), to: &connections[connection].outgoing)
            mbufs.append(UInt8(ascii: " "), to: &connections[connection].outgoing)
            mbufs.append(line.extracting(key.range), to: &connections[connection].askedKeys)
            mbufs.append(UInt8(ascii: " "), to: &connections[connection].askedKeys)
            let fragment = parts[server].fragment
            requests[fragment].byteCount &+= key.length &+ 1
        }
    }

    // MARK: To every server

    /// Sends a request that has no key to every server of the pool.
    mutating func broadcast(
        _ request: MemcacheRequest, _ arrival: Arrival, from client: Handle<ClientConnection>
    ) {
        let pool = Int(clients[client].pool)
        let count = pools[pool].servers.count
        guard request.isNoreply || count == 1 else {
            var cursor = arrival.start
            return cursor.withBytes(arrival.byteCount) { line in
                broadcast(line, .done, from: client)
            }
        }
        for server in 0..<count {
            var copy = MbufChain()
            var cursor = arrival.start
            mbufs.append(arrival.byteCount, from: &cursor, to: &copy)
            if request.isNoreply {
                forwardSilently(arrival, &copy, to: server, from: client)
            } else {
                forward(arrival, &copy, to: server, from: client)
            }
            mbufs.release(&copy)
        }
    }

    mutating func broadcast(
        _ bytes: Span<UInt8>, _ assembly: MemcacheAssembly, from client: Handle<ClientConnection>
    ) {
        let pool = Int(clients[client].pool)
        let whole = requests.insert(Request(.split, client: client))
        push(whole, of: client)
        let gathering = gatherings.insert(
            Gathering(.memcache(assembly), whole: whole, keyCount: 0, servers: MbufChain()))
        requests[whole].gathering = gathering
        for server in 0..<pools[pool].servers.count { parts[server].keyCount = 1 }
        makeFragments(of: gathering, pool: pool)
        addToFragments(of: gathering, bytes)
        finishParts(of: gathering)
    }
}
