// Gets of one key that go to the same server in the same turn share a line, and its reply:
//
//     get a    get b    get c                  from one client or several
//     get a b c                                to the server
//     VALUE a …    VALUE c …    END            from the server
//     VALUE a … END    END    VALUE c … END    to the clients
//
// memcached answers each line with a packet of its own: with a pipeline, those packets are most of
// what it and the proxy spend.

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
        requests[request].keyMark = mark
        if join(arrival, mark, connection) {
            requests[last].sharesReply = true
        } else {
            mbufs.append(arrival.start.slice, to: &connections[connection].outgoing)
            let end = connections[connection].outgoing.byteCount
            connections[connection].getLine.begin(mark, count: arrival.byteCount, end: end)
        }
    }

    /// Puts a key in place of the line end that is the last to be sent. Returns false if there is
    /// no such line that may have it.
    private mutating func join(
        _ arrival: Arrival, _ mark: UInt64, _ connection: Handle<ServerConnection>
    ) -> Bool {
        // The blank before the key, the key and the line end.
        let tail = arrival.start.slice.dropFirst(arrival.first.start &- 1)
        let end = connections[connection].outgoing.byteCount
        guard
            connections[connection].getLine.admit(mark, adding: tail.count &- 2, to: end),
            mbufs.removeLast(2, from: &connections[connection].outgoing)
        else { return false }
        mbufs.append(tail, to: &connections[connection].outgoing)
        return true
    }

    /// Sends any other get of one key.
    mutating func forward(
        oneKey arrival: Arrival, _ chain: inout MbufChain, to server: Int,
        from client: Handle<ClientConnection>
    ) {
        guard let (request, connection) = begin(arrival, to: server, from: client) else { return }
        var cursor = arrival.start
        cursor.skip(arrival.first.start)
        requests[request].keyMark = cursor.withBytes(arrival.first.count) { $0.keyMark() }
        enqueue(request, on: connection)
        account(request, on: connection, byteCount: arrival.byteCount)
        add(arrival, &chain, to: connection)
    }

    /// Sends a get of several keys, all of them to one server.
    ///
    /// - Parameter keys: From the first to behind the last.
    mutating func forward(
        _ arrival: Arrival, _ chain: inout MbufChain, keys: Range<Int>, to server: Int,
        from client: Handle<ClientConnection>
    ) {
        guard let (request, connection) = begin(arrival, to: server, from: client) else { return }
        var cursor = arrival.start
        cursor.skip(keys.lowerBound)
        mbufs.append(keys.count, from: &cursor, to: &connections[connection].askedKeys)
        mbufs.append(UInt8(ascii: "\n"), to: &connections[connection].askedKeys)
        enqueue(request, on: connection)
        account(request, on: connection, byteCount: arrival.byteCount)
        add(arrival, &chain, to: connection)
    }
}
