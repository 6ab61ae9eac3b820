/// Finds the end of a redis request, across as many slices as it takes to arrive.
///
///     *<argument count> CR LF
///     $<byte count> CR LF <bytes> CR LF      (once per argument)
///
/// or an inline command, which is one line of words.
///
/// The parser keeps its place between calls, never looks at a byte twice, and never copies one.
/// It skips the bytes of an argument without looking at them. Redis' own limits are the limits.
///
/// Reference: https://redis.io/docs/latest/develop/reference/protocol-spec/
struct RESPRequestParser: BitwiseCopyable {
    /// Redis' INT_MAX since 7.0. Nothing is reserved by this number, only by what arrives, of which
    /// 512 MiB hold some 89 million arguments.
    static let argumentCountMax = Int(Int32.max)
    /// Of an argument, and of a whole request.
    static let byteCountMax = 512 * 1024 * 1024
    /// What a client may send that has not authenticated, where it must (redis 7,
    /// networking.c: processMultibulkBuffer).
    static let unauthenticatedCountMax = 10
    static let unauthenticatedLengthMax = 16384
    /// Redis' PROTO_INLINE_MAX_SIZE.
    static let inlineLengthMax = 64 * 1024

    enum Outcome {
        /// All bytes are consumed and the request has not ended.
        case incomplete
        /// A request of at least one argument has ended.
        case request
        /// A line that does not start with `*` has ended.
        case inline
        /// An array of no arguments, which is no request.
        case empty
        case violation(Violation)
    }

    enum Violation: Equatable {
        case argumentCount, bulkLength, expectedBulk(UInt8), expectedLineEnd
        case tooBigRequest, tooBigInline, unbalancedQuotes
        case unauthenticatedCount, unauthenticatedLength
    }

    typealias Argument = Extent

    /// What comes next, or whose rest comes next.
    private enum Phase: UInt8 {
        case start, argumentCount, bulkMarker, bulkLength, bulkBytes, bulkEnd, inline
    }

    private var phase = Phase.start
    private var hasCarriageReturn = false
    /// Whether the client may send requests of any size.
    var isAuthenticated = true
    /// Whether a number of the request has leading zeros, which twemproxy takes and redis does not.
    private(set) var isPadded = false
    private var line = RESPNumberLine()
    private(set) var argumentCount: UInt32 = 0
    private var argumentsLeft: UInt32 = 0
    private var bytesLeft: UInt32 = 0
    /// Bytes of this request that earlier calls consumed.
    private var consumed: UInt32 = 0
    /// The command's name, and the argument after it, which is nearly always the key.
    private(set) var name = Argument()
    private(set) var first = Argument()

    /// Whether the next byte starts a new request.
    var isAtStart: Bool { phase == .start }

    /// Bytes still to come of the argument that is arriving.
    var announcedCount: Int { phase == .bulkBytes ? Int(bytesLeft) : 0 }

    /// Consumes bytes up to the end of one request.
    ///
    /// - Parameter position: Where to start, and afterwards where the request ended, or the count.
    mutating func parse(_ bytes: Span<UInt8>, from position: inout Int) -> Outcome {
        let start = position
        if phase == .start { consumed = 0 }
        while position < bytes.count {
            switch phase {
            case .start:
                guard bytes[position] == UInt8(ascii: "*") else {
                    phase = .inline
                    continue
                }
                if let ending = beginArray(bytes, &position) { return ending }
            case .argumentCount:
                switch line.parse(bytes, at: &position) {
                case .incomplete: break
                case .violation: return .violation(.argumentCount)
                case .value(let count):
                    isPadded = line.wasPadded
                    if let ending = begin(count) { return ending }
                }
            case .bulkMarker:
                let base = Int(consumed) &- start
                if bytes.count &- position >= 8 {
                    let isComplete = skipShortBulks(bytes, &position, base)
                    guard base &+ position &- 2 <= Self.byteCountMax else {
                        return .violation(.tooBigRequest)
                    }
                    if isComplete { return .request }
                }
                guard phase == .bulkMarker, position < bytes.count else { continue }
                guard bytes[position] == UInt8(ascii: "$") else {
                    return .violation(.expectedBulk(bytes[position]))
                }
                position &+= 1
                phase = .bulkLength
            case .bulkLength:
                let base = Int(consumed) &- start
                if let violation = readBulkLength(bytes, &position, base) {
                    return .violation(violation)
                }
            case .bulkBytes:
                let skipped = min(Int(bytesLeft), bytes.count &- position)
                position &+= skipped
                bytesLeft &-= UInt32(truncatingIfNeeded: skipped)
                if bytesLeft == 0 { phase = .bulkEnd }
            case .bulkEnd:
                switch endBulk(bytes[position]) {
                case .goesOn: position &+= 1
                case .isComplete:
                    position &+= 1
                    return .request
                case .isWrong: return .violation(.expectedLineEnd)
                }
            case .inline:
                guard skipLine(bytes, &position) else { break }
                guard Int(consumed) &+ position &- start <= Self.inlineLengthMax else {
                    return .violation(.tooBigInline)
                }
                phase = .start
                return .inline
            }
        }
        consumed &+= UInt32(truncatingIfNeeded: position &- start)
        if phase == .inline, Int(consumed) > Self.inlineLengthMax {
            return .violation(.tooBigInline)
        }
        return .incomplete
    }

    /// At a `*`. Returns how the request ended, if it did.
    private mutating func beginArray(
        _ bytes: Span<UInt8>, _ position: inout Int
    ) -> Outcome? {
        isPadded = false
        if bytes.count &- position >= 8,
            let header = RESPHeader.short(bytes.loadWord(at: position))
        {
            position &+= header.size
            return begin(header.value)
        }
        position &+= 1
        phase = .argumentCount
        return nil
    }

    private mutating func begin(_ count: Int) -> Outcome? {
        guard count <= Self.argumentCountMax else { return .violation(.argumentCount) }
        guard isAuthenticated || count <= Self.unauthenticatedCountMax else {
            return .violation(.unauthenticatedCount)
        }
        guard count > 0 else {
            phase = .start
            return .empty
        }
        argumentCount = UInt32(truncatingIfNeeded: count)
        argumentsLeft = argumentCount
        first = Argument()
        phase = .bulkMarker
        return nil
    }

    /// The fast path: arguments that are here as a whole and have a short header. Stops before the
    /// first that is not. Returns whether the request is complete.
    private mutating func skipShortBulks(
        _ bytes: Span<UInt8>, _ position: inout Int, _ base: Int
    ) -> Bool {
        while bytes.count &- position >= 8 {
            let word = bytes.loadWord(at: position)
            guard word & 0xFF == UInt64(UInt8(ascii: "$")), let header = RESPHeader.short(word)
            else { return false }
            let body = position &+ header.size
            let end = body &+ header.value
            guard end &+ 2 <= bytes.count else { return false }
            guard bytes[end] == RESPHeader.carriageReturn,
                bytes[end &+ 1] == RESPHeader.lineFeed
            else { return false }
            note(offset: base &+ body, length: header.value)
            position = end &+ 2
            argumentsLeft &-= 1
            if argumentsLeft == 0 {
                phase = .start
                return true
            }
        }
        return false
    }

    /// Within the length of an argument. Returns what is wrong with it.
    private mutating func readBulkLength(
        _ bytes: Span<UInt8>, _ position: inout Int, _ base: Int
    ) -> Violation? {
        let length: Int
        switch line.parse(bytes, at: &position) {
        case .incomplete: return nil
        case .violation: return .bulkLength
        case .value(let value): length = value
        }
        guard length >= 0, length <= Self.byteCountMax else { return .bulkLength }
        guard isAuthenticated || length <= Self.unauthenticatedLengthMax else {
            return .unauthenticatedLength
        }
        guard base &+ position &+ length <= Self.byteCountMax else { return .tooBigRequest }
        if line.wasPadded { isPadded = true }
        beginBulk(offset: base &+ position, length: length)
        return nil
    }

    private mutating func beginBulk(offset: Int, length: Int) {
        note(offset: offset, length: length)
        bytesLeft = UInt32(truncatingIfNeeded: length)
        phase = length > 0 ? .bulkBytes : .bulkEnd
    }

    @inline(__always)
    private mutating func note(offset: Int, length: Int) {
        let index = argumentCount &- argumentsLeft
        guard index < 2 else { return }
        let argument = Argument(
            offset: UInt32(truncatingIfNeeded: offset), length: UInt32(truncatingIfNeeded: length))
        if index == 0 { name = argument } else { first = argument }
    }

    private enum BulkEnd {
        case goesOn, isComplete, isWrong
    }

    private mutating func endBulk(_ byte: UInt8) -> BulkEnd {
        guard hasCarriageReturn else {
            hasCarriageReturn = byte == RESPHeader.carriageReturn
            return hasCarriageReturn ? .goesOn : .isWrong
        }
        guard byte == RESPHeader.lineFeed else { return .isWrong }
        hasCarriageReturn = false
        argumentsLeft &-= 1
        phase = argumentsLeft == 0 ? .start : .bulkMarker
        return argumentsLeft == 0 ? .isComplete : .goesOn
    }

    /// Returns whether the line ended.
    private func skipLine(_ bytes: Span<UInt8>, _ position: inout Int) -> Bool {
        while position < bytes.count {
            position &+= 1
            if bytes[position &- 1] == RESPHeader.lineFeed { return true }
        }
        return false
    }
}
