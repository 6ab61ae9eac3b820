// What is redis' alone in the second step: how its requests are found in what a client sends.

extension Worker where IO: ~Copyable {
    /// Takes the first request out of some bytes, and sends it on its way. Returns false if it has
    /// not ended: then all bytes are kept for later.
    mutating func takeRedisRequest(
        from rest: inout MbufSlice, _ client: Handle<ClientConnection>
    ) -> Bool {
        let (outcome, count) = parseRedisRequest(in: rest, from: client)
        let consumed = rest.prefix(count)
        rest = rest.dropFirst(count)
        switch outcome {
        case .incomplete:
            mbufs.append(consumed, to: &clients[client].partial)
            return false
        case .request:
            var chain = takeChain(endingWith: consumed, from: client)
            let arrival = redisArrival(consumed, chain, from: client)
            if clients[client].parser.redis.isPadded {
                dispatchPadded(arrival, from: client)
            } else {
                dispatch(arrival, &chain, from: client)
            }
            mbufs.release(&chain)
        case .inline:
            var chain = takeChain(endingWith: consumed, from: client)
            dispatchInline(redisArrival(consumed, chain, from: client), from: client)
            mbufs.release(&chain)
        case .empty:
            mbufs.release(&clients[client].partial)
        case .violation(let violation):
            refuse(violation, from: client)
        }
        return true
    }

    private mutating func parseRedisRequest(
        in slice: MbufSlice, from client: Handle<ClientConnection>
    ) -> (RESPRequestParser.Outcome, Int) {
        mbufs.withBytes(of: slice) { bytes in
            var position = 0
            let outcome = clients[client].parser.redis.parse(bytes, from: &position)
            return (outcome, position)
        }
    }

    private mutating func redisArrival(
        _ slice: MbufSlice, _ chain: borrowing MbufChain, from client: Handle<ClientConnection>
    ) -> Arrival {
        Arrival(slice: slice, chain: chain, parser: clients[client].parser.redis, mbufs: mbufs)
    }
}
