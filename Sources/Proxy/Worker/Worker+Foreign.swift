// Who speaks another protocol than that of the pool: a browser, a proxy or a TLS client that was
// sent to the wrong port, or somebody who makes one of them send what looks like requests. Nothing
// of it is executed, nobody guesses what it may mean, and the operator is told.

extension Worker where IO: ~Copyable {
    /// The first bytes of a connection, or the next while these leave it open what it is. Returns
    /// whether they have ended it.
    mutating func endsForeign(_ client: Handle<ClientConnection>, at slice: MbufSlice) -> Bool {
        let foreign = mbufs.withBytes(of: slice) { clients[client].parser.opening.read($0) }
        guard let foreign else { return false }
        end(client, becauseOf: foreign)
        return true
    }

    /// An inline request, with what shows whether it is one. Returns whether it has ended its
    /// connection.
    mutating func endsForeign(
        _ client: Handle<ClientConnection>, at arrival: Arrival, _ signature: InlineSignature
    ) -> Bool {
        if signature.isMemcache {
            end(client, becauseOf: .memcache)
            return true
        }
        guard signature.endsInVersion else { return false }
        let command = findCommand(of: arrival)
        guard
            command.handling == .refused
                || !command.accepts(argumentCount: arrival.argumentCount)
        else { return false }
        end(client, becauseOf: .hypertext)
        return true
    }

    /// A request that is not going to be executed. Returns whether it has ended its connection, as
    /// the lines of a request for HTTP do that redis knows.
    mutating func endsForeign(
        _ client: Handle<ClientConnection>, at arrival: Arrival
    ) -> Bool {
        var cursor = arrival.start
        cursor.skip(arrival.name.start)
        let isHypertext = cursor.withBytes(arrival.name.count) { $0.isHypertextName }
        if isHypertext { end(client, becauseOf: .hypertext) }
        return isHypertext
    }

    /// Ends a connection behind the replies to what came before. Who could read it is told why; the
    /// others would take it for something else.
    private mutating func end(
        _ client: Handle<ClientConnection>, becauseOf foreign: ForeignProtocol
    ) {
        switch foreign {
        case .memcache:
            reply("-ERR Protocol error: memcached's protocol in a pool of redis\r\n", to: client)
        case .redis:
            reply("CLIENT_ERROR redis' protocol in a pool of memcached\r\n", to: client)
        case .tls, .proxyHeader, .ssh, .hypertext, .mail, .dictionary, .memcacheBinary: break
        }
        mbufs.release(&clients[client].partial)
        end(client, because: foreign.closeReason)
        touch(client)
    }
}
