// The replies to the fragments of a memcache request become one, in time linear in their keys.

extension Worker where IO: ~Copyable {
    /// Returns false if a reply is none to what was asked.
    mutating func assemble(
        _ gathering: Handle<Gathering>, _ assembly: MemcacheAssembly
    ) -> Bool {
        switch assembly {
        case .values: return assembleBlocks(gathering)
        case .done:
            mbufs.append("OK\r\n", to: &requests[gatherings[gathering].whole].reply)
            return true
        case .statistics: return assembleStatistics(gathering)
        }
    }

    /// The values in the order of their keys. A server leaves out the keys that it has not, so each
    /// key is looked for where the reply of its server has come to: there it is, or nowhere.
    private mutating func assembleBlocks(_ gathering: Handle<Gathering>) -> Bool {
        beginParts(of: gathering)
        let count = gatherings[gathering].keys.byteCount
        var keys = mbufs.cursor(of: gatherings[gathering].keys)
        keys.withBytes(count) { line in appendBlocks(of: gathering, line) }
        mbufs.append("END\r\n", to: &requests[gatherings[gathering].whole].reply)
        return areAtEnd(gathering)
    }

    private mutating func appendBlocks(of gathering: Handle<Gathering>, _ line: Span<UInt8>) {
        let whole = gatherings[gathering].whole
        var places = mbufs.cursor(of: gatherings[gathering].servers)
        var words = MemcacheWords(to: line.count &- 2)
        while let key = words.next(in: line), let server = places.nextServer() {
            guard var values = parts[server].values,
                let count = values.blockCount(of: line.extracting(key.range))
            else { continue }
            mbufs.append(count, from: &values, to: &requests[whole].reply)
            parts[server].values = values
        }
    }

    /// Puts a cursor to the start of each reply.
    mutating func beginParts(of gathering: Handle<Gathering>) {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            let values = mbufs.cursor(of: requests[fragment].reply)
            parts[Int(requests[fragment].server)].values = values
            fragment = requests[fragment].nextSibling
        }
    }

    /// Whether every value has found its key.
    private mutating func areAtEnd(_ gathering: Handle<Gathering>) -> Bool {
        var fragment = gatherings[gathering].firstFragment
        while !fragment.isNone {
            var values = parts[Int(requests[fragment].server)].values
            guard values?.nextByte() == UInt8(ascii: "E") else { return false }
            fragment = requests[fragment].nextSibling
        }
        return true
    }
}

extension MbufCursor {
    /// How many bytes the value here takes, header and line ends included; nil if it is not that of
    /// a key.
    fileprivate func blockCount(of key: Span<UInt8>) -> Int? {
        var ahead = self
        guard ahead.skipPrefix("VALUE "), ahead.skipPrefix(key),
            ahead.nextByte() == UInt8(ascii: " ")
        else { return nil }
        var headerCount = key.count &+ 7
        // The flags.
        while let byte = ahead.nextByte() {
            headerCount &+= 1
            if byte == UInt8(ascii: " ") { break }
        }
        var size = 0
        var isSize = true
        while let byte = ahead.nextByte() {
            headerCount &+= 1
            let digit = byte &- UInt8(ascii: "0")
            if digit >= 10 { isSize = false }
            if isSize { size = size &* 10 &+ Int(digit) }
            if byte == UInt8(ascii: "\n") { return headerCount &+ size &+ 2 }
        }
        return nil
    }

    mutating func skipPrefix(_ text: StaticString) -> Bool {
        text.withUTF8Span { skipPrefix($0) }
    }

    mutating func skipPrefix(_ prefix: Span<UInt8>) -> Bool {
        for index in prefix.indices where nextByte() != prefix[index] { return false }
        return true
    }
}
