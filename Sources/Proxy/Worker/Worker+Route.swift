// The third step: a request finds its server, or its answer in the proxy itself.

extension Worker where IO: ~Copyable {
    /// Sends a request on its way to its servers, or answers it.
    mutating func dispatch(
        _ arrival: Arrival, _ chain: inout MbufChain, from client: Handle<ClientConnection>
    ) {
        let command = findCommand(of: arrival)
        guard clients[client].restrictions.isEmpty || !holdBack(command, arrival, from: client)
        else { return }
        switch command.handling {
        case .forward, .placeholder:
            guard !lacksRoom else { return refuseForRoom(client) }
        case .local, .refused: break
        }
        switch command.handling {
        case .forward:
            if case .range(first: 1, last: 1, step: _) = command.keys, arrival.argumentCount > 1 {
                forward(arrival, &chain, to: server(ofFirst: arrival, client), from: client)
            } else {
                route(arrival, &chain, command, from: client)
            }
        case .placeholder:
            forward(arrival, &chain, to: placeholderServer(of: client), from: client)
        case .local:
            answer(arrival, &chain, command, from: client)
        case .refused:
            answerRefused(arrival, command, from: client)
        }
    }

    mutating func findCommand(of arrival: Arrival) -> Command {
        let command: Command
        if arrival.isContiguous {
            command = mbufs.withBytes(of: arrival.slice(of: arrival.name)) { commands.find($0) }
        } else {
            var cursor = arrival.start
            cursor.skip(arrival.name.start)
            command = cursor.withBytes(arrival.name.count) { commands.find($0) }
        }
        guard command.flags.contains(.container), arrival.argumentCount > 1 else { return command }
        var cursor = arrival.start
        cursor.skip(arrival.first.start)
        return cursor.withBytes(arrival.first.count) { commands.find($0, in: command) }
    }

    mutating func server(
        ofFirst arrival: Arrival, _ client: Handle<ClientConnection>
    ) -> Int {
        let pool = Int(clients[client].pool)
        guard !arrival.isContiguous else {
            return mbufs.withBytes(of: arrival.slice(of: arrival.first)) { key in
                pools[pool].topology.server(for: key, random: &pools[pool].random)
            }
        }
        var cursor = arrival.start
        cursor.skip(arrival.first.start)
        return cursor.withBytes(arrival.first.count) { key in
            pools[pool].topology.server(for: key, random: &pools[pool].random)
        }
    }

    mutating func placeholderServer(of client: Handle<ClientConnection>) -> Int {
        pools[Int(clients[client].pool)].placeholderServer
    }

    /// Routes what has not just one key in the usual place.
    private mutating func route(
        _ arrival: Arrival, _ chain: inout MbufChain, _ command: Command,
        from client: Handle<ClientConnection>
    ) {
        let reader = ArgumentReader(start: arrival.start, place: argumentPlace)
        switch command.resolveKeys(of: reader, argumentCount: arrival.argumentCount) {
        case .none:
            forward(arrival, &chain, to: placeholderServer(of: client), from: client)
        case .invalid(near: 0) where !command.accepts(argumentCount: arrival.argumentCount):
            replyWrongArity(command, to: client)
        case .invalid(near: 0):
            forward(arrival, &chain, to: placeholderServer(of: client), from: client)
        case .invalid(let near):
            let key = ResolvedKeys(first: near, last: near)
            let server = findServers(of: key, in: arrival, client).first
            forward(arrival, &chain, to: server, from: client)
        case .blocking:
            reply("-ERR BLOCK is not supported on shared connections\r\n", to: client)
        case .keys(let keys):
            route(arrival, &chain, command, keys, from: client)
        }
    }

    private mutating func route(
        _ arrival: Arrival, _ chain: inout MbufChain, _ command: Command, _ keys: ResolvedKeys,
        from client: Handle<ClientConnection>
    ) {
        let pool = Int(clients[client].pool)
        var arrival = arrival
        // It might have been split: its reply must be of the right kind.
        arrival.expectedKind = command.split.replyKind
        if pools[pool].servers.count == 1 {
            return forward(arrival, &chain, to: 0, from: client)
        }
        var servers = MbufChain()
        let found = findServers(of: keys, in: arrival, client, into: &servers)
        if found.areEqual {
            forward(arrival, &chain, to: found.first, from: client)
        } else if command.split == .none {
            reply("-CROSSSLOT Keys in request don't hash to the same slot\r\n", to: client)
        } else {
            split(arrival, &chain, command, keys, servers: servers.take(), from: client)
        }
        mbufs.release(&servers)
    }

    /// Finds the server of the first key, and whether that of all others is the same.
    private mutating func findServers(
        of keys: ResolvedKeys, in arrival: Arrival, _ client: Handle<ClientConnection>
    ) -> (first: Int, areEqual: Bool) {
        var servers = MbufChain()
        let found = findServers(of: keys, in: arrival, client, into: &servers)
        mbufs.release(&servers)
        return found
    }

    /// - Parameter servers: Gets the index of each key's server, in two bytes, the lower first.
    private mutating func findServers(
        of keys: ResolvedKeys, in arrival: Arrival, _ client: Handle<ClientConnection>,
        into servers: inout MbufChain
    ) -> (first: Int, areEqual: Bool) {
        let pool = Int(clients[client].pool)
        var walker = ArgumentWalker(start: arrival.start)
        var first = -1
        var areEqual = true
        var index = 0
        while index < arrival.argumentCount {
            let count = walker.nextHeader()
            if keys.contains(index) {
                let server = walker.withBytes(count) { key in
                    pools[pool].topology.server(for: key, random: &pools[pool].random)
                }
                if first < 0 { first = server }
                areEqual = areEqual && server == first
                mbufs.append(UInt8(truncatingIfNeeded: server), to: &servers)
                mbufs.append(UInt8(truncatingIfNeeded: server >> 8), to: &servers)
            } else {
                walker.skip(count)
            }
            index &+= 1
        }
        return (first, areEqual)
    }
}
