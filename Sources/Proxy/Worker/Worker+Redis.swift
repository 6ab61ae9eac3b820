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
            if !filled.isNone { putBack(consumed, &chain, from: client) }
            mbufs.release(&chain)
        case .inline:
            var chain = takeChain(endingWith: consumed, from: client)
            dispatchInline(redisArrival(consumed, chain, from: client), from: client)
            if !filled.isNone { putBack(consumed, &chain, from: client) }
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

// MARK: - Requests that are written anew

extension Worker where IO: ~Copyable {
    /// A line of words becomes a request of as many arguments, and then goes its way.
    mutating func dispatchInline(_ line: Arrival, from client: Handle<ClientConnection>) {
        var cursor = line.start
        var arguments = MbufChain()
        var signature = InlineSignature()
        let isBalanced = cursor.withBytes(line.byteCount) { bytes in
            var words = InlineWords(bytes.count)
            while words.next(in: bytes) {
                signature.beginWord()
                mbufs.append("$", to: &arguments)
                mbufs.append(decimal: words.byteCount(in: bytes), to: &arguments)
                mbufs.append("\r\n", to: &arguments)
                while let byte = words.nextByte(in: bytes) {
                    mbufs.append(byte, to: &arguments)
                    signature.add(byte)
                }
                mbufs.append("\r\n", to: &arguments)
                signature.endWord()
            }
            return words.isBalanced
        }
        if isBalanced, signature.wordCount > 0 {
            dispatch(
                arguments: &arguments, count: signature.wordCount, signature, from: client)
        } else if !isBalanced {
            refuse(.unbalancedQuotes, from: client)
        }
        mbufs.release(&arguments)
    }

    /// A request with leading zeros in its numbers, which twemproxy takes. Redis would refuse it
    /// and close the connection, on which requests of others wait.
    mutating func dispatchPadded(_ arrival: Arrival, from client: Handle<ClientConnection>) {
        var walker = ArgumentWalker(start: arrival.start)
        var arguments = MbufChain()
        for _ in 0..<arrival.argumentCount {
            let count = walker.nextHeader()
            mbufs.append("$", to: &arguments)
            mbufs.append(decimal: count, to: &arguments)
            mbufs.append("\r\n", to: &arguments)
            walker.append(count, to: &arguments, of: &mbufs)
        }
        dispatch(arguments: &arguments, count: arrival.argumentCount, nil, from: client)
        mbufs.release(&arguments)
    }

    /// - Parameter signature: Of what was a line of words.
    private mutating func dispatch(
        arguments: inout MbufChain, count: Int, _ signature: InlineSignature?,
        from client: Handle<ClientConnection>
    ) {
        var chain = MbufChain()
        mbufs.append("*", to: &chain)
        mbufs.append(decimal: count, to: &chain)
        mbufs.append("\r\n", to: &chain)
        mbufs.append(moving: &arguments, to: &chain)
        // Parsed once more, for where its arguments are. It may be as long as any request, so it
        // is read where it lies.
        var parser = RESPRequestParser()
        var cursor = mbufs.cursor(of: chain)
        while let slice = cursor.nextSlice() {
            mbufs.withBytes(of: slice) { bytes in
                var position = 0
                _ = parser.parse(bytes, from: &position)
            }
        }
        let arrival = Arrival(slice: .empty, chain: chain, parser: parser, mbufs: mbufs)
        let isForeign = signature.map { endsForeign(client, at: arrival, $0) } ?? false
        if !isForeign { dispatch(arrival, &chain, from: client) }
        mbufs.release(&chain)
    }
}
