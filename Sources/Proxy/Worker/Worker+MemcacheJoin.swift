// Gets of one key that go to the same server in the same turn share a line, and its reply:
//
//     get a    get b    get c                  from one client or several
//     get a b c                                to the server
//     VALUE a …    VALUE c …    END            from the server
//     VALUE a … END    END    VALUE c … END    to the clients
//
// memcached answers each line with a packet of its own: with a pipeline, those packets are most of
// what it and the proxy spend.
//
// A reply has the values in the order of the keys, those that are not there left out. So the first
// request waiting that has the value's key is its owner, and those before it get none. That is for
// sure, although it is marks that are compared and not keys, as no line has the same mark twice.

extension Worker where IO: ~Copyable {
    /// Sends a get of one key, which is all in one slice, as clients write it.
    mutating func forward(
        get arrival: Arrival, to server: Int, from client: Handle<ClientConnection>
    ) {
        guard let (request, connection) = begin(arrival, to: server, from: client) else { return }
        let mark = mbufs.withBytes(of: arrival.slice(of: arrival.first)) { $0.keyMark() }
        let last = connections[connection].lastRequest
        enqueue(request, on: connection)
        account(request, on: connection, byteCount: arrival.byteCount)
        if let lastMark = join(arrival, mark, connection) {
            requests[last].keyMark = lastMark
            requests[last].sharesReply = true
            requests[request].keyMark = mark
        } else {
            mbufs.append(arrival.start.slice, to: &connections[connection].outgoing)
            let end = connections[connection].outgoing.byteCount
            connections[connection].getLine.begin(mark, count: arrival.byteCount, end: end)
        }
    }

    /// Puts a key in place of the line end that is the last to be sent. Returns the mark of the key
    /// before it; nil if there is no such line that may have it.
    private mutating func join(
        _ arrival: Arrival, _ mark: UInt16, _ connection: Handle<ServerConnection>
    ) -> UInt16? {
        // The blank before the key, the key and the line end.
        let tail = arrival.start.slice.dropFirst(arrival.first.start &- 1)
        let end = connections[connection].outgoing.byteCount
        guard
            let lastMark = connections[connection].getLine.admit(
                mark, adding: tail.count &- 2, to: end),
            mbufs.removeLast(2, from: &connections[connection].outgoing)
        else { return nil }
        mbufs.append(tail, to: &connections[connection].outgoing)
        return lastMark
    }

    // MARK: Replies

    /// A value of a shared reply has arrived, and this is its end.
    mutating func didReceiveValue(_ slice: MbufSlice, from connection: Handle<ServerConnection>) {
        var slice = slice
        let first = connections[connection].firstRequest
        if !requests[first].reply.isEmpty {
            mbufs.append(slice, to: &requests[first].reply)
            slice = slice.prefix(0)
        }
        guard let owner = findOwner(of: slice, from: connection) else {
            return fail(connection, .invalidReply)
        }
        if requests[owner].sharesReply {
            answer(owner, with: slice, from: connection)
        } else {
            // The line that ends the reply comes next, and ends this one.
            didReceivePart(slice, of: owner)
        }
    }

    /// This is more of a shared reply: of a value, or of the line that ends it.
    mutating func didReceivePart(
        _ slice: MbufSlice, ofShared request: Handle<Request>,
        from connection: Handle<ServerConnection>
    ) {
        guard requests[request].progress != .streaming else {
            return didReceivePart(slice, of: request)
        }
        mbufs.append(slice, to: &requests[request].reply)
        guard requests[request].reply.byteCount >= limits.streamingMin else { return }
        // It may go to a client before it is whole, and so must be the right one.
        guard let owner = findOwner(of: slice.prefix(0), from: connection) else {
            return fail(connection, .invalidReply)
        }
        didReceivePart(slice.prefix(0), of: owner)
    }

    /// The line has arrived that ends a shared reply, and perhaps says why there are no values: the
    /// answer to all that had none.
    mutating func didEndShared(_ slice: MbufSlice, from connection: Handle<ServerConnection>) {
        var isShared = true
        while isShared, connections[connection].phase != .closing {
            let request = connections[connection].firstRequest
            isShared = requests[request].sharesReply
            if isShared, !requests[request].reply.isEmpty {
                let count = requests[request].reply.byteCount
                var start = mbufs.cursor(of: requests[request].reply)
                mbufs.append(
                    count, from: &start, to: &requests[requests[request].nextOfServer].reply)
            }
            pop(request, of: connection)
            didReceiveReply(slice, to: request, from: connection)
        }
    }

    /// The request that a value is for: the first of the connection, once those before it are
    /// answered, as they have none. Nil if it is for nobody, or no value.
    ///
    /// - Parameter slice: All that there is of the value, unless it is with the first request; then
    ///   it is with the owner afterwards.
    private mutating func findOwner(
        of slice: MbufSlice, from connection: Handle<ServerConnection>
    ) -> Handle<Request>? {
        let first = connections[connection].firstRequest
        guard requests[first].progress != .streaming else { return first }
        guard let mark = markOfValue(slice, of: first) else { return nil }
        var owner = first
        while requests[owner].keyMark != mark {
            guard requests[owner].sharesReply else { return nil }
            owner = requests[owner].nextOfServer
        }
        guard owner != first else { return first }
        requests[owner].reply = requests[first].reply.take()
        var request = first
        while request != owner {
            let next = requests[request].nextOfServer
            answer(request, with: slice.prefix(0), from: connection)
            request = next
        }
        return owner
    }

    /// What tells the key of a value.
    private mutating func markOfValue(_ slice: MbufSlice, of first: Handle<Request>) -> UInt16? {
        guard !requests[first].reply.isEmpty else {
            return mbufs.withBytes(of: slice) { $0.keyMarkOfValue() }
        }
        let headerMax = 6 + MemcacheRequest.keyLengthMax + 1
        let count = min(requests[first].reply.byteCount, headerMax)
        var start = mbufs.cursor(of: requests[first].reply)
        return start.withBytes(count) { $0.keyMarkOfValue() }
    }

    /// Answers a request that shares its reply with others, with its value or with nothing.
    private mutating func answer(
        _ request: Handle<Request>, with slice: MbufSlice,
        from connection: Handle<ServerConnection>
    ) {
        pop(request, of: connection)
        let client = requests[request].client
        guard !client.isNone else { return discard(request) }
        let ending: StaticString = "END\r\n"
        count(slice, endOf: request, from: connection, adding: ending.utf8CodeUnitCount)
        didAnswer(single: request, of: client, with: slice, ending)
    }
}

extension Span<UInt8> {
    fileprivate func keyMarkOfValue() -> UInt16? {
        guard hasPrefix("VALUE ") else { return nil }
        let end = firstBlank(from: 6)
        guard end < count else { return nil }
        return extracting(6..<end).keyMark()
    }
}
