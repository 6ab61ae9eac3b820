@testable import Proxy

/// What a request parser said at one point, with the places counted from the start of the input.
struct RequestEvent: Equatable {
    enum Kind: Equatable {
        case request(
            argumentCount: Int, name: RESPRequestParser.Argument, first: RESPRequestParser.Argument)
        case inline, empty
        case violation(RESPRequestParser.Violation)
        /// The input is used up.
        case end(isAtStart: Bool)
    }

    var kind: Kind
    /// Where the request ended; 0 when none did.
    var end = 0
}

extension Pieces {
    /// What the parser makes of all requests, up to the first violation.
    ///
    /// - Parameter isSliced: Whether each request starts a span of its own, or anywhere in one.
    func requestEvents(isSliced: Bool = false) -> [RequestEvent] {
        var parser = RESPRequestParser()
        var events: [RequestEvent] = []
        var start = 0
        for piece in pieces {
            var position = 0
            while position < piece.count {
                let before = position
                let outcome: RESPRequestParser.Outcome
                if isSliced {
                    var offset = 0
                    outcome = parser.parse(
                        piece.span.extracting(position..<piece.count), from: &offset)
                    position += offset
                } else {
                    outcome = parser.parse(piece.span, from: &position)
                }
                guard let kind = parser.kind(of: outcome) else {
                    precondition(position == piece.count, "incomplete, and bytes are left")
                    continue
                }
                if case .violation = kind { return events + [RequestEvent(kind: kind)] }
                precondition(position > before, "no byte was used up")
                events.append(RequestEvent(kind: kind, end: start + position))
            }
            start += piece.count
        }
        return events + [RequestEvent(kind: .end(isAtStart: parser.isAtStart))]
    }
}

extension RESPRequestParser {
    fileprivate func kind(of outcome: Outcome) -> RequestEvent.Kind? {
        switch outcome {
        case .incomplete: nil
        case .request:
            .request(argumentCount: Int(argumentCount), name: name, first: first)
        case .inline: .inline
        case .empty: .empty
        case .violation(let violation): .violation(violation)
        }
    }
}

/// The grammar once more, in the plainest way: all the bytes at once, nothing to resume.
struct NaiveRequestParser {
    let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    static func events(of bytes: [UInt8]) -> [RequestEvent] {
        var parser = NaiveRequestParser(bytes)
        var events: [RequestEvent] = []
        while parser.position < bytes.count {
            guard let kind = parser.next() else {
                return events + [RequestEvent(kind: .end(isAtStart: false))]
            }
            if case .violation = kind { return events + [RequestEvent(kind: kind)] }
            events.append(RequestEvent(kind: kind, end: parser.position))
        }
        return events + [RequestEvent(kind: .end(isAtStart: true))]
    }

    private mutating func next() -> RequestEvent.Kind? {
        guard bytes[position] == UInt8(ascii: "*") else { return line() }
        let start = position
        position += 1
        let count: Int
        switch number() {
        case .incomplete: return nil
        case .value(let value) where value <= 2_147_483_647: count = value
        case .value, .wrong: return .violation(.argumentCount)
        }
        guard count > 0 else { return .empty }
        var arguments: [RESPRequestParser.Argument] = []
        for index in 0..<count {
            guard position < bytes.count else { return nil }
            guard bytes[position] == UInt8(ascii: "$") else {
                return .violation(.expectedBulk(bytes[position]))
            }
            position += 1
            let length: Int
            switch number() {
            case .incomplete: return nil
            case .value(let value) where (0...536_870_912).contains(value): length = value
            case .value, .wrong: return .violation(.bulkLength)
            }
            let offset = position - start
            guard offset + length <= 536_870_912 else { return .violation(.tooBigRequest) }
            if index < 2 {
                arguments.append(.init(offset: UInt32(offset), length: UInt32(length)))
            }
            position += length
            for expected in "\r\n".utf8 {
                guard position < bytes.count else { return nil }
                guard bytes[position] == expected else { return .violation(.expectedLineEnd) }
                position += 1
            }
        }
        return .request(
            argumentCount: count, name: arguments[0],
            first: count > 1 ? arguments[1] : .init())
    }

    private mutating func line() -> RequestEvent.Kind? {
        let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n"))
        guard (end.map { $0 + 1 } ?? bytes.count) - position <= 65_536 else {
            return .violation(.tooBigInline)
        }
        guard let end else { return nil }
        position = end + 1
        return .inline
    }

    enum Number: Equatable {
        case incomplete, wrong, value(Int)
    }

    private mutating func number() -> Number {
        Self.number(in: bytes, &position)
    }

    /// A length: a minus sign or none, 1 to 18 digits, CR LF. Minus zero is none to redis either.
    static func number(in bytes: [UInt8], _ position: inout Int) -> Number {
        let start = position
        while position < bytes.count {
            let digits = bytes[start..<position].drop { $0 == UInt8(ascii: "-") }
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                guard digits.count < 18 else { return .wrong }
            case UInt8(ascii: "-"):
                guard position == start + 1 else { return .wrong }
            case UInt8(ascii: "\r"):
                guard position < bytes.count else { return .incomplete }
                position += 1
                let text = String(decoding: bytes[start..<position - 2], as: UTF8.self)
                guard bytes[position - 1] == UInt8(ascii: "\n"), let value = Int(text),
                    value != 0 || !text.hasPrefix("-")
                else { return .wrong }
                return .value(value)
            default: return .wrong
            }
        }
        return .incomplete
    }
}
