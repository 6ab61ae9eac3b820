import Config

// What the proxy answers itself.

extension Worker where IO: ~Copyable {
    mutating func answer(
        _ arrival: Arrival, _ chain: inout MbufChain, _ command: Command,
        from client: Handle<ClientConnection>
    ) {
        let count = arrival.argumentCount
        switch command.id {
        case noted.quit:
            reply("+OK\r\n", to: client)
            clients[client].drain()
        case noted.ping where count == 1:
            reply("+PONG\r\n", to: client)
        case noted.ping where count == 2, noted.echo where count == 2:
            replyFirst(of: arrival, to: client)
        case noted.select where count == 2:
            answerSelect(arrival, from: client)
        case noted.auth where count == 2 || count == 3:
            answerAuth(arrival, from: client)
        case noted.reset where count == 1:
            reset(client)
        case noted.exec where count == 1:
            reply("-ERR EXEC without MULTI\r\n", to: client)
        case noted.discard where count == 1:
            reply("-ERR DISCARD without MULTI\r\n", to: client)
        default:
            replyWrongArity(command, to: client)
        }
    }

    /// Answers with the argument after the name.
    private mutating func replyFirst(
        of arrival: Arrival, to client: Handle<ClientConnection>
    ) {
        var bytes = MbufChain()
        var cursor = arrival.start
        cursor.skip(arrival.first.start)
        mbufs.append("$", to: &bytes)
        mbufs.append(decimal: arrival.first.count, to: &bytes)
        mbufs.append("\r\n", to: &bytes)
        mbufs.append(arrival.first.count &+ 2, from: &cursor, to: &bytes)
        reply(moving: &bytes, to: client)
    }

    /// Server connections are shared, so there is one database: that of the pool. After another was
    /// asked for, nothing is executed until it is this one again.
    private mutating func answerSelect(
        _ arrival: Arrival, from client: Handle<ClientConnection>
    ) {
        let database = pools[Int(clients[client].pool)].database
        var cursor = arrival.start
        cursor.skip(arrival.first.start)
        guard let wanted = cursor.withBytes(arrival.first.count, { $0.decimalNumber() }) else {
            return reply("-ERR value is not an integer or out of range\r\n", to: client)
        }
        guard wanted >= 0 else { return reply("-ERR DB index is out of range\r\n", to: client) }
        if wanted == database {
            clients[client].lift(.refusedDatabase)
            reply("+OK\r\n", to: client)
        } else {
            clients[client].restrict(.refusedDatabase)
            reply(
                "-ERR SELECT of another database is not supported by the proxy: it has ", database,
                " alone\r\n", to: client)
        }
    }

    /// As a connection that was just accepted.
    private mutating func reset(_ client: Handle<ClientConnection>) {
        clients[client].lift([.refusedTransaction, .refusedDatabase])
        if pools[Int(clients[client].pool)].needsPassword {
            clients[client].restrict(.unauthenticated)
        }
        reply("+RESET\r\n", to: client)
    }

    /// Checks the password of the pool. A wrong one takes back an authentication.
    private mutating func answerAuth(
        _ arrival: Arrival, from client: Handle<ClientConnection>
    ) {
        let pool = Int(clients[client].pool)
        guard pools[pool].needsPassword else {
            return reply("-ERR Client sent AUTH, but no password is set\r\n", to: client)
        }
        var walker = ArgumentWalker(start: arrival.start)
        walker.skip(walker.nextHeader())
        var isRight = true
        if arrival.argumentCount == 3 {
            isRight = walker.withBytes(walker.nextHeader()) { $0.isEqual(to: "default") }
        }
        isRight = walker.withBytes(walker.nextHeader()) { given in
            pools[pool].password.withSpan { given.isEqual(to: $0) } && isRight
        }
        if isRight {
            clients[client].lift(.unauthenticated)
            reply("+OK\r\n", to: client)
        } else {
            awaitAuthentication(of: client)
            clients[client].restrict(.unauthenticated)
            reply("-ERR invalid password\r\n", to: client)
        }
    }

    mutating func replyWrongArity(_ command: Command, to client: Handle<ClientConnection>) {
        var bytes = MbufChain()
        mbufs.append("-ERR wrong number of arguments for '", to: &bytes)
        commands.withName(of: command) { mbufs.append($0, to: &bytes) }
        mbufs.append("' command\r\n", to: &bytes)
        reply(moving: &bytes, to: client)
    }

    /// Says what was wrong with a request, after the replies to those before it, and closes.
    mutating func refuse(
        _ violation: RESPRequestParser.Violation, from client: Handle<ClientConnection>
    ) {
        var bytes = MbufChain()
        mbufs.append("-ERR Protocol error: ", to: &bytes)
        switch violation {
        case .argumentCount: mbufs.append("invalid multibulk length", to: &bytes)
        case .bulkLength: mbufs.append("invalid bulk length", to: &bytes)
        case .unauthenticatedCount:
            mbufs.append("unauthenticated multibulk length", to: &bytes)
        case .unauthenticatedLength: mbufs.append("unauthenticated bulk length", to: &bytes)
        case .expectedLineEnd: mbufs.append("expected CRLF after an argument", to: &bytes)
        case .tooBigRequest: mbufs.append("too big request", to: &bytes)
        case .tooBigInline: mbufs.append("too big inline request", to: &bytes)
        case .unbalancedQuotes: mbufs.append("unbalanced quotes in request", to: &bytes)
        case .expectedBulk(let byte):
            mbufs.append("expected '$', got '", to: &bytes)
            let isPrintable = byte >= 0x20 && byte < 0x7F
            mbufs.append(isPrintable ? byte : UInt8(ascii: "?"), to: &bytes)
            mbufs.append("'", to: &bytes)
        }
        mbufs.append("\r\n", to: &bytes)
        reply(moving: &bytes, to: client)
        mbufs.release(&clients[client].partial)
        end(client, because: violation.closeReason)
    }
}
