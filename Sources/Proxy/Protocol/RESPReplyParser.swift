/// Finds the end of a redis reply, across as many slices as it takes to arrive.
///
///     + text CR LF     - text CR LF     : number CR LF
///     $ length CR LF bytes CR LF        $-1 CR LF
///     * count CR LF, then so many replies, which may be arrays themselves
///
/// An array needs no stack: it is enough to count the elements still to come.
struct RESPReplyParser: BitwiseCopyable {
    typealias Outcome = ReplyOutcome

    /// Far more than redis sends; small enough that no sum overflows.
    static let lengthMax = 1 << 40

    private enum Phase: UInt8 {
        case marker, text, textEnd, integer, bulkLength, bulkBytes, bulkEnd, arrayCount
    }

    private var phase = Phase.marker
    private var hasCarriageReturn = false
    /// The marker of the reply itself, not of an element.
    private(set) var kind: UInt8 = 0
    private var line = RESPNumberLine()
    private var bytesLeft = 0
    /// Elements whose end is still to come, the reply itself included; 0 between replies.
    private var elementsLeft = 0

    /// Whether the next byte starts a new reply.
    var isAtStart: Bool { elementsLeft == 0 }

    /// Consumes bytes up to the end of one reply.
    ///
    /// - Parameters:
    ///   - position: Where to start, and afterwards where the reply ended, or the count.
    ///   - expectedKind: The marker of a reply that is no error; any if it is not known.
    mutating func parse(
        _ bytes: Span<UInt8>, from position: inout Int,
        expecting expectedKind: UInt8 = ReplyKind.any
    ) -> Outcome {
        while position < bytes.count {
            let outcome: Step
            switch phase {
            case .marker:
                outcome = begin(bytes, &position, expectedKind)
            case .text:
                outcome = skipText(bytes, &position)
            case .textEnd:
                let isEnd = bytes[position] == RESPHeader.lineFeed
                position &+= 1
                outcome = isEnd ? .element : .violation
            case .integer:
                outcome = number(bytes, &position, isLength: false)
            case .bulkLength, .arrayCount:
                outcome = number(bytes, &position, isLength: true)
            case .bulkBytes:
                let skipped = min(bytesLeft, bytes.count &- position)
                position &+= skipped
                bytesLeft &-= skipped
                if bytesLeft == 0 { phase = .bulkEnd }
                outcome = .goesOn
            case .bulkEnd:
                outcome = endBulk(bytes[position])
                position &+= 1
            }
            switch outcome {
            case .goesOn: continue
            case .violation: return .violation
            case .element:
                phase = .marker
                elementsLeft &-= 1
                if elementsLeft == 0 { return .reply }
            }
        }
        return .incomplete
    }

    private enum Step {
        case goesOn, element, violation
    }

    private mutating func begin(
        _ bytes: Span<UInt8>, _ position: inout Int, _ expectedKind: UInt8
    ) -> Step {
        let marker = bytes[position]
        if elementsLeft == 0 {
            guard
                expectedKind == ReplyKind.any || marker == expectedKind
                    || marker == ReplyKind.error
            else { return .violation }
            kind = marker
            elementsLeft = 1
        }
        if marker == UInt8(ascii: "$"), bytes.count &- position >= 8,
            let header = RESPHeader.short(bytes.loadWord(at: position))
        {
            let end = position &+ header.size &+ header.value
            guard end &+ 2 <= bytes.count else {
                position &+= header.size
                return begin(bulk: header.value)
            }
            position = end &+ 2
            let isEnd =
                bytes[end] == RESPHeader.carriageReturn && bytes[end &+ 1] == RESPHeader.lineFeed
            return isEnd ? .element : .violation
        }
        position &+= 1
        switch marker {
        case UInt8(ascii: "$"): phase = .bulkLength
        case UInt8(ascii: "+"), UInt8(ascii: "-"): phase = .text
        case UInt8(ascii: ":"): phase = .integer
        case UInt8(ascii: "*"): phase = .arrayCount
        default: return .violation
        }
        return .goesOn
    }

    private mutating func begin(bulk length: Int) -> Step {
        bytesLeft = length
        phase = length > 0 ? .bulkBytes : .bulkEnd
        return .goesOn
    }

    private mutating func skipText(_ bytes: Span<UInt8>, _ position: inout Int) -> Step {
        while position < bytes.count {
            position &+= 1
            if bytes[position &- 1] == RESPHeader.carriageReturn {
                phase = .textEnd
                return .goesOn
            }
        }
        return .goesOn
    }

    /// The rest of an integer, or of the header of a bulk or an array.
    private mutating func number(
        _ bytes: Span<UInt8>, _ position: inout Int, isLength: Bool
    ) -> Step {
        let value: Int
        switch line.parse(bytes, at: &position, isLength: isLength) {
        case .incomplete: return .goesOn
        case .violation: return .violation
        case .value(let parsed): value = parsed
        }
        if phase == .integer { return .element }
        guard value >= -1, value <= Self.lengthMax else { return .violation }
        if phase == .bulkLength { return value < 0 ? .element : begin(bulk: value) }
        // The array itself ends with its last element, or at once if it has none.
        if value <= 0 { return .element }
        elementsLeft &+= value &- 1
        guard elementsLeft <= Self.lengthMax else { return .violation }
        phase = .marker
        return .goesOn
    }

    private mutating func endBulk(_ byte: UInt8) -> Step {
        guard hasCarriageReturn else {
            hasCarriageReturn = byte == RESPHeader.carriageReturn
            return hasCarriageReturn ? .goesOn : .violation
        }
        hasCarriageReturn = false
        return byte == RESPHeader.lineFeed ? .element : .violation
    }
}
