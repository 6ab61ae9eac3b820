// The second step: bytes become requests and replies.

extension Worker where IO: ~Copyable {
    /// Finds the requests in a slice and sends each on its way. What is incomplete at its end stays
    /// with the client, what is over a limit too.
    mutating func parseRequests(in slice: MbufSlice, from client: Handle<ClientConnection>) {
        if !clients[client].parser.opening.isDecided, endsForeign(client, at: slice) { return }
        var rest = slice
        while rest.count > 0 {
            guard !clients[client].isOver(limits.client) else {
                mbufs.append(rest, to: &clients[client].backlog)
                touch(client)
                return
            }
            // It is looked after again when its own are answered; or is told that there is no room.
            lacksRoom = !hasRoomForRequest
            guard !lacksRoom || clients[client].requestCount == 0 else {
                return mbufs.append(rest, to: &clients[client].backlog)
            }
            let isWhole =
                switch clients[client].parser.protocolKind {
                case .redis: takeRedisRequest(from: &rest, client)
                case .memcache: takeMemcacheRequest(from: &rest, client)
                }
            guard isWhole else { return limitRequest(of: client) }
            guard clients[client].phase == .open else { return }
        }
    }

    /// Whether one more request fits, with a fragment and a greeting for each server of its pool.
    private var hasRoomForRequest: Bool {
        requests.capacity &- requests.count > UInt32(truncatingIfNeeded: parts.count &* 3 &+ 1)
    }

    /// A request that has arrived in part must not become larger than one may be.
    private mutating func limitRequest(of client: Handle<ClientConnection>) {
        let count = clients[client].partial.byteCount &+ clients[client].parser.announcedCount
        guard count > limits.client.requestBytesMax else { return }
        switch clients[client].parser.protocolKind {
        case .redis: refuse(.tooBigRequest, from: client)
        case .memcache: refuseTooBigMemcacheRequest(from: client)
        }
    }

    /// All of the request that ends with a slice; empty if that slice is all of it.
    mutating func takeChain(
        endingWith slice: MbufSlice, from client: Handle<ClientConnection>
    ) -> MbufChain {
        guard !clients[client].partial.isEmpty else { return MbufChain() }
        var chain = clients[client].partial.take()
        mbufs.append(slice, to: &chain)
        return chain
    }

    /// Finds the replies in a slice and gives each to the request it belongs to.
    mutating func parseReplies(in slice: MbufSlice, from connection: Handle<ServerConnection>) {
        var rest = slice
        while rest.count > 0 {
            let request = connections[connection].firstRequest
            guard connections[connection].awaitsReply else {
                return loseStep(connection)  // Nobody asked.
            }
            prefetchNeighbours(of: request)
            let expectedKind = requests[request].expectedKind
            let (outcome, count) = parseReply(in: rest, from: connection, expectedKind)
            let consumed = rest.prefix(count)
            rest = rest.dropFirst(count)
            switch outcome {
            case .incomplete:
                didReceivePart(consumed, of: request)
                return checkPace(of: request, connection)
            case .reply:
                pop(request, of: connection)
                didReceiveReply(consumed, to: request, from: connection)
            case .violation:
                return loseStep(connection)
            case .cutLine:
                return didReceiveCutLine(consumed, from: connection)
            case .header:
                didReceiveHeader(consumed, from: connection)
            case .value:
                didEndValue(consumed, of: request, from: connection)
            case .wholeValue:
                didReceiveWholeValue(consumed, from: connection)
            case .end:
                didEndValues(consumed, from: connection)
            }
            guard connections[connection].phase != .closing else { return }
        }
    }

    /// What came from a server is no reply, or none that its request can get: nobody knows any more
    /// which request the next one is to. The connection ends, with all requests on it.
    mutating func loseStep(_ connection: Handle<ServerConnection>) {
        let pool = Int(connections[connection].pool)
        counters.value.servers[Int(connections[connection].place)].stepsLost.add(1)
        report(.stepLost, server: Int(connections[connection].server), of: pool, .invalidReply)
        fail(connection, .invalidReply)
    }

    /// Has the requests fetched that are looked at next: that of the next reply, and the one whose
    /// reply its client gets next. With thousands in flight waiting for them is what a reply costs.
    private mutating func prefetchNeighbours(of request: Handle<Request>) {
        requests.prefetch(requests[request].nextOfServer)
        requests.prefetch(requests[request].nextSibling)
    }

    /// The first request of a server connection has its reply.
    mutating func pop(
        _ request: Handle<Request>, of connection: Handle<ServerConnection>
    ) {
        let byteCount = Int(requests[request].byteCount)
        let place = Int(connections[connection].place)
        connections[connection].didPopFirst(
            next: requests[request].nextOfServer, byteCount: byteCount)
        guard requests[request].role != .greeting else { return }
        counters.value.servers[place].outQueue.add(-1)
        counters.value.servers[place].outQueueBytes.add(0 &- byteCount)
    }

    private mutating func parseReply(
        in slice: MbufSlice, from connection: Handle<ServerConnection>, _ expectedKind: UInt8
    ) -> (ReplyOutcome, Int) {
        mbufs.withBytes(of: slice) { bytes in
            var position = 0
            let outcome = connections[connection].parser.parse(
                bytes, from: &position, expecting: expectedKind)
            return (outcome, position)
        }
    }
}
