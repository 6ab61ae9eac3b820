@testable import Proxy

/// What a reply parser said at one point, with the places counted from the start of the input.
enum ReplyEvent: Equatable {
    case reply(kind: UInt8, end: Int)
    /// Before one of the values of a reply, and its end.
    case header(keyCount: Int)
    case value(end: Int)
    case violation
    /// The input is used up.
    case end(isAtStart: Bool)
}

extension Pieces {
    /// What the parser of redis makes of all replies, up to the first violation.
    func replyEvents(expecting expectedKind: UInt8 = ReplyKind.any) -> [ReplyEvent] {
        var parser = RESPReplyParser()
        return events { piece, position in
            let outcome = parser.parse(piece.span, from: &position, expecting: expectedKind)
            return (outcome, parser.kind, 0, parser.isAtStart)
        }
    }

    /// The same of memcached's. A cut may be in a header, or not: so the values are listed.
    func replyEvents(expecting words: MemcacheReplyWords) -> [ReplyEvent] {
        var parser = MemcacheReplyParser()
        return events { piece, position in
            let outcome = parser.parse(piece.span, from: &position, expecting: words)
            return (outcome, parser.kind, parser.keyOfValue.count, parser.isAtStart)
        }
    }

    private func events(
        _ parse: ([UInt8], inout Int) -> (ReplyOutcome, UInt8, Int, Bool)
    ) -> [ReplyEvent] {
        var events: [ReplyEvent] = []
        var start = 0
        var isAtStart = true
        for piece in pieces {
            var position = 0
            while position < piece.count {
                let before = position
                let (outcome, kind, keyCount, isNext) = parse(piece, &position)
                isAtStart = isNext
                precondition(position > before || outcome == .violation, "no byte was used up")
                switch outcome {
                case .incomplete, .cutLine:
                    precondition(position == piece.count, "incomplete, and bytes are left")
                case .violation:
                    return events + [.violation]
                case .reply, .end:
                    events.append(.reply(kind: kind, end: start + position))
                case .header:
                    events.append(.header(keyCount: keyCount))
                case .value:
                    events.append(.value(end: start + position))
                case .wholeValue:
                    events += [.header(keyCount: keyCount), .value(end: start + position)]
                }
            }
            start += piece.count
        }
        return events + [.end(isAtStart: isAtStart)]
    }
}

/// The grammar of replies once more: all the bytes at once, and an array calls itself.
struct NaiveReplyParser {
    let bytes: [UInt8]
    private var position = 0

    private enum Outcome {
        case incomplete, wrong, complete
    }

    static func events(of bytes: [UInt8]) -> [ReplyEvent] {
        var parser = NaiveReplyParser(bytes: bytes)
        var events: [ReplyEvent] = []
        while parser.position < bytes.count {
            let kind = bytes[parser.position]
            switch parser.next() {
            case .incomplete: return events + [.end(isAtStart: false)]
            case .wrong: return events + [.violation]
            case .complete: events.append(.reply(kind: kind, end: parser.position))
            }
        }
        return events + [.end(isAtStart: true)]
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private mutating func next() -> Outcome {
        guard position < bytes.count else { return .incomplete }
        position += 1
        switch bytes[position - 1] {
        case UInt8(ascii: "+"), UInt8(ascii: "-"): return text()
        case UInt8(ascii: ":"): return integer()
        case UInt8(ascii: "$"): return bulk()
        case UInt8(ascii: "*"): return array()
        default: return .wrong
        }
    }

    private mutating func text() -> Outcome {
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\r")) else {
            return .incomplete
        }
        position = end
        return lineEnd()
    }

    private mutating func integer() -> Outcome {
        if position < bytes.count, bytes[position] == UInt8(ascii: "-") { position += 1 }
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
        return lineEnd()
    }

    private mutating func bulk() -> Outcome {
        switch NaiveRequestParser.number(in: bytes, &position) {
        case .incomplete: return .incomplete
        case .value(-1): return .complete
        case .value(let length) where (0...RESPReplyParser.lengthMax).contains(length):
            position += length
            return lineEnd()
        case .value, .wrong: return .wrong
        }
    }

    private mutating func array() -> Outcome {
        switch NaiveRequestParser.number(in: bytes, &position) {
        case .incomplete: return .incomplete
        case .value(let count) where (-1...RESPReplyParser.lengthMax).contains(count):
            var left = count
            while left > 0 {
                let outcome = next()
                guard outcome == .complete else { return outcome }
                left -= 1
            }
            return .complete
        case .value, .wrong: return .wrong
        }
    }

    private mutating func lineEnd() -> Outcome {
        for expected in "\r\n".utf8 {
            guard position < bytes.count else { return .incomplete }
            guard bytes[position] == expected else { return .wrong }
            position += 1
        }
        return .complete
    }
}
