import Config

// What is memcache's alone in the second and third step: how its requests are found, and where
// each goes. Those that have several keys, or none, go on in `Worker+MemcacheSplit`.

extension Worker where IO: ~Copyable {
    /// Takes the first request out of some bytes, and sends it on its way. Returns false if it has
    /// not ended: then all bytes are kept for later.
    mutating func takeMemcacheRequest(
        from rest: inout MbufSlice, _ client: Handle<ClientConnection>
    ) -> Bool {
        let (outcome, count) = parseMemcacheRequest(in: rest, from: client)
        let consumed = rest.prefix(count)
        rest = rest.dropFirst(count)
        switch outcome {
        case .incomplete:
            mbufs.append(consumed, to: &clients[client].partial)
            return false
        case .swallowed:
            break
        case .cutLine:
            mbufs.append(consumed, to: &clients[client].partial)
            readCutLine(from: client)
        case .request:
            var chain = takeChain(endingWith: consumed, from: client)
            let request = clients[client].parser.memcache.request
            let arrival = Arrival(slice: consumed, chain: chain, request: request, mbufs: mbufs)
            dispatch(request, arrival, &chain, from: client)
            if !filled.isNone { putBack(consumed, &chain, from: client) }
            mbufs.release(&chain)
        }
        return true
    }

    /// As memcached says it of an item that is larger than it takes, and as there the rest of the
    /// data block is skipped.
    mutating func refuseTooBigMemcacheRequest(from client: Handle<ClientConnection>) {
        mbufs.release(&clients[client].partial)
        let isNoreply = clients[client].parser.memcache.request.isNoreply
        if !isNoreply { reply("SERVER_ERROR object too large for cache\r\n", to: client) }
        if !clients[client].parser.memcache.swallowRest() { end(client, because: .lineLength) }
    }

    private mutating func parseMemcacheRequest(
        in slice: MbufSlice, from client: Handle<ClientConnection>
    ) -> (MemcacheRequestParser.Outcome, Int) {
        mbufs.withBytes(of: slice) { bytes in
            var position = 0
            let outcome = clients[client].parser.memcache.parse(bytes, from: &position)
            return (outcome, position)
        }
    }

    /// The line that arrived in pieces is all there is of a request, or its start.
    private mutating func readCutLine(from client: Handle<ClientConnection>) {
        let count = clients[client].partial.byteCount
        let hasNull = clients[client].parser.memcache.hasNull
        var cursor = mbufs.cursor(of: clients[client].partial)
        let request = cursor.withBytes(count) { MemcacheRequest(line: $0, hasNull: hasNull) }
        guard clients[client].parser.memcache.begin(request) else { return }
        var chain = clients[client].partial.take()
        let arrival = Arrival(slice: .empty, chain: chain, request: request, mbufs: mbufs)
        dispatch(request, arrival, &chain, from: client)
        if !filled.isNone { putBack(.empty, &chain, from: client) }
        mbufs.release(&chain)
    }

    // MARK: Routing

    private mutating func dispatch(
        _ request: MemcacheRequest, _ arrival: Arrival, _ chain: inout MbufChain,
        from client: Handle<ClientConnection>
    ) {
        guard request.problem == .none else { return refuse(request, from: client) }
        guard !lacksRoom || request.isNoreply || request.verb == .quit else {
            return refuseForRoom(client)
        }
        guard request.isRegular else {
            return dispatchRegular(request, arrival, &chain, from: client)
        }
        var arrival = arrival
        arrival.expectedKind = request.expectedKind
        switch request.verb {
        case .get, .gets, .gat, .gats:
            if request.hasMoreKeys {
                route(request, arrival, &chain, from: client)
            } else if request.isPlainGet, arrival.isContiguous {
                forward(get: arrival, to: server(ofFirst: arrival, client), from: client)
            } else {
                forward(oneKey: arrival, &chain, to: server(ofFirst: arrival, client), from: client)
            }
        case .set, .add, .replace, .append, .prepend, .cas, .incr, .decr, .touch, .delete:
            let server = server(ofFirst: arrival, client)
            if request.dropsReply {
                forwardDropping(arrival, &chain, to: server, from: client)
            } else if request.isNoreply {
                forwardSilently(arrival, &chain, to: server, from: client)
            } else {
                forward(arrival, &chain, to: server, from: client)
            }
        case .metaGet, .metaSet, .metaDelete, .metaArithmetic, .metaDebug:
            guard let server = server(ofMeta: request, arrival, client) else {
                let problem = request.verb == .metaDebug ? MemcacheProblem.badLine : .badKey
                return reply(problem.text, to: client)
            }
            forward(arrival, &chain, to: server, from: client, isQuiet: request.isQuiet)
        case .metaNoop:
            // All requests before it are in the client's queue, or have no reply.
            reply("MN\r\n", to: client)
        case .version:
            forward(arrival, &chain, to: placeholderServer(of: client), from: client)
        case .flushAll, .verbosity:
            broadcast(request, arrival, from: client)
        case .stats:
            answerStatistics(request, arrival, from: client)
        case .quit:
            clients[client].drain()
            touch(client)
        case .unknown:
            refuse(request, from: client)
        }
    }

    /// Dispatches a request in a form that every version of memcached takes for the same.
    private mutating func dispatchRegular(
        _ request: MemcacheRequest, _ arrival: Arrival, _ chain: inout MbufChain,
        from client: Handle<ClientConnection>
    ) {
        var regular = MbufChain()
        var cursor = arrival.start
        cursor.skip(request.kept.start)
        mbufs.append(request.kept.count, from: &cursor, to: &regular)
        mbufs.append("\r\n", to: &regular)
        let lineCount = Int(request.lineCount)
        var data = arrival.start
        data.skip(lineCount)
        mbufs.append(arrival.byteCount &- lineCount, from: &data, to: &regular)
        let unused = MbufSlice(mbuf: Mbuf(index: 0), offset: 0, count: 0)
        let copy = request.regular
        let copied = Arrival(slice: unused, chain: regular, request: copy, mbufs: mbufs)
        dispatch(copy, copied, &regular, from: client)
        mbufs.release(&regular)
    }

    /// As memcached says it, after the replies to the requests before.
    private mutating func refuse(
        _ request: MemcacheRequest, from client: Handle<ClientConnection>
    ) {
        if !request.isNoreply { reply(request.problem.text, to: client) }
        guard let reason = request.problem.closeReason else { return }
        mbufs.release(&clients[client].partial)
        end(client, because: reason)
    }

    /// The server of a meta command's key, which memcached stores decoded. Nil if it might later
    /// tell a key that has a line end: what follows that would be the reply to another client.
    private mutating func server(
        ofMeta request: MemcacheRequest, _ arrival: Arrival, _ client: Handle<ClientConnection>
    ) -> Int? {
        guard request.isBase64 else { return server(ofFirst: arrival, client) }
        let pool = Int(clients[client].pool)
        var cursor = arrival.start
        cursor.skip(request.key.start)
        return cursor.withBytes(request.key.count) { text in
            // What cannot be decoded is up to whichever server gets it, but for `me`, to which the
            // answer would be one that says that something is wrong with the proxy.
            let key = Base64Key(text)
            guard request.verb != .metaDebug || key.isDecoded else { return nil }
            guard !request.mayExposeKey || key.hasNoLineEnd || key.isRefused else { return nil }
            let bytes = key.bytes.span.extracting(0..<key.count)
            return pools[pool].topology.server(for: bytes, random: &pools[pool].random)
        }
    }

    /// Forwards a meta command. To learn whether a quiet one has a reply at all, the proxy asks for
    /// another behind it that always has one: `mn`, whose `MN` then comes at once, or second. Which
    /// replies are left out is up to the server, and has changed between versions of memcached.
    private mutating func forward(
        _ arrival: Arrival, _ chain: inout MbufChain, to server: Int,
        from client: Handle<ClientConnection>, isQuiet: Bool
    ) {
        guard isQuiet else { return forward(arrival, &chain, to: server, from: client) }
        guard let (request, connection) = begin(arrival, to: server, from: client, .quiet)
        else { return }
        enqueue(request, on: connection)
        account(request, on: connection, byteCount: arrival.byteCount)
        add(arrival, &chain, to: connection)
        addBarrier(on: connection)
    }

    /// Forwards a request whose reply, or an error in its place, is not for the client.
    private mutating func forwardDropping(
        _ arrival: Arrival, _ chain: inout MbufChain, to server: Int,
        from client: Handle<ClientConnection>
    ) {
        guard let (request, connection) = begin(arrival, to: server, from: client, .dropped)
        else { return }
        enqueue(request, on: connection)
        account(request, on: connection, byteCount: arrival.byteCount)
        add(arrival, &chain, to: connection)
    }

    private mutating func addBarrier(on connection: Handle<ServerConnection>) {
        let barrier = requests.insert(
            Request(.single, client: .none, expecting: MemcacheReplyClass.barrier.rawValue))
        enqueue(barrier, on: connection)
        account(barrier, on: connection, byteCount: 4)
        mbufs.append("mn\r\n", to: &connections[connection].outgoing)
    }

    /// The reply to the barrier came where that to a quiet request would have been: it has none.
    mutating func didStaySilent(
        _ request: Handle<Request>, _ connection: Handle<ServerConnection>
    ) {
        mbufs.release(&requests[request].reply)
        didAnswer(request)
        let barrier = connections[connection].firstRequest
        pop(barrier, of: connection)
        mbufs.release(&requests[barrier].reply)
        requests.remove(barrier)
    }
}
