import Testing

@testable import Proxy

@Suite struct RESPRequestParserTests {
    typealias Violation = RESPRequestParser.Violation

    /// Input with several requests in a row, some of them unfinished or wrong.
    static let messages = [
        "*1\r\n$4\r\nPING\r\n",
        "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        "*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n*1\r\n$4\r\nPING\r\n",
        "*02\r\n$003\r\nGET\r\n$00000000001\r\nk\r\n",
        "*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n",
        "PING\r\n*1\r\n$4\r\nPING\r\n\r\n\nPING\n",
        "*1\r\n$12\r\nabcdefghijkl\r\n*1\r\n$5\r\n*1\r\n$\r\n",
        "*1\r\n$14\r\n$4\r\nabcd\r\n$1\r\n\r\n*1\r\n$4\r\nPI",
        "*4\r\n$4\r\nMSET\r\n$0\r\n\r\n$1\r\n1\r\n$9\r\n\u{0}\r\n$\u{FF}\u{80}*1\r\r\n",
        "*2\r\n$3\r\nGET\r\n$1\r\nkX\r\n",
        "*2\r\n$3\r\nGET\r\n:1\r\n",
        "*1\r\n$4\r\nPING\r\n*9x\r\n",
        "*1\r\n$0\r\n\r\n*2147483647\r\n$1\r\nk\r\n",
    ]

    @Test(arguments: messages)
    func anyCutGivesTheSame(_ message: String) {
        let message = bytes(message)
        let expected = NaiveRequestParser.events(of: message)
        for pieces in Pieces.every(of: message) {
            let found = pieces.requestEvents()
            if found != expected { Issue.record("cuts \(pieces.cuts): \(found)") }
            let sliced = pieces.requestEvents(isSliced: true)
            if sliced != expected { Issue.record("sliced, cuts \(pieces.cuts): \(sliced)") }
        }
    }

    /// A request with each header as long as can be, and arguments longer than a header can say in
    /// the eight bytes that are read at once.
    @Test func longArgumentsAreCutAnywhere() {
        let value = String(repeating: "v", count: 10_000)
        let head = "*3\r\n$3\r\nSET\r\n$6\r\nkey:42\r\n$10000\r\n"
        let message = bytes(head + value + "\r\n")
        let expected = NaiveRequestParser.events(of: message)
        #expect(expected.count == 2)
        let near = head.count + value.count
        for cut in [Array(1..<head.count + 2), Array(near - 2..<message.count)].joined() {
            let found = Pieces(message, cuts: [cut]).requestEvents()
            if found != expected { Issue.record("cut \(cut): \(found)") }
        }
    }

    @Test func saysWhereTheNameAndTheFirstArgumentAre() {
        let message = bytes("*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$1\r\nv\r\n*1\r\n$4\r\nPING\r\n")
        let events = Pieces(message).requestEvents()
        let set = RequestEvent.Kind.request(
            argumentCount: 3, name: .init(offset: 8, length: 3), first: .init(offset: 17, length: 5)
        )
        let ping = RequestEvent.Kind.request(
            argumentCount: 1, name: .init(offset: 8, length: 4), first: .init())
        #expect(
            events == [
                RequestEvent(kind: set, end: 31), RequestEvent(kind: ping, end: 45),
                RequestEvent(kind: .end(isAtStart: true)),
            ])
    }

    // MARK: - What redis accepts and refuses

    /// As redis-server 7.0.15 answers, which forwards nothing of it to anyone; its wording is that
    /// of the violation.
    static let refused: [(message: String, violation: Violation)] = [
        ("*\r\n", .argumentCount), ("*x\r\n", .argumentCount), ("*1x\r\n", .argumentCount),
        ("*+1\r\n", .argumentCount), ("* 1\r\n", .argumentCount), ("*1 \r\n", .argumentCount),
        ("*-\r\n", .argumentCount), ("*--1\r\n", .argumentCount), ("*1-\r\n", .argumentCount),
        ("*-0\r\n", .argumentCount), ("*-00\r\n", .argumentCount),
        ("*1\n$4\r\nPING\r\n", .argumentCount), ("*1\r\r\n", .argumentCount),
        ("*2147483648\r\n", .argumentCount), ("*9223372036854775808\r\n", .argumentCount),
        ("*18446744073709551617\r\n", .argumentCount),
        ("*99999999999999999999999999\r\n", .argumentCount),
        ("*1\r\n$\r\n", .bulkLength), ("*1\r\n$-\r\n", .bulkLength),
        ("*1\r\n$-1\r\n", .bulkLength), ("*1\r\n$-0\r\n\r\n", .bulkLength),
        ("*1\r\n$x\r\n", .bulkLength), ("*1\r\n$4 \r\n", .bulkLength),
        ("*1\r\n$4\nPING\r\n", .bulkLength), ("*1\r\n$4\r\rPING\r\n", .bulkLength),
        ("*1\r\n$18446744073709551620\r\nPING\r\n", .bulkLength),
        ("*1\r\n$4294967300\r\nPING\r\n", .bulkLength),
        ("*1\r\n$99999999999999999999\r\n", .bulkLength),
        ("*2\r\n$4\r\nPING\r\n$-1\r\n", .bulkLength),
        ("*1\r\n4\r\n", .expectedBulk(UInt8(ascii: "4"))),
        ("*1\r\n\r\n", .expectedBulk(UInt8(ascii: "\r"))),
        ("*1\r\n*1\r\n$4\r\nPING\r\n", .expectedBulk(UInt8(ascii: "*"))),
        ("*2\r\n$4\r\nPING\r\n:1\r\n", .expectedBulk(UInt8(ascii: ":"))),
        ("*2\r\n$4\r\nPING\r\n+OK\r\n", .expectedBulk(UInt8(ascii: "+"))),
        ("*1\r\n%1\r\n", .expectedBulk(UInt8(ascii: "%"))),
        ("*1\r\n_\r\n", .expectedBulk(UInt8(ascii: "_"))),
        // Redis takes any two bytes here. Servers behind the proxy are shared, so it does not.
        ("*1\r\n$4\r\nPINGxx", .expectedLineEnd), ("*1\r\n$4\r\nPING\n", .expectedLineEnd),
        ("*1\r\n$4\r\nPING\rx", .expectedLineEnd), ("*1\r\n$3\r\nPING\r\n", .expectedLineEnd),
        ("*1\r\n$0\r\nx\r\n", .expectedLineEnd),
    ]

    @Test(arguments: refused)
    func refuses(_ message: String, as violation: Violation) {
        let before = bytes("*1\r\n$4\r\nPING\r\n")
        for pieces in Pieces.every(of: before + bytes(message)) {
            let events = pieces.requestEvents()
            let isRight =
                events.count == 2 && events[0].end == before.count
                && events[1].kind == .violation(violation)
            if !isRight { Issue.record("cuts \(pieces.cuts): \(events)") }
        }
    }

    /// No request at all, and redis goes on as if nothing had come.
    @Test(arguments: ["*0\r\n", "*-1\r\n", "*-5\r\n", "*00\r\n", "*-999999999999999999\r\n"])
    func anArrayOfNothingIsPassedOver(_ message: String) {
        let events = Pieces(bytes(message + "*1\r\n$4\r\nPING\r\n")).requestEvents()
        #expect(events.map(\.end) == [message.utf8.count, message.utf8.count + 14, 0])
        #expect(events[0].kind == .empty)
    }

    /// Redis refuses leading zeros and closes the connection, on which others wait as well. They
    /// must be known, so that they do not reach it.
    @Test(arguments: [
        ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", false), ("*1\r\n$0\r\n\r\n", false),
        ("*1\r\n$10\r\n0123456789\r\n", false), ("*1\r\n$4\r\n0004\r\n", false),
        ("*02\r\n$3\r\nGET\r\n$1\r\nk\r\n", true), ("*2\r\n$03\r\nGET\r\n$1\r\nk\r\n", true),
        ("*2\r\n$3\r\nGET\r\n$01\r\nk\r\n", true), ("*2\r\n$3\r\nGET\r\n$00\r\n\r\n", true),
        ("*2\r\n$00000000003\r\nGET\r\n$1\r\nk\r\n", true),
    ])
    func noticesLeadingZeros(_ message: String, _ isPadded: Bool) {
        let message = bytes(message)
        for pieces in Pieces.every(of: message) {
            var parser = RESPRequestParser()
            // What was noticed in the request before is forgotten.
            for _ in 0..<2 {
                for piece in pieces.pieces {
                    var position = 0
                    _ = parser.parse(piece.span, from: &position)
                }
                if parser.isPadded != isPadded { Issue.record("cuts \(pieces.cuts)") }
                var position = 0
                _ = parser.parse(bytes("*1\r\n$4\r\nPING\r\n").span, from: &position)
                #expect(!parser.isPadded)
            }
        }
    }

    // MARK: - Limits

    @Test func argumentsUpToTheLimit() {
        let atLimit = Pieces(bytes("*2147483647\r\n")).requestEvents()
        let above = Pieces(bytes("*2147483648\r\n")).requestEvents()
        #expect(atLimit.map(\.kind) == [.end(isAtStart: false)])
        #expect(above.map(\.kind) == [.violation(.argumentCount)])
    }

    /// As redis 7 words it: an argument that is too long is seen in its header.
    @Test(arguments: [
        ("*10\r\n", nil), ("*11\r\n", Violation.unauthenticatedCount),
        ("*2147483647\r\n", .unauthenticatedCount), ("*2147483648\r\n", .argumentCount),
        ("*1\r\n$16384\r\n", nil), ("*1\r\n$16385\r\n", .unauthenticatedLength),
        ("*1\r\n$536870913\r\n", .bulkLength),
    ])
    func clientsThatMustAuthenticateMaySendLittle(_ message: String, _ violation: Violation?) {
        for pieces in Pieces.every(of: bytes(message)) {
            var parser = RESPRequestParser()
            parser.isAuthenticated = false
            var found: Violation?
            for piece in pieces.pieces where found == nil {
                var position = 0
                let outcome = parser.parse(piece.span, from: &position)
                if case .violation(let violation) = outcome { found = violation }
            }
            if found != violation { Issue.record("cuts \(pieces.cuts)") }
        }
    }

    /// Redis before 7.0 took no more than 1,048,576.
    @Test func readsMoreThanAMillionArguments() {
        let count = 1_048_577
        var message = bytes("*\(count)\r\n")
        for _ in 0..<count { message += [0x24, 0x30, 0x0D, 0x0A, 0x0D, 0x0A] }
        var events = Pieces(message).requestEvents()
        #expect(events.first?.end == message.count)
        events = Pieces(message.dropLast(), cuts: [4095, 65_536]).requestEvents()
        #expect(events.map(\.kind) == [.end(isAtStart: false)])
    }

    @Test(arguments: [(0, true), (-1, true), (1, false)])
    func bulkLengthUpToTheLimit(_ above: Int, _ isAllowed: Bool) {
        // The request, not the argument, is what grows over its limit first.
        let head = "*1\r\n$536870912\r\n"
        let length = RESPRequestParser.byteCountMax - head.utf8.count + above
        let events = Pieces(bytes("*1\r\n$\(length)\r\n")).requestEvents()
        #expect(
            events.map(\.kind)
                == [isAllowed ? .end(isAtStart: false) : .violation(.tooBigRequest)])
        let tooLong = Pieces(bytes("*1\r\n$\(RESPRequestParser.byteCountMax + 1)\r\n"))
        #expect(tooLong.requestEvents().map(\.kind) == [.violation(.bulkLength)])
    }

    /// Arguments that are short enough to be skipped in one step count as well.
    @Test(arguments: [(0, true), (1, false)])
    func requestOfShortArgumentsUpToTheLimit(_ above: Int, _ isAllowed: Bool) {
        let argument = bytes("$9999\r\n" + String(repeating: "v", count: 9999) + "\r\n")
        let head = bytes("*100000\r\n")
        let limit = RESPRequestParser.byteCountMax
        var parser = RESPRequestParser()
        var position = 0
        _ = parser.parse(head.span, from: &position)
        var consumed = head.count
        while consumed + 2 * argument.count < limit {
            position = 0
            guard case .incomplete = parser.parse(argument.span, from: &position) else {
                Issue.record("refused after \(consumed) bytes")
                return
            }
            consumed += argument.count
        }
        // Two more, of which the second ends at the limit.
        let left = limit + above - consumed - 16
        let lengths = [left / 2, left - left / 2]
        let last = lengths.flatMap { length in
            bytes("$\(length)\r\n" + String(repeating: "v", count: length) + "\r\n")
        }
        #expect(lengths.allSatisfy { (1000...9999).contains($0) })
        position = 0
        let outcome = parser.parse(last.span, from: &position)
        if case .incomplete = outcome {
            #expect(isAllowed)
        } else if case .violation(.tooBigRequest) = outcome {
            #expect(!isAllowed)
        } else {
            Issue.record("\(outcome)")
        }
    }

    @Test(arguments: [65_534, 65_535, 65_536, 65_537, 100_000])
    func inlineLinesUpToTheLimit(_ length: Int) {
        let line = [UInt8](repeating: UInt8(ascii: "a"), count: length - 1) + [0x0A]
        let isAllowed = length <= RESPRequestParser.inlineLengthMax
        let expected: [RequestEvent.Kind] =
            isAllowed ? [.inline, .end(isAtStart: true)] : [.violation(.tooBigInline)]
        for cuts in [[], [1], [length - 1], [16_384, 32_768, 49_152], [length / 2]] {
            #expect(Pieces(line, cuts: cuts).requestEvents().map(\.kind) == expected)
        }
        let unfinished = Pieces(line.dropLast(), cuts: [16_384]).requestEvents().map(\.kind)
        #expect(
            unfinished == [
                length - 1 <= 65_536 ? .end(isAtStart: false) : .violation(.tooBigInline)
            ]
        )
    }
}
