// The replies to memcached's gets: whose is a value?
//
// A reply has the values in the order of the keys, those that are not there left out. A get of one
// key remembers a mark of it, of which no line has the same twice; the keys of gets of several
// stand in a queue of their connection. When the header of a value has come, all of it, the value's
// owner is found, and the requests before that are answered, as they have none. From then on the
// owner is the first request of its connection, and the parser knows how many bytes are left: what
// follows is the value's, whether anybody waits for it or not. A value for a key that was not
// asked, or one too many, means that the replies are out of step with the requests.

extension Worker where IO: ~Copyable {
    /// More of a line whose end is still to come: the header of a value, or what ends a reply.
    mutating func didReceiveCutLine(
        _ slice: MbufSlice, from connection: Handle<ServerConnection>
    ) {
        mbufs.append(slice, to: &connections[connection].cutLine)
        if connections[connection].cutLine.byteCount > limits.replyLineMax { loseStep(connection) }
    }

    /// A header has ended, and the data of its value comes next.
    mutating func didReceiveHeader(_ slice: MbufSlice, from connection: Handle<ServerConnection>) {
        guard !connections[connection].cutLine.isEmpty else {
            guard let owner = findOwner(of: slice, from: connection) else {
                return loseStep(connection)
            }
            return didReceivePart(slice, of: owner)
        }
        mbufs.append(slice, to: &connections[connection].cutLine)
        guard let owner = findOwnerOfCutLine(from: connection) else { return loseStep(connection) }
        var header = connections[connection].cutLine.take()
        if isAwaited(owner) { mbufs.append(moving: &header, to: &requests[owner].reply) }
        mbufs.release(&header)
        // It has been taken from the end of the slice, and may be the start of a long reply.
        didReceivePart(slice.prefix(0), of: owner)
    }

    /// A value is here as a whole.
    mutating func didReceiveWholeValue(
        _ slice: MbufSlice, from connection: Handle<ServerConnection>
    ) {
        guard let owner = findOwner(of: slice, from: connection) else {
            return loseStep(connection)
        }
        didEndValue(slice, of: owner, from: connection)
    }

    /// The value ends whose header came before.
    mutating func didEndValue(
        _ slice: MbufSlice, of owner: Handle<Request>, from connection: Handle<ServerConnection>
    ) {
        if requests[owner].sharesReply {
            answer(owner, with: slice, from: connection)
        } else {
            // The line that ends the reply comes later, and ends this one.
            didReceivePart(slice, of: owner)
        }
    }

    /// The line has arrived that ends a reply, and perhaps says why there are no values: the answer
    /// to all in the line that had none.
    mutating func didEndValues(_ slice: MbufSlice, from connection: Handle<ServerConnection>) {
        var line = connections[connection].cutLine.take()
        if requests[connections[connection].firstRequest].hasSeveralKeys {
            dropAskedKeys(of: connection)
        }
        var isShared = true
        while isShared {
            let request = connections[connection].firstRequest
            isShared = requests[request].sharesReply
            pop(request, of: connection)
            // What a part has of values is worth nothing beside an error.
            if requests[request].role == .fragment,
                connections[connection].parser.kind == ReplyKind.error
            {
                mbufs.release(&requests[request].reply)
            }
            if !line.isEmpty, isAwaited(request) {
                var start = mbufs.cursor(of: line)
                mbufs.append(line.byteCount, from: &start, to: &requests[request].reply)
            }
            didReceiveReply(slice, to: request, from: connection)
        }
        mbufs.release(&line)
    }

    // MARK: Owners

    /// The request that a value is for, which is then the first of its connection. Nil if it is for
    /// nobody.
    ///
    /// - Parameter slice: From the start of the value's header, which is in it as a whole.
    private mutating func findOwner(
        of slice: MbufSlice, from connection: Handle<ServerConnection>
    ) -> Handle<Request>? {
        let key = connections[connection].parser.keyOfValue
        let first = connections[connection].firstRequest
        guard !requests[first].hasSeveralKeys else {
            guard !connections[connection].askedKeys.isEmpty else { return nil }
            var asked = mbufs.cursor(of: connections[connection].askedKeys)
            let count = mbufs.withBytes(of: slice) { asked.skipWords(to: $0.extracting(key)) }
            return passAskedKeys(count, of: connection)
        }
        let mark = mbufs.withBytes(of: slice) { $0.extracting(key).keyMark() }
        return findOwner(mark, from: connection)
    }

    /// The same, where the header is in pieces.
    private mutating func findOwnerOfCutLine(
        from connection: Handle<ServerConnection>
    ) -> Handle<Request>? {
        let key = connections[connection].parser.keyOfValue
        let first = connections[connection].firstRequest
        var header = mbufs.cursor(of: connections[connection].cutLine)
        header.skip(key.lowerBound)
        guard !requests[first].hasSeveralKeys else {
            guard !connections[connection].askedKeys.isEmpty else { return nil }
            var asked = mbufs.cursor(of: connections[connection].askedKeys)
            let count = header.withBytes(key.count) { asked.skipWords(to: $0) }
            return passAskedKeys(count, of: connection)
        }
        let mark = header.withBytes(key.count) { $0.keyMark() }
        return findOwner(mark, from: connection)
    }

    private mutating func findOwner(
        _ mark: UInt64, from connection: Handle<ServerConnection>
    ) -> Handle<Request>? {
        let first = connections[connection].firstRequest
        var owner = first
        while requests[owner].keyMark != mark {
            guard requests[owner].sharesReply else { return nil }
            owner = requests[owner].nextOfServer
        }
        // It may have one value only.
        requests[owner].keyMark = 0
        var request = first
        while request != owner {
            let next = requests[request].nextOfServer
            answer(request, with: MbufSlice.empty, from: connection)
            request = next
        }
        return owner
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

    // MARK: Several keys

    /// Moves over keys that have no value, and the one that has.
    ///
    /// - Parameter count: Their bytes; nil if none of them is the value's.
    private mutating func passAskedKeys(
        _ count: Int?, of connection: Handle<ServerConnection>
    ) -> Handle<Request>? {
        guard let count else { return nil }
        mbufs.removeFirst(count, from: &connections[connection].askedKeys)
        return connections[connection].firstRequest
    }

    /// The first get of several keys has its reply.
    private mutating func dropAskedKeys(of connection: Handle<ServerConnection>) {
        var asked = mbufs.cursor(of: connections[connection].askedKeys)
        let count = asked.skipLine()
        mbufs.removeFirst(count, from: &connections[connection].askedKeys)
    }
}

extension Request {
    fileprivate var hasSeveralKeys: Bool { expectedKind == MemcacheReplyClass.values.rawValue }
}

extension MbufCursor {
    /// Moves behind the next word that is the same. Returns over how many bytes; nil if there is
    /// none in this line.
    fileprivate mutating func skipWords(to word: Span<UInt8>) -> Int? {
        var count = 0
        // Of the word that begins here, how many bytes are the same; -1 once one is not.
        var equalCount = 0
        var ahead = self
        while let byte = ahead.nextByte() {
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") {
                if equalCount == word.count, equalCount > 0 { return count }
                if byte == UInt8(ascii: "\n") { return nil }
                equalCount = 0
            } else if equalCount >= 0 {
                let isEqual = equalCount < word.count && byte == word[equalCount]
                equalCount = isEqual ? equalCount &+ 1 : -1
            }
            count &+= 1
        }
        return nil
    }

    /// Moves behind the line feed. Returns over how many bytes.
    fileprivate mutating func skipLine() -> Int {
        var count = 0
        while let byte = nextByte() {
            count &+= 1
            if byte == UInt8(ascii: "\n") { break }
        }
        return count
    }
}
