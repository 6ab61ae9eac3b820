// In which words the proxy refuses commands.

extension Worker where IO: ~Copyable {
    /// Answers a command that is not passed on.
    mutating func answerRefused(
        _ arrival: Arrival, _ command: Command, from client: Handle<ClientConnection>
    ) {
        let count = arrival.argumentCount
        switch command.id {
        case noted.multi where count == 1:
            clients[client].restrict(.refusedTransaction)
            refuse(arrival, command, from: client)
        case noted.multi:
            replyWrongArity(command, to: client)
        case noted.clientReply where count == 3:
            answerReplyMode(arrival, command, from: client)
        default:
            refuse(arrival, command, from: client)
        }
    }

    /// CLIENT REPLY. A client that does not expect replies would take each that it gets for that to
    /// a later request, so this is the end of it.
    private mutating func answerReplyMode(
        _ arrival: Arrival, _ command: Command, from client: Handle<ClientConnection>
    ) {
        let reader = ArgumentReader(start: arrival.start, place: argumentPlace)
        if reader.withArgument(2, { $0.isKeyword("ON") }) {
            reply("+OK\r\n", to: client)
        } else if reader.withArgument(2, { $0.isKeyword("OFF") || $0.isKeyword("SKIP") }) {
            countRefusal(of: command, arrival, from: client)
            reply(
                "-ERR CLIENT REPLY OFF and SKIP are not supported through the proxy\r\n",
                to: client)
            end(client, because: .replyMode)
        } else {
            reply("-ERR syntax error\r\n", to: client)
        }
    }

    /// Redis' words, which clients look for, and its limits: 128 bytes of the name and of the
    /// arguments (server.c, commandCheckExistence). Then the reason, if redis has the command.
    private mutating func refuse(
        _ arrival: Arrival, _ command: Command, from client: Handle<ClientConnection>
    ) {
        if !command.isKnown, endsForeign(client, at: arrival) { return }
        countRefusal(of: command, arrival, from: client)
        if command.flags.contains(.unknownSubcommand) {
            return replyUnknownSubcommand(arrival, command, to: client)
        }
        var bytes = MbufChain()
        var walker = ArgumentWalker(start: arrival.start)
        mbufs.append("-ERR unknown command '", to: &bytes)
        appendPrintable(&walker, to: &bytes, max: 128)
        mbufs.append("'", to: &bytes)
        // Old clients, such as node_redis before 4, are ready when INFO gets an answer, or exactly
        // this, which was all that redis before 5 said.
        if command.id != noted.info || arrival.argumentCount > 1 {
            appendArguments(of: arrival, command, &walker, to: &bytes)
            if let refusal = command.refusal {
                mbufs.append(": not supported through the proxy, ", to: &bytes)
                mbufs.append(refusal.text, to: &bytes)
            }
        }
        mbufs.append("\r\n", to: &bytes)
        reply(moving: &bytes, to: client)
    }

    private mutating func appendArguments(
        of arrival: Arrival, _ command: Command, _ walker: inout ArgumentWalker,
        to bytes: inout MbufChain
    ) {
        mbufs.append(", with args beginning with: ", to: &bytes)
        let start = bytes.byteCount
        // Behind its version HELLO may have a password, which clients need not read in their logs.
        let end = command.id == noted.hello ? min(2, arrival.argumentCount) : arrival.argumentCount
        var index = 1
        while index < end, bytes.byteCount &- start < 128 {
            let room = 128 &- (bytes.byteCount &- start)
            mbufs.append("'", to: &bytes)
            appendPrintable(&walker, to: &bytes, max: room)
            mbufs.append("' ", to: &bytes)
            index &+= 1
        }
    }

    private mutating func replyUnknownSubcommand(
        _ arrival: Arrival, _ command: Command, to client: Handle<ClientConnection>
    ) {
        var bytes = MbufChain()
        var walker = ArgumentWalker(start: arrival.start)
        walker.skip(walker.nextHeader())
        mbufs.append("-ERR unknown subcommand '", to: &bytes)
        appendPrintable(&walker, to: &bytes, max: 128)
        mbufs.append("'. Try ", to: &bytes)
        commands.withName(of: command) { name in
            for index in name.indices { mbufs.append(name[index] & 0xDF, to: &bytes) }
        }
        mbufs.append(" HELP.\r\n", to: &bytes)
        reply(moving: &bytes, to: client)
    }

    /// Adds the start of the next argument, with blanks for what would break the line. As in redis
    /// a zero ends it.
    private mutating func appendPrintable(
        _ walker: inout ArgumentWalker, to bytes: inout MbufChain, max: Int
    ) {
        let count = walker.nextHeader()
        var cursor = walker.cursor
        var left = min(count, max)
        while left > 0, let byte = cursor.nextByte(), byte != 0 {
            let breaksLine = byte == RESPHeader.carriageReturn || byte == RESPHeader.lineFeed
            mbufs.append(breaksLine ? UInt8(ascii: " ") : byte, to: &bytes)
            left &-= 1
        }
        walker.skip(count)
    }

    /// Counts a refused command, and tells the operator of it.
    private mutating func countRefusal(
        of command: Command, _ arrival: Arrival, from client: Handle<ClientConnection>
    ) {
        let pool = Int(clients[client].pool)
        counters.value.pools[pool].commandsRefused.add(1)
        guard isLogged(.commandRefused),
            let untold = logLimits.take(.commandRefused, ofPool: pool, at: now)
        else { return }
        var event = LogEvent(.commandRefused, pool: pool)
        event.peer = ring.peer(of: clients[client].socket)
        event.untoldCount = untold
        if let refusal = command.refusal {
            event.code = refusal.rawValue &+ 1
            commands.withName(of: command) { event.text.append($0) }
        } else {
            var cursor = arrival.start
            cursor.skip(arrival.name.start)
            cursor.withBytes(min(arrival.name.count, ShortText.countMax)) {
                event.text.append($0)
            }
        }
        events.send(event)
    }
}
