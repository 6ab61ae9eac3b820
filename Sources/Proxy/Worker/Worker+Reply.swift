// The fifth step: a reply, or an error in its place, finds the request and the client it belongs
// to, and leaves in the order of that client's requests.

extension Worker where IO: ~Copyable {
    /// The whole of a reply has arrived, and this is its end.
    mutating func didReceiveReply(
        _ slice: MbufSlice, to request: Handle<Request>, from connection: Handle<ServerConnection>
    ) {
        let client = requests[request].client
        if requests[request].role == .fragment || !client.isNone {
            count(slice, endOf: request, from: connection)
        }
        switch requests[request].role {
        case .single:
            if requests[request].silence == .quiet,
                connections[connection].parser.kind == ReplyKind.barrier
            {
                didStaySilent(request, connection)
            } else if client.isNone {
                discard(request)
            } else if requests[request].silence == .dropped {
                mbufs.release(&requests[request].reply)
                didAnswer(request)
            } else {
                didAnswer(single: request, of: client, with: slice)
            }
        case .fragment:
            requests[request].replyKind = connections[connection].parser.kind
            if isAwaited(request) { mbufs.append(slice, to: &requests[request].reply) }
            didAnswer(fragment: request)
        case .greeting:
            mbufs.append(slice, to: &requests[request].reply)
            didGreet(connection, request)
        case .split:
            preconditionFailure("a split request was sent to a server")
        }
    }

    /// A reply makes up for failures of its server, unless it says that the server is loading.
    ///
    /// - Parameter added: Bytes that the proxy adds to what the server sent.
    mutating func count(
        _ slice: MbufSlice, endOf request: Handle<Request>,
        from connection: Handle<ServerConnection>, adding added: Int = 0
    ) {
        let place = Int(connections[connection].place)
        let byteCount = requests[request].reply.byteCount &+ slice.count &+ added
        counters.value.servers[place].responses.add(1)
        counters.value.servers[place].responseBytes.add(byteCount)
        let pool = Int(connections[connection].pool)
        guard pools[pool].ejectsServers else { return }
        if connections[connection].parser.kind == UInt8(ascii: "-"), isLoading(slice) {
            didFail(server: Int(connections[connection].server), of: pool, openedAt: now)
        } else {
            process.value.servers[place].didSucceed()
        }
    }

    private mutating func isLoading(_ slice: MbufSlice) -> Bool {
        mbufs.withBytes(of: slice) { $0.hasPrefix("-LOADING") }
    }

    /// A request has its reply: what there is in its chain, then a slice, then an ending.
    mutating func didAnswer(
        single request: Handle<Request>, of client: Handle<ClientConnection>,
        with slice: MbufSlice, _ ending: StaticString = ""
    ) {
        guard clients[client].firstRequest == request else {
            mbufs.append(slice, to: &requests[request].reply)
            mbufs.append(ending, to: &requests[request].reply)
            requests[request].progress = .answered
            return
        }
        mbufs.append(moving: &requests[request].reply, to: &clients[client].outgoing)
        mbufs.append(slice, to: &clients[client].outgoing)
        mbufs.append(ending, to: &clients[client].outgoing)
        pop(request, of: client)
        touch(client)
    }

    /// Whether the client is still there that the reply is for.
    mutating func isAwaited(_ request: Handle<Request>) -> Bool {
        switch requests[request].role {
        case .single, .split: !requests[request].client.isNone
        case .fragment:
            !requests[gatherings[requests[request].gathering].whole].client.isNone
        case .greeting: true
        }
    }

    /// A reply is being received, and this is more of it.
    mutating func didReceivePart(_ slice: MbufSlice, of request: Handle<Request>) {
        guard isAwaited(request) else { return }
        let client = requests[request].client
        mbufs.append(slice, to: &requests[request].reply)
        guard requests[request].role == .single, clients[client].firstRequest == request,
            requests[request].progress == .streaming
                || requests[request].reply.byteCount >= limits.streamingMin
        else { return }
        requests[request].progress = .streaming
        mbufs.append(moving: &requests[request].reply, to: &clients[client].outgoing)
        touch(client)
    }

    /// A request has its reply in its chain. Hands it on, if its turn has come.
    mutating func didAnswer(_ request: Handle<Request>) {
        let client = requests[request].client
        guard !client.isNone else { return discard(request) }
        requests[request].progress = .answered
        guard clients[client].firstRequest == request else { return }
        mbufs.append(moving: &requests[request].reply, to: &clients[client].outgoing)
        pop(request, of: client)
        touch(client)
    }

    /// The first request of a client is done. So are those behind it that were answered before.
    private mutating func pop(_ request: Handle<Request>, of client: Handle<ClientConnection>) {
        var next = requests[request].nextSibling
        requests.remove(request)
        clients[client].didPopFirst(next: next)
        while clients[client].requestCount > 0, requests[next].progress == .answered {
            let done = next
            mbufs.append(moving: &requests[done].reply, to: &clients[client].outgoing)
            next = requests[done].nextSibling
            requests.remove(done)
            clients[client].didPopFirst(next: next)
        }
    }

    mutating func discard(_ request: Handle<Request>) {
        mbufs.release(&requests[request].reply)
        requests.remove(request)
    }

    // MARK: Errors

    /// Answers a request with an error, in place of a reply that will not come.
    mutating func fail(
        _ request: Handle<Request>, _ error: SystemError, at greeting: GreetingFailure? = nil
    ) {
        switch requests[request].role {
        case .greeting:
            discard(request)
        case .single where requests[request].progress == .streaming:
            // Half of the reply is on its way: the client can only be told by closing.
            let client = requests[request].client
            discardStreaming(request)
            if !client.isNone { breakOff(client, because: .brokenReply) }
        case .single, .split:
            mbufs.release(&requests[request].reply)
            if !requests[request].client.isNone {
                if requests[request].silence != .dropped {
                    write(error: error, at: greeting, to: request)
                }
                countError(for: requests[request].client)
            }
            didAnswer(request)
        case .fragment:
            mbufs.release(&requests[request].reply)
            write(error: error, at: greeting, to: request)
            didAnswer(fragment: request)
        }
    }

    /// A client gets an error because no server answered.
    mutating func countError(for client: Handle<ClientConnection>) {
        counters.value.pools[Int(clients[client].pool)].forwardError.add(1)
    }

    private mutating func discardStreaming(_ request: Handle<Request>) {
        let client = requests[request].client
        if !client.isNone {
            assert(clients[client].firstRequest == request)
            clients[client].didPopFirst(next: requests[request].nextSibling)
        }
        discard(request)
    }

    mutating func write(
        error: SystemError, at greeting: GreetingFailure? = nil, to request: Handle<Request>
    ) {
        requests[request].replyKind = ReplyKind.error
        let isFragment = requests[request].role == .fragment
        let whole = isFragment ? gatherings[requests[request].gathering].whole : request
        let client = requests[whole].client
        guard !client.isNone else { return }
        mbufs.append(clients[client].errorPrefix, to: &requests[request].reply)
        if let greeting {
            var text = MbufChain()
            append(greeting, error, to: &text)
            mbufs.append(moving: &text, to: &requests[request].reply)
        } else {
            mbufs.append(textOf: error, to: &requests[request].reply)
        }
        mbufs.append("\r\n", to: &requests[request].reply)
    }

    // MARK: The proxy's own replies

    /// There are as many requests in flight as there may be. The client has none of them, so that
    /// the error needs no place among them.
    mutating func refuseForRoom(_ client: Handle<ClientConnection>) {
        assert(clients[client].requestCount == 0)
        counters.value.requestsRefused.add(1)
        countError(for: client)
        reply(error: "Device or resource busy", to: client)
    }

    /// Answers the request that has just arrived, in its turn.
    mutating func reply(_ text: StaticString, to client: Handle<ClientConnection>) {
        var bytes = MbufChain()
        mbufs.append(text, to: &bytes)
        reply(moving: &bytes, to: client)
    }

    /// Answers with an error of the proxy's own.
    mutating func reply(error text: StaticString, to client: Handle<ClientConnection>) {
        var bytes = MbufChain()
        mbufs.append(clients[client].errorPrefix, to: &bytes)
        mbufs.append(text, to: &bytes)
        mbufs.append("\r\n", to: &bytes)
        reply(moving: &bytes, to: client)
    }

    mutating func reply(moving bytes: inout MbufChain, to client: Handle<ClientConnection>) {
        if clients[client].requestCount == 0 {
            mbufs.append(moving: &bytes, to: &clients[client].outgoing)
        } else {
            let request = requests.insert(Request(.single, client: client))
            mbufs.append(moving: &bytes, to: &requests[request].reply)
            requests[request].progress = .answered
            push(request, of: client)
        }
        touch(client)
    }
}

extension ClientConnection {
    /// How an error that is not the client's starts, in its protocol.
    fileprivate var errorPrefix: StaticString {
        switch parser.protocolKind {
        case .redis: "-ERR "
        case .memcache: "SERVER_ERROR "
        }
    }
}
