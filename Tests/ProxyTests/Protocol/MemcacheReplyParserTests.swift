import Testing

@testable import Proxy

@Suite struct MemcacheReplyParserTests {
    /// Input with several replies in a row, some of them unfinished or wrong.
    static let messages = [
        "STORED\r\nNOT_STORED\r\nEXISTS\r\n", "NOT_FOUND\r\nDELETED \r\nTOUCHED\r\nEND\r\n",
        "12\r\n0 \r\n18446744073709551615\r\n", "VALUE k 0 3\r\nabc\r\nEND\r\nEND\r\n",
        "VALUE k 1 0\r\n\r\nVALUE l 2 4 99\r\n\r\n\r\n\r\nEND\r\nOK\r\n",
        "VALUE k 1 3\r\nabc\r\nSERVER_ERROR x\r\nERROR\r\n",
        "VERSION 1.6.18\r\nCLIENT_ERROR a b\r\n",
        "HD\r\nVA 2 t1 f0\r\nab\r\nVA 0\r\n\r\nEN\r\nNF k1 O2\r\nNS\r\nEX\r\nMN\r\nME k exp=1\r\n",
        "STAT pid 1\r\nSTAT version 1.6.18\r\nEND\r\nMN\r\n", "STAT a 1\r\nERROR\r\n",
        "VALUE k 0 3\r\nabcd\r\n", "VALUE k 0\r\n", "VA x\r\n", "END \r\n", "ok\r\n",
        "VALUE k 0 5\r\nab",
        "HD", "VAL", "\r\n", "",
    ]

    /// To whatever was asked.
    static let all = MemcacheReplyWords(rawValue: .max)

    static let some = [all] + (1...17).map { MemcacheReplyWords(expectedKind: $0) }

    @Test(arguments: messages, [all, .init(.value), .init(.statistics), .init(.metaGet)])
    func anyCutGivesTheSame(_ message: String, words: MemcacheReplyWords) {
        let message = bytes(message)
        let expected = Pieces(message).replyEvents(expecting: words)
        for pieces in Pieces.every(of: message) {
            let found = pieces.replyEvents(expecting: words)
            if found != expected { Issue.record("cuts \(pieces.cuts): \(found), not \(expected)") }
        }
    }

    /// The values one by one, and the line behind them for itself.
    @Test(arguments: [
        ("END\r\n", [], "c"), ("VALUE k 0 3\r\nabc\r\nEND\r\n", [1], "c"),
        ("VALUE kkk 0 0\r\n\r\nVALUE l\t\r\u{7F}m 0 5 9\r\nEND\r\n\r\nEND\r\n", [3, 5], "c"),
        ("VALUE k 0 1\r\nx\r\nSERVER_ERROR x\r\n", [1], "-"), ("ERROR\r\n", [], "-"),
    ])
    func repliesAreReadValueByValue(_ message: String, _ keyCounts: [Int], _ kind: String) {
        let message = bytes(message)
        for pieces in Pieces.every(of: message) {
            let events = pieces.replyEvents(expecting: Self.all)
            let found = events.compactMap { if case .header(let count) = $0 { count } else { nil } }
            #expect(found == keyCounts)
            let reply = ReplyEvent.reply(kind: kind.utf8.first!, end: message.count)
            #expect(events.dropFirst(2 * keyCounts.count) == [reply, .end(isAtStart: true)])
        }
    }

    /// The data of a value is told from lines by its length alone, which is 30 times 5.
    @Test func valuesThatLookLikeProtocolAreData() {
        let forged = String(repeating: "VALUE victim 0 5\r\nEVIL!\r\nEND\r\n", count: 5)
        let message = bytes("VALUE k 0 150\r\n\(forged)\r\nEND\r\n")
        for pieces in Pieces.every(of: message, pairsUpTo: 200) {
            let events = pieces.replyEvents(expecting: MemcacheReplyWords(.value))
            #expect(
                events == [
                    .header(keyCount: 1), .value(end: message.count - 5),
                    .reply(kind: ReplyKind.other, end: message.count), .end(isAtStart: true),
                ])
        }
    }

    @Test(arguments: [
        ("STORED\r\n", "c"), ("NOT_STORED\r\n", "c"), ("EXISTS\r\n", "c"), ("NOT_FOUND\r\n", "c"),
        ("DELETED  \r\n", "c"), ("TOUCHED\r\n", "c"), ("END\r\n", "c"), ("5\r\n", "c"),
        ("5  \r\n", "c"), ("VERSION 1.2 x\r\n", "c"), ("VERSION\r\n", "c"),
        ("ERROR\r\n", "-"), ("ERROR x\r\n", "-"), ("CLIENT_ERROR\r\n", "-"),
        ("CLIENT_ERROR bad\r\n", "-"), ("SERVER_ERROR out of memory\r\n", "-"), ("OK\r\n", "c"),
        ("STAT a b c\r\nSTAT d \r\nEND\r\n", "c"), ("HD\r\n", "c"), ("HD k O1\r\n", "c"),
        ("OK k O1\r\n", "c"), ("EN\r\n", "c"), ("NF\r\n", "c"), ("NS\r\n", "c"), ("EX\r\n", "c"),
        ("VA 3 f1\r\n\r\n\r\r\n", "c"), ("ME k a=b\r\n", "c"), ("MN\r\n", "n"),
    ])
    func isOneReply(_ message: String, _ kind: String) {
        let message = bytes(message)
        let reply = ReplyEvent.reply(kind: kind.utf8.first!, end: message.count)
        for pieces in Pieces.every(of: message) {
            let events = pieces.replyEvents(expecting: Self.all)
            #expect(events == [reply, .end(isAtStart: true)])
        }
    }

    @Test(arguments: [
        "\r\n", " STORED\r\n", "stored\r\n", "STORED x\r\n", "STOREDX\r\n", "STORED\n", "END \r\n",
        "END\r\r\n", "5x\r\n", "-5\r\n", "MN x\r\n", "HDX\r\n", "RESET\r\n",
        "CLIENT_ERRORS x\r\n", "NOT_FOUNDABCDEFGHIJ\r\n", "VALUE\r\n", "VALUE k\r\n",
        "VALUE k 0 \r\n",
        "VALUE k 0 x\r\n", "VALUE k 0 1x\r\n", "VALUE k 0 -1\r\n",
        "VALUE k 0 99999999999999999999\r\n",
        "VALUE k 0 1\r\nxy\r\n", "VALUE k 0 1\r\nx\n", "VALUE k 0 1\n", "VA\r\n", "VA -1\r\n",
        "\u{0}", "\u{81}\u{0}\u{0}\u{0}\r\n",
    ])
    func isNoReply(_ message: String) {
        for pieces in Pieces.every(of: bytes(message)) {
            let events = pieces.replyEvents(expecting: Self.all)
            if events.last != .violation || events.contains(where: \.isReply) {
                Issue.record("cuts \(pieces.cuts): \(events)")
            }
        }
    }

    @Test(arguments: [3, 4] as [UInt64])
    func randomInputIsReadTheSameWhateverTheCut(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let parts = [
            "VALUE k 0 3\r\nabc\r\n", "VALUE", " k", " 0", " 3", "\r\n", "\r", "\n", "END\r\n",
            "END\r\n",
            "STORED\r\n", "STAT a 1\r\n", "VA 2 f\r\n", "ab\r\n", "HD\r\n", "MN\r\n", "17\r\n",
            "OK\r\n",
            "SERVER_ERROR", " x", "ERROR\r\n", "\u{0}",
        ]
        for _ in 0..<25_000 {
            let input = (0..<Int.random(in: 1...10, using: &random)).flatMap { _ in
                bytes(parts.randomElement(using: &random)!)
            }
            let words = Self.some.randomElement(using: &random)!
            let expected = Pieces(input).replyEvents(expecting: words)
            for pieces in [Pieces.random(of: input, using: &random), Pieces.single(input)]
            where pieces.replyEvents(expecting: words) != expected {
                Issue.record("\(text(input)), cuts \(pieces.cuts), not \(expected)")
                return
            }
        }
    }
}

extension ReplyEvent {
    fileprivate var isReply: Bool {
        switch self {
        case .reply, .end: true
        default: false
        }
    }
}
