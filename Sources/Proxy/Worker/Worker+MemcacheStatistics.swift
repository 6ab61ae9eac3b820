import Glibc

// What `stats` answers: the proxy's own numbers, or with `stats servers` the sums of the servers'.

extension Worker where IO: ~Copyable {
    mutating func answerStatistics(
        _ request: MemcacheRequest, _ arrival: Arrival, from client: Handle<ClientConnection>
    ) {
        var cursor = arrival.start
        let scope = cursor.withBytes(arrival.byteCount) { line in
            StatisticsScope(line, behind: request.name)
        }
        switch scope {
        case .proxy:
            var bytes = MbufChain()
            appendStatistics(of: Int(clients[client].pool), to: &bytes)
            reply(moving: &bytes, to: client)
        case .servers:
            let question: StaticString = "stats\r\n"
            question.withUTF8Span { broadcast($0, .statistics, from: client) }
        case .unknown:
            reply(MemcacheProblem.unknownCommand.text, to: client)
        }
    }

    /// What is the process' first, in memcached's names; then the pool's, and its servers'
    /// together, in the names of the statistics port.
    private mutating func appendStatistics(of pool: Int, to bytes: inout MbufChain) {
        append("pid", Int(getpid()), to: &bytes)
        append("uptime", Int((now &- startedAt) / 1_000_000_000), to: &bytes)
        append("time", ring.microsecondsSince1970 / 1_000_000, to: &bytes)
        mbufs.append("STAT version ", to: &bytes)
        mbufs.append(releaseNumber, to: &bytes)
        mbufs.append("\r\n", to: &bytes)
        append("threads", board.value.workers.count, to: &bytes)
        append("curr_connections", sum { $0.currConnections.current }, to: &bytes)
        append("total_connections", sum { $0.totalConnections.current }, to: &bytes)
        append("client_connections", sum { $0.pools[pool].clientConnections.current }, to: &bytes)
        append("client_eof", sum { $0.pools[pool].clientEOF.current }, to: &bytes)
        append("client_err", sum { $0.pools[pool].clientErr.current }, to: &bytes)
        append("server_ejects", sum { $0.pools[pool].serverEjects.current }, to: &bytes)
        append("forward_error", sum { $0.pools[pool].forwardError.current }, to: &bytes)
        append("fragments", sum { $0.pools[pool].fragments.current }, to: &bytes)
        appendServerStatistics(of: pool, to: &bytes)
        mbufs.append("END\r\n", to: &bytes)
    }

    private mutating func appendServerStatistics(of pool: Int, to bytes: inout MbufChain) {
        append("servers", pools[pool].servers.count, to: &bytes)
        append("server_connections", sum(pool) { $0.serverConnections.current }, to: &bytes)
        append("server_eof", sum(pool) { $0.serverEOF.current }, to: &bytes)
        append("server_err", sum(pool) { $0.serverErr.current }, to: &bytes)
        append("server_timedout", sum(pool) { $0.serverTimedout.current }, to: &bytes)
        append("server_steps_lost", sum(pool) { $0.stepsLost.current }, to: &bytes)
        append("requests", sum(pool) { $0.requests.current }, to: &bytes)
        append("request_bytes", sum(pool) { $0.requestBytes.current }, to: &bytes)
        append("responses", sum(pool) { $0.responses.current }, to: &bytes)
        append("response_bytes", sum(pool) { $0.responseBytes.current }, to: &bytes)
        append("in_queue", sum(pool) { $0.inQueue.current }, to: &bytes)
        append("in_queue_bytes", sum(pool) { $0.inQueueBytes.current }, to: &bytes)
        append("out_queue", sum(pool) { $0.outQueue.current }, to: &bytes)
        append("out_queue_bytes", sum(pool) { $0.outQueueBytes.current }, to: &bytes)
    }

    private mutating func append(
        _ name: StaticString, _ number: Int, to bytes: inout MbufChain
    ) {
        mbufs.append("STAT ", to: &bytes)
        mbufs.append(name, to: &bytes)
        mbufs.append(" ", to: &bytes)
        mbufs.append(decimal: number, to: &bytes)
        mbufs.append("\r\n", to: &bytes)
    }

    /// Over all workers.
    @inline(__always)
    private mutating func sum(_ count: (borrowing WorkerCounters) -> Int) -> Int {
        var sum = 0
        for worker in 0..<board.value.workers.count {
            sum &+= count(board.value.workers[worker].value)
        }
        return sum
    }

    /// Over all workers, and all servers of a pool.
    @inline(__always)
    private mutating func sum(_ pool: Int, _ count: (borrowing ServerCounters) -> Int) -> Int {
        let first = pools[pool].firstServer
        var sum = 0
        for worker in 0..<board.value.workers.count {
            for place in first..<first &+ pools[pool].servers.count {
                sum &+= count(board.value.workers[worker].value.servers[place])
            }
        }
        return sum
    }

    // MARK: Sums of the servers' own

    /// Each number of the first server's, and what the others have by the same name. They have the
    /// same names in the same order, unless their versions differ: so each is looked for where the
    /// last one was found, and only then from the start.
    mutating func assembleStatistics(_ gathering: Handle<Gathering>) -> Bool {
        beginParts(of: gathering)
        let first = gatherings[gathering].firstFragment
        let whole = gatherings[gathering].whole
        let count = requests[first].reply.byteCount
        var cursor = mbufs.cursor(of: requests[first].reply)
        cursor.withBytes(count) { reply in
            var position = 0
            while let line = StatisticLine(reply, &position) {
                appendSum(of: line, in: reply, gathering)
            }
        }
        mbufs.append("END\r\n", to: &requests[whole].reply)
        return true
    }

    private mutating func appendSum(
        of line: StatisticLine, in reply: Span<UInt8>, _ gathering: Handle<Gathering>
    ) {
        let whole = gatherings[gathering].whole
        let first = gatherings[gathering].firstFragment
        mbufs.append("STAT ", to: &requests[whole].reply)
        mbufs.append(reply.extracting(line.name), to: &requests[whole].reply)
        mbufs.append(" ", to: &requests[whole].reply)
        if var number = StatisticNumber(reply.extracting(line.value)),
            !reply.extracting(line.name).isOfOneServer
        {
            var fragment = requests[first].nextSibling
            while !fragment.isNone {
                number.add(statistic(reply.extracting(line.name), in: fragment))
                fragment = requests[fragment].nextSibling
            }
            mbufs.append(decimal: number.whole, to: &requests[whole].reply)
            appendFraction(of: number, to: whole)
        } else {
            mbufs.append(reply.extracting(line.value), to: &requests[whole].reply)
        }
        mbufs.append("\r\n", to: &requests[whole].reply)
    }

    private mutating func appendFraction(of number: StatisticNumber, to whole: Handle<Request>) {
        guard number.hasFraction else { return }
        mbufs.append(".", to: &requests[whole].reply)
        var unit = StatisticNumber.millionths / 10
        while unit > 0 {
            let digit = UInt8(truncatingIfNeeded: number.fraction / unit % 10)
            mbufs.append(UInt8(ascii: "0") &+ digit, to: &requests[whole].reply)
            unit /= 10
        }
    }

    /// What a server's reply says under a name; 0 if nothing.
    private mutating func statistic(
        _ name: Span<UInt8>, in fragment: Handle<Request>
    ) -> StatisticNumber {
        let server = Int(requests[fragment].server)
        if var values = parts[server].values, let number = values.nextStatistic(name) {
            parts[server].values = values
            return number
        }
        var values = mbufs.cursor(of: requests[fragment].reply)
        while !values.isAtEnd {
            var line = values
            if let number = line.nextStatistic(name) {
                parts[server].values = line
                return number
            }
            values.skipLine()
        }
        return StatisticNumber()
    }
}

/// Whose statistics are asked for.
private enum StatisticsScope {
    case proxy, servers
    /// memcached knows more. They are of one server, and say nothing of a pool.
    case unknown

    init(_ line: Span<UInt8>, behind name: Extent) {
        var words = MemcacheWords(from: name.start &+ name.count, to: line.count &- 2)
        guard let word = words.next(in: line) else {
            self = .proxy
            return
        }
        self = line.extracting(word.range).isEqual(to: "servers") ? .servers : .unknown
    }
}

/// Where the words of a `STAT` line are in a reply.
private struct StatisticLine {
    let name: Range<Int>
    let value: Range<Int>

    /// Reads the line at a position, and moves behind it; nil at the end of the reply.
    init?(_ reply: Span<UInt8>, _ position: inout Int) {
        var end = position
        while end < reply.count, reply[end] != UInt8(ascii: "\n") { end &+= 1 }
        var words = MemcacheWords(from: position, to: max(position, end &- 1))
        guard let verb = words.next(in: reply), reply.extracting(verb.range).isEqual(to: "STAT"),
            let name = words.next(in: reply)
        else { return nil }
        _ = words.hasMore(in: reply)
        self.name = name.range
        value = words.position..<max(words.position, end &- 1)
        position = end &+ 1
    }
}

/// A number with up to six digits behind its point.
private struct StatisticNumber: BitwiseCopyable {
    static let millionths = 1_000_000

    private(set) var whole = 0
    /// In millionths.
    private(set) var fraction = 0
    private(set) var hasFraction = false

    init() {}

    init?(_ text: Span<UInt8>) {
        guard text.count > 0 else { return nil }
        for index in text.indices {
            guard add(text[index]) else { return nil }
        }
    }

    private var unit = Self.millionths

    /// Takes one more character. Returns false if it is none of a number.
    mutating func add(_ byte: UInt8) -> Bool {
        let digit = Int(byte &- UInt8(ascii: "0"))
        if byte == UInt8(ascii: "."), !hasFraction {
            hasFraction = true
        } else if digit > 9 {
            return false
        } else if hasFraction {
            unit /= 10
            fraction &+= digit &* unit
        } else {
            whole = whole &* 10 &+ digit
        }
        return true
    }

    mutating func add(_ other: StatisticNumber) {
        whole &+= other.whole
        fraction &+= other.fraction
        if fraction >= Self.millionths {
            fraction &-= Self.millionths
            whole &+= 1
        }
    }
}

extension Span<UInt8> {
    /// Whether a name is of a number that sums say nothing of. That of the first server stands.
    fileprivate var isOfOneServer: Bool {
        isEqual(to: "pid") || isEqual(to: "uptime") || isEqual(to: "time")
            || isEqual(to: "pointer_size")
    }
}

extension MbufCursor {
    fileprivate var isAtEnd: Bool {
        var ahead = self
        return ahead.nextByte() == nil
    }

    fileprivate mutating func skipLine() {
        while let byte = nextByte(), byte != UInt8(ascii: "\n") {}
    }

    /// The number in the `STAT` line here, if it has this name; then moves over the line.
    fileprivate mutating func nextStatistic(_ name: Span<UInt8>) -> StatisticNumber? {
        guard skipPrefix("STAT "), skipPrefix(name), nextByte() == UInt8(ascii: " ") else {
            return nil
        }
        var number = StatisticNumber()
        var isNumber = true
        while let byte = nextByte(), byte != UInt8(ascii: "\n") {
            isNumber = isNumber && (byte == UInt8(ascii: "\r") || number.add(byte))
        }
        return isNumber ? number : StatisticNumber()
    }
}
