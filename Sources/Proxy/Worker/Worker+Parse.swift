// The second step: bytes become requests and replies.

extension Worker where IO: ~Copyable {
    /// Finds the requests in a slice and sends each on its way. What is incomplete at its end stays
    /// with the client, what is over a limit too.
    mutating func parseRequests(in slice: MbufSlice, from client: Handle<ClientConnection>) {
        var rest = slice
        while rest.count > 0 {
            guard !clients[client].isOver(limits.client) else {
                mbufs.append(rest, to: &clients[client].backlog)
                touch(client)
                return
            }
            guard hasRoomForRequest else { return close(client, because: .requestLimit) }
            let isWhole =
                switch clients[client].parser.protocolKind {
                case .redis: takeRedisRequest(from: &rest, client)
                case .memcache: takeMemcacheRequest(from: &rest, client)
                }
            guard isWhole else { return }
            guard clients[client].phase == .open else { return }
        }
    }

    /// Whether one more request fits, with a fragment and a greeting for each server of its pool.
    private var hasRoomForRequest: Bool {
        requests.capacity &- requests.count > UInt32(truncatingIfNeeded: parts.count &* 3 &+ 1)
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
                return fail(connection, .invalidReply)  // Nobody asked.
            }
            prefetchNeighbours(of: request)
            let isShared = requests[request].keyMark != 0
            let (outcome, count) = parseReply(in: rest, from: connection, stopsAtValues: isShared)
            let consumed = rest.prefix(count)
            rest = rest.dropFirst(count)
            switch outcome {
            case .incomplete where isShared:
                return didReceivePart(consumed, ofShared: request, from: connection)
            case .incomplete:
                return didReceivePart(consumed, of: request)
            case .value:
                didReceiveValue(consumed, from: connection)
            case .reply where isShared:
                didEndShared(consumed, from: connection)
            case .reply:
                pop(request, of: connection)
                didReceiveReply(consumed, to: request, from: connection)
            case .violation:
                return fail(connection, .invalidReply)
            }
            guard connections[connection].phase != .closing else { return }
        }
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
        in slice: MbufSlice, from connection: Handle<ServerConnection>, stopsAtValues: Bool
    ) -> (ReplyOutcome, Int) {
        mbufs.withBytes(of: slice) { bytes in
            var position = 0
            let outcome = connections[connection].parser.parse(
                bytes, from: &position, stopsAtValues: stopsAtValues)
            return (outcome, position)
        }
    }
}
