import Config

@testable import Proxy

/// What a reply parser said at one point, with the places counted from the start of the input.
enum ReplyEvent: Equatable {
    case reply(kind: UInt8, end: Int)
    /// One of the values of a reply.
    case value(end: Int)
    case violation
    /// The input is used up.
    case end(isAtStart: Bool)
}

extension Pieces {
    /// What the parser makes of all replies, up to the first violation.
    func replyEvents(
        _ protocolKind: ProtocolKind = .redis, stopsAtValues: Bool = false
    ) -> [ReplyEvent] {
        var parser = ReplyParser(protocolKind)
        var events: [ReplyEvent] = []
        var start = 0
        for piece in pieces {
            var position = 0
            while position < piece.count {
                let before = position
                let outcome = parser.parse(
                    piece.span, from: &position, stopsAtValues: stopsAtValues)
                precondition(position > before || outcome == .violation, "no byte was used up")
                switch outcome {
                case .incomplete:
                    precondition(position == piece.count, "incomplete, and bytes are left")
                case .violation:
                    return events + [.violation]
                case .reply:
                    events.append(.reply(kind: parser.kind, end: start + position))
                case .value:
                    events.append(.value(end: start + position))
                }
            }
            start += piece.count
        }
        return events + [.end(isAtStart: parser.isAtStart)]
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
