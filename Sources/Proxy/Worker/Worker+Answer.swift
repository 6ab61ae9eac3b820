import Config

// What the proxy answers itself, and in which words it refuses.

extension Worker where IO: ~Copyable {
    mutating func answer(
        _ arrival: Arrival, _ chain: inout MbufChain, _ command: Command,
        from client: Handle<ClientConnection>
    ) {
        let count = arrival.argumentCount
        switch command.id {
        case local.quit:
            reply("+OK\r\n", to: client)
            clients[client].drain()
        case local.ping where count == 1:
            reply("+PONG\r\n", to: client)
        case local.ping where count == 2, local.echo where count == 2:
            replyFirst(of: arrival, to: client)
        case local.select where count == 2:
            answerSelect(arrival, from: client)
        case local.auth where count == 2 || count == 3:
            answerAuth(arrival, from: client)
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

    /// Server connections are shared, so there is one database: that of the pool.
    private mutating func answerSelect(
        _ arrival: Arrival, from client: Handle<ClientConnection>
    ) {
        let database = pools[Int(clients[client].pool)].database
        var cursor = arrival.start
        cursor.skip(arrival.first.start)
        let wanted = cursor.withBytes(arrival.first.count) { $0.decimalNumber() }
        if wanted == nil {
            reply("-ERR value is not an integer or out of range\r\n", to: client)
        } else if wanted == database {
            reply("+OK\r\n", to: client)
        } else {
            reply("-ERR SELECT of another database is not supported by the proxy\r\n", to: client)
        }
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
        clients[client].isAuthenticated = isRight
        if isRight {
            reply("+OK\r\n", to: client)
        } else {
            reply("-ERR invalid password\r\n", to: client)
        }
    }

    // MARK: Refusals

    mutating func refuse(
        _ arrival: Arrival, _ command: Command, from client: Handle<ClientConnection>
    ) {
        if !command.isKnown, endsForeign(client, at: arrival) { return }
        if command.flags.contains(.unknownSubcommand) {
            return replyUnknownSubcommand(arrival, to: client)
        }
        // Redis' words, which clients look for, and its limits: 128 bytes of the name and of the
        // arguments (server.c, commandCheckExistence).
        var bytes = MbufChain()
        var walker = ArgumentWalker(start: arrival.start)
        mbufs.append("-ERR unknown command '", to: &bytes)
        appendPrintable(&walker, to: &bytes, max: 128)
        mbufs.append("', with args beginning with: ", to: &bytes)
        let start = bytes.byteCount
        var index = 1
        while index < arrival.argumentCount, bytes.byteCount &- start < 128 {
            let room = 128 &- (bytes.byteCount &- start)
            mbufs.append("'", to: &bytes)
            appendPrintable(&walker, to: &bytes, max: room)
            mbufs.append("' ", to: &bytes)
            index &+= 1
        }
        mbufs.append("\r\n", to: &bytes)
        reply(moving: &bytes, to: client)
    }

    private mutating func replyUnknownSubcommand(
        _ arrival: Arrival, to client: Handle<ClientConnection>
    ) {
        var bytes = MbufChain()
        var walker = ArgumentWalker(start: arrival.start)
        walker.skip(walker.nextHeader())
        mbufs.append("-ERR unknown subcommand '", to: &bytes)
        appendPrintable(&walker, to: &bytes, max: 128)
        mbufs.append("'.\r\n", to: &bytes)
        reply(moving: &bytes, to: client)
    }

    /// Adds the start of the next argument, with blanks for what would break the line.
    private mutating func appendPrintable(
        _ walker: inout ArgumentWalker, to bytes: inout MbufChain, max: Int
    ) {
        let count = walker.nextHeader()
        var cursor = walker.cursor
        var left = min(count, max)
        while left > 0, let byte = cursor.nextByte() {
            let breaksLine = byte == RESPHeader.carriageReturn || byte == RESPHeader.lineFeed
            mbufs.append(breaksLine ? UInt8(ascii: " ") : byte, to: &bytes)
            left &-= 1
        }
        walker.skip(count)
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
