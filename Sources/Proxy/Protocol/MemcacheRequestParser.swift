/// Finds the end of a memcache request, across as many slices as it takes to arrive.
///
///     words LF
///     words LF  bytes CR LF              (where the words say that there is a data block)
///
/// Behind the words of a line there may be a CR.
///
/// A line that lies in one slice is read where it is. One that was cut is read by whoever keeps its
/// pieces, who then says what it was: `begin(_:)`. The bytes of a data block are skipped.
struct MemcacheRequestParser: BitwiseCopyable {
    /// Longer lines than these are of `get` and `gets` alone. memcached before 1.6.11 ends the
    /// connection, which is everybody's, when it has as many bytes of another and no line end.
    /// What has no `gat` is older still.
    static let plainLineMax = 1024
    static let touchLineMax = 2048
    static let lineMax = 32 << 20

    enum Outcome {
        /// All bytes are consumed and the request has not ended.
        case incomplete
        /// A line has ended that began in an earlier slice, and wants to be read: `begin(_:)`.
        case cutLine
        /// A request has ended, or can go no further for a `problem` of it.
        case request
        /// The rest of a data block that belongs to no request.
        case swallowed
    }

    private enum Phase: UInt8 {
        case line, data, dataEnd, swallow
    }

    private(set) var request = MemcacheRequest()
    private var phase = Phase.line
    /// The first byte of a connection tells the protocol.
    private var isFirst = true
    /// Whether there is a NUL in this line.
    private(set) var hasNull = false
    private var consumedCount: UInt32 = 0
    private var bytesLeft = 0
    /// The first bytes of this line.
    private var opening: UInt64 = 0

    /// Bytes of this line that earlier calls consumed: `lineMax` at most, and what one slice holds.
    private var consumed: Int {
        get { Int(consumedCount) }
        set { consumedCount = UInt32(truncatingIfNeeded: newValue) }
    }

    /// Whether the next byte starts a new request.
    var isAtStart: Bool { phase == .line && consumed == 0 }

    /// Bytes still to come of the data block that is arriving.
    var announcedCount: Int { phase == .data ? bytesLeft : 0 }

    /// Consumes bytes up to the end of one request.
    ///
    /// - Parameter position: Where to start, and afterwards where the request ended, or the count.
    mutating func parse(_ bytes: Span<UInt8>, from position: inout Int) -> Outcome {
        while position < bytes.count {
            switch phase {
            case .line:
                if let outcome = parseLine(bytes, &position) { return outcome }
            case .data:
                let skipped = min(bytesLeft, bytes.count &- position)
                position &+= skipped
                bytesLeft &-= skipped
                if bytesLeft == 0 {
                    phase = .dataEnd
                    bytesLeft = 2
                }
            case .dataEnd:
                let wanted = bytesLeft == 2 ? UInt8(ascii: "\r") : UInt8(ascii: "\n")
                // memcached takes as many bytes as it was promised, and then looks at them.
                if bytes[position] != wanted { request.problem = .badDataChunk }
                position &+= 1
                bytesLeft &-= 1
                if bytesLeft == 0 { return end() }
            case .swallow:
                let skipped = min(bytesLeft, bytes.count &- position)
                position &+= skipped
                bytesLeft &-= skipped
                if bytesLeft == 0 { phase = .line }
                return .swallowed
            }
        }
        return .incomplete
    }

    /// What is still to come of the request is no request. Returns false if it is a line, whose end
    /// is not known.
    mutating func swallowRest() -> Bool {
        guard phase == .data else { return false }
        phase = .swallow
        bytesLeft &+= 2
        return true
    }

    private mutating func end() -> Outcome {
        phase = .line
        return .request
    }

    // MARK: Lines

    /// Returns nil if the request goes on after the line.
    private mutating func parseLine(
        _ bytes: Span<UInt8>, _ position: inout Int
    ) -> Outcome? {
        let start = position
        if consumed == 0 {
            hasNull = false
            if isFirst, bytes[start] == 0x80 {
                position &+= 1
                return refuse(.binaryProtocol)
            }
            isFirst = false
        }
        let hasEnd = skipLine(bytes, &position)
        let count = consumed &+ position &- start
        if hasEnd, consumed == 0, count <= Self.plainLineMax {
            let line = bytes.extracting(start..<position)
            return begin(MemcacheRequest(line: line, hasNull: hasNull)) ? .request : nil
        }
        noteOpening(bytes, from: start)
        guard count <= Self.plainLineMax || count <= longLineMax else {
            return refuse(.tooLongLine)
        }
        guard hasEnd else {
            consumed = count
            return .incomplete
        }
        let wasCut = consumed > 0
        consumed = 0
        guard !wasCut else { return .cutLine }
        let line = bytes.extracting(start..<position)
        return begin(MemcacheRequest(line: line, hasNull: hasNull)) ? .request : nil
    }

    private mutating func refuse(_ problem: MemcacheProblem) -> Outcome {
        request = MemcacheRequest()
        request.problem = problem
        return .request
    }

    /// A line has been read. Returns whether the request ends with it.
    mutating func begin(_ line: MemcacheRequest) -> Bool {
        request = line
        guard line.hasData else { return true }
        guard line.problem == .none else {
            phase = .swallow
            bytesLeft = Int(line.dataCount) &+ 2
            return true
        }
        bytesLeft = Int(line.dataCount)
        phase = .data
        if bytesLeft == 0 {
            phase = .dataEnd
            bytesLeft = 2
        }
        return false
    }

    /// Keeps the first five bytes of the line.
    private mutating func noteOpening(_ bytes: Span<UInt8>, from start: Int) {
        if consumed == 0 { opening = 0 }
        var index = start
        var place = consumed
        while place < 5, index < bytes.count {
            opening |= UInt64(bytes[index]) << UInt64(place &* 8)
            index &+= 1
            place &+= 1
        }
    }

    /// How long this line may be.
    private var longLineMax: Int {
        switch opening {
        case 0x20_7374_6567: Self.lineMax  // "gets "
        case 0x20_7374_6167: Self.touchLineMax  // "gats "
        default:
            switch opening & 0xFFFF_FFFF {
            case 0x2074_6567: Self.lineMax  // "get "
            case 0x2074_6167: Self.touchLineMax  // "gat "
            default: Self.plainLineMax
            }
        }
    }

    /// Moves behind the next LF, or to the end of the bytes. Returns whether there was one.
    private mutating func skipLine(_ bytes: Span<UInt8>, _ position: inout Int) -> Bool {
        while true {
            position = bytes.firstLineFeedOrLess(from: position)
            guard position < bytes.count else { return false }
            let byte = bytes[position]
            position &+= 1
            if byte == UInt8(ascii: "\n") { return true }
            if byte == 0 { hasNull = true }
        }
    }
}
