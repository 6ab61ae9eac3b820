import Testing

@testable import Proxy

/// What of a line a server gets.
@Suite struct MemcacheLineTests {
    private static func request(_ line: String) -> (MemcacheRequest, [UInt8]) {
        let line = bytes(line)
        let hasNull = line.contains(0)
        return (MemcacheRequest(line: line.span, hasNull: hasNull), line)
    }

    private static func kept(_ line: String) -> String {
        let (request, bytes) = request(line)
        return String(decoding: bytes[request.kept.range], as: UTF8.self)
    }

    @Test(arguments: [
        ("get a\r\n", true), ("get a b \r\n", true), ("set a 0 0 1\r\n", true),
        ("get a\n", false), (" get a\r\n", false), ("delete a noreply\r\n", true),
        ("delete a 0 noreply\r\n", false), ("touch a 0 noreply\r\n", false),
        ("touch a 0\r\n", true), ("get a\r\r\n", true), ("get a\r\n\n", false),
    ])
    func isRegular(_ line: String, _ isRegular: Bool) {
        #expect(Self.request(line).0.isRegular == isRegular)
    }

    @Test(arguments: [
        ("get a\n", "get a"), ("  get  a  \r\n", "get  a  "), ("get a\r\r\n", "get a\r"),
        ("delete a 0 noreply\r\n", "delete a"), ("delete a 0\r\n", "delete a 0"),
        (" touch  a  5  noreply \n", "touch  a  5"), ("touch a 5 x\r\n", "touch a 5 x"),
        ("set a 0 0 1 noreply\n", "set a 0 0 1 noreply"), ("incr a noreply\n", "incr a noreply"),
    ])
    func keeps(_ line: String, _ kept: String) {
        #expect(Self.kept(line) == kept)
    }

    @Test(arguments: [
        ("get a\r\n", true), ("get a \r\n", false), ("get a\n", false), (" get a\r\n", false),
        ("get a b\r\n", false), ("get  a\r\n", false), ("gets a\r\n", false), ("get a \n", false),
        ("get a\r\r\n", true),
    ])
    func isPlainGet(_ line: String, _ isPlain: Bool) {
        #expect(Self.request(line).0.isPlainGet == isPlain)
    }

    /// What a server gets is read by it as it was meant: regular, and the same.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func whatIsKeptReadsTheSame(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let words = [
            "get", "gets", "gat", "set", "cas", "ms", "mg", "md", "ma", "me", "incr", "touch",
            "delete", "flush_all", "verbosity", "version", " ", " ", " ", " ", " ", "a", "b\r",
            "\r", "0", "1", "3", "-1", "+1", "noreply", "q", "k", "\t", "\u{1}", "\u{E9}",
            "0 noreply",
        ]
        var goodCount = 0
        for _ in 0..<50_000 {
            var line: [UInt8] = []
            for _ in 0..<Int.random(in: 1...14, using: &random) {
                line += bytes(words.randomElement(using: &random)!)
            }
            line += bytes(Bool.random(using: &random) ? "\r\n" : "\n")
            let request = MemcacheRequest(line: line.span, hasNull: false)
            guard request.problem == .none else { continue }
            goodCount += 1
            let kept = Array(line[request.kept.range]) + bytes("\r\n")
            let again = MemcacheRequest(line: kept.span, hasNull: false)
            let regular = request.regular
            let isSame =
                again.isRegular && again.problem == .none && again.verb == request.verb
                && again.key == regular.key && again.name == regular.name
                && again.dataCount == request.dataCount && again.isQuiet == request.isQuiet
                && again.lineCount == regular.lineCount && again.kept == regular.kept
                && again.isNoreply == (request.isNoreply && !request.dropsReply)
                && Array(kept[again.key.range]) == Array(line[request.key.range])
            if !isSame {
                Issue.record("\(text(line)) was kept as \(text(kept))")
                return
            }
        }
        #expect(goodCount > 1000)
    }
}

@Suite struct MemcacheNumberTests {
    private static func number(_ text: String) -> MemcacheNumber? {
        let line = bytes("x \(text) y")
        return MemcacheNumber(
            line.span, Extent(offset: 2, length: UInt32(text.utf8.count)))
    }

    @Test(arguments: ["", "x", "-", "+", "1x", "0x1", "--1", "\t", "1-", "18446744073709551616"])
    func isNone(_ text: String) {
        #expect(Self.number(text) == nil)
    }

    @Test(
        arguments: [
            ("0", 0, false), ("18446744073709551615", .max, false), ("-1", 1, true),
            ("+7", 7, false),
            ("0000000000000000000000000000000012", 12, false), ("-0", 0, true),
            ("\t\r-3\u{B}x", 3, true),
            ("123456789012345678", 123_456_789_012_345_678, false),
        ] as [(String, UInt64, Bool)])
    func hasValue(_ text: String, _ magnitude: UInt64, _ isNegative: Bool) {
        let number = Self.number(text)
        #expect(number?.magnitude == magnitude && number?.isNegative == isNegative)
    }

    @Test(
        arguments: [
            ("0", 0, true), ("2147483645", 2_147_483_645, true), ("2147483646", nil, true),
            ("-0", 0, true), ("-1", nil, true), ("+1", 1, false), ("0000000001", 1, true),
            ("00000000001", 1, false), ("1\t", 1, false), ("\t1", 1, false),
            ("4294967297", nil, true),
        ] as [(String, Int32?, Bool)])
    func isALength(_ text: String, _ length: Int32?, _ isPlain: Bool) {
        let number = Self.number(text)
        #expect(number?.length == length && number?.isPlainLength == isPlain)
    }

    @Test(arguments: [
        ("9223372036854775807", true, true), ("9223372036854775808", false, true),
        ("-9223372036854775808", true, false), ("-9223372036854775809", false, true),
        ("-1", true, false), ("-0", true, true), ("-18446744073709551615", false, true),
    ])
    func fits(_ text: String, _ isSigned: Bool, _ isUnsigned: Bool) {
        let number = Self.number(text)
        #expect(number?.isSigned == isSigned && number?.isUnsigned == isUnsigned)
        #expect(number?.isPlainUnsigned == (isUnsigned && (text == "-0" || !text.hasPrefix("-"))))
    }
}
