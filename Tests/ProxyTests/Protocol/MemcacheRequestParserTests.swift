import Testing

@testable import Proxy

@Suite struct MemcacheRequestParserTests {
    static let key250 = String(repeating: "k", count: 250)
    static let key251 = String(repeating: "k", count: 251)

    /// Input with several requests in a row, some of them unfinished or wrong.
    static let messages = [
        "get a\r\n", "get a b c\r\nset k 0 0 1\r\nx\r\nversion\r\n", " get  a \r\n\r\n \r\nfoo\r\n",
        "set a 1 -1 0\r\n\r\nget a\r\n", "set a 0 0 4\r\n\r\n\r\n\r\nmn\r\n",
        "cas a 0 0 2 7 noreply\r\nab\r\ndelete a noreply\r\n", "set a 0 0 1\r\n123\r\nget b\r\n",
        "ms k 3 q b\r\nabc\r\nmg k v q\r\nmn\r\n", "set a\tb 0 0 5\r\nabcde\r\nget c\r\n",
        "get a\nb\r\nget a\rb\r\nget c\n", "get a\0b\nset \0 0 0 1\r\nx\r\nget \0\r\n",
        "set a\rb 0 0 1\r\nx\r\n\r\r\n\n\r\n", "quit\r\nget",
        "set k 0 0 10\r\n123", "gat 10 a b\r\nincr n 1 noreply\r\nflush_all 0 noreply\r\n",
        "GET / HTTP/1.1\r\nget a\r\n", "\u{80}\u{1}", "mn\r\n\u{80}", "\r", "\n", "",
    ]

    @Test(arguments: messages)
    func anyCutGivesTheSame(_ message: String) {
        let message = bytes(message)
        let expected = Pieces(message).memcacheRequestEvents()
        for pieces in Pieces.every(of: message) {
            let found = pieces.memcacheRequestEvents()
            if found != expected { Issue.record("cuts \(pieces.cuts): \(found), not \(expected)") }
        }
    }

    private static func request(_ message: String) -> MemcacheSummary? {
        let events = Pieces(bytes(message)).memcacheRequestEvents()
        guard case .request(let summary, _) = events.first else { return nil }
        return summary
    }

    @Test(arguments: [
        ("get a", MemcacheSummary(.get, "a")), ("  gets  a  ", MemcacheSummary(.gets, "a")),
        ("get a b", MemcacheSummary(.get, "a", flags: "m")),
        ("get a noreply", MemcacheSummary(.get, "a", flags: "m")),
        ("gat 0 a", MemcacheSummary(.gat, "a")),
        ("gats -1 a b", MemcacheSummary(.gats, "a", flags: "m")),
        ("get " + key250, MemcacheSummary(.get, key250)),
        ("incr n 1", MemcacheSummary(.incr, "n")),
        ("decr n 1 noreply ", MemcacheSummary(.decr, "n", flags: "n")),
        ("incr n x", MemcacheSummary(.incr, "n")), ("incr n 1 foo", MemcacheSummary(.incr, "n")),
        ("touch k -1", MemcacheSummary(.touch, "k")), ("delete k", MemcacheSummary(.delete, "k")),
        ("delete k 0 noreply", MemcacheSummary(.delete, "k", flags: "nd")),
        ("delete k noreply", MemcacheSummary(.delete, "k", flags: "n")),
        ("touch k 5 noreply", MemcacheSummary(.touch, "k", flags: "nd")),
        ("get \u{1}\t\u{7F}\r", MemcacheSummary(.get, "\u{1}\t\u{7F}\r")),
        ("incr a\rb 1", MemcacheSummary(.incr, "a\rb")),
        ("flush_all", MemcacheSummary(.flushAll)), ("flush_all 10", MemcacheSummary(.flushAll)),
        ("flush_all noreply", MemcacheSummary(.flushAll, flags: "n")),
        ("verbosity 1", MemcacheSummary(.verbosity)), ("version x", MemcacheSummary(.version)),
        ("quit", MemcacheSummary(.quit)), ("stats items", MemcacheSummary(.stats)),
        ("mn", MemcacheSummary(.metaNoop)), ("mg k", MemcacheSummary(.metaGet, "k")),
        ("mg k v q k O1", MemcacheSummary(.metaGet, "k", flags: "q")),
        ("md a2V5 b q", MemcacheSummary(.metaDelete, "a2V5", flags: "qb")),
        ("ma k J5 N0", MemcacheSummary(.metaArithmetic, "k")),
        ("me k q", MemcacheSummary(.metaDebug, "k")),
    ])
    func isARequest(_ line: String, _ summary: MemcacheSummary) {
        // `hasMoreKeys` is about the commands that have several.
        var found = Self.request(line + "\r\n")
        if ![.get, .gets, .gat, .gats].contains(summary.verb) {
            found?.flags.removeAll { $0 == "m" }
        }
        #expect(found == summary)
    }

    @Test(arguments: [
        ("set k 0 0 1\r\nx\r\n", MemcacheSummary(.set, "k", data: 1)),
        (" add  k 1 2 0 \r\n\r\n", MemcacheSummary(.add, "k", data: 0)),
        ("replace k 4294967296 -1 1\r\nx\r\n", MemcacheSummary(.replace, "k", data: 1)),
        ("append k +1 +1 01 foo\r\nx\r\n", MemcacheSummary(.append, "k", data: 1)),
        ("prepend k 0 0 1 noreply\r\nx\r\n", MemcacheSummary(.prepend, "k", data: 1, flags: "n")),
        ("cas k 0 0 1 18446744073709551615\r\nx\r\n", MemcacheSummary(.cas, "k", data: 1)),
        ("ms k 2 T0 q\r\nab\r\n", MemcacheSummary(.metaSet, "k", data: 2, flags: "q")),
    ])
    func hasData(_ message: String, _ summary: MemcacheSummary) {
        let events = Pieces(bytes(message)).memcacheRequestEvents()
        #expect(events.count == 2 && events.last == .end(isAtStart: true))
        guard case .request(var found, end: message.utf8.count) = events.first else {
            Issue.record("\(events)")
            return
        }
        found.flags.removeAll { $0 == "m" }
        #expect(found == summary)
    }

    /// The words are memcached 1.6.18's for the same line, but for the last three.
    @Test(
        arguments: [
            ("", .unknownCommand, ""), (" ", .unknownCommand, ""), ("get", .unknownCommand, ""),
            ("GET a", .unknownCommand, ""), ("getx a", .unknownCommand, ""),
            ("set a 0 0", .unknownCommand, ""),
            ("set a 0 0 1 noreply x", .unknownCommand, ""), ("cas a 0 0 1", .unknownCommand, ""),
            ("incr a", .unknownCommand, ""), ("incr a b c d", .unknownCommand, ""),
            ("touch a", .unknownCommand, ""), ("delete a b c d", .unknownCommand, ""),
            ("flush_all 1 2 3", .unknownCommand, ""),
            ("flush_all 0 x noreply", .unknownCommand, ""),
            ("verbosity", .unknownCommand, ""), ("mg", .unknownCommand, ""),
            ("shutdown", .unknownCommand, ""),
            ("me", .badLine, ""), ("ms a", .badLine, ""), ("ms a x", .badLine, ""),
            ("ms a -1", .badLine, ""), ("ms a 2147483646", .badLine, ""),
            ("get " + key251, .badLine, ""), ("mg " + key251 + " q", .badLine, ""),
            ("set " + key251 + " 0 0 1", .badLine, ""),
            ("set " + key251 + " 0 0 1 noreply", .badLine, "n"),
            ("delete " + key251 + " noreply", .badLine, "n"),
            ("set a x 0 1", .badLine, ""), ("set a -1 0 1", .badLine, ""),
            ("set a 0 x 1", .badLine, ""),
            ("set a 0 0 x", .badLine, ""), ("set a 0 0 -1", .badLine, ""),
            ("set a 0 0 2147483646", .badLine, ""), ("set a 0 0 x noreply", .badLine, "n"),
            ("cas a 0 0 1 -1", .badLine, ""), ("cas a 0 0 1 noreply", .badLine, "n"),
            ("cas a 0 0 1 18446744073709551616", .badLine, ""), ("gat x a", .badExpiry, ""),
            ("ms a 1 c f h l s t v k O1 C1 E1 F1 I T1 MS x z", .tooManyFlags, ""),
            ("set a 0 0 99999999999", .badLine, ""),
            ("get a " + key251 + " b", .badLine, ""), ("gat 0 a " + key251, .badLine, ""),
            ("delete a b", .badDelete, ""), ("delete a 0 0", .badDelete, ""),
            ("delete a noreply noreply", .badDelete, "n"),
            ("touch a noreply", .badExpiry, "n"), ("touch a x noreply", .badExpiry, "n"),
            ("touch a noreply noreply", .badExpiry, "n"),
            ("set a 0 noreply", .unknownCommand, ""), ("set 0 0 1 noreply", .badLine, "n"),
            ("get a\0b", .unknownCommand, ""), ("get \0", .unknownCommand, ""),
        ] as [(String, MemcacheProblem, String)])
    func isRefusedWithoutItsData(_ line: String, _ problem: MemcacheProblem, _ flags: String) {
        let events = Pieces(bytes(line + "\r\nmn\r\n")).memcacheRequestEvents()
        guard case .request(let found, end: line.utf8.count + 2) = events.first else {
            Issue.record("\(events)")
            return
        }
        #expect(found.problem == problem)
        #expect(found.flags.contains("n") == flags.contains("n"))
        #expect(events.count == 3)
    }

    /// Nothing of a data block is taken for a command where one was meant.
    @Test(
        arguments: [
            ("set a\0 0 0 11\r\nflush_all\r\n\r\n", .unknownCommand),
            ("set a 0 0 11 \0\r\nflush_all\r\n\r\n", .unknownCommand),
            ("ms \0 0\r\n\r\n", .unknownCommand), ("set a 0 0 +0\r\n\r\n", .badLine),
            ("set a 0 0 11\t\r\nflush_all\r\n\r\n", .badLine),
            ("set a 0 0 00000000011\r\nflush_all\r\n\r\n", .badLine),
            ("set a -18446744073709551615 0 0\r\n\r\n", .badLine),
            ("cas a 0 0 0 \t1\r\n\r\n", .badLine), ("ms a +0\r\n\r\n", .badLine),
            ("ms a 11 !\r\nflush_all\r\n\r\n", .invalidFlag),
            ("ms a 0 \u{1}\r\n\r\n", .invalidFlag), ("ms a 0 \u{E9}\r\n\r\n", .duplicateFlag),
            ("ms a 0 k k !\r\n\r\n", .duplicateFlag),
        ] as [(String, MemcacheProblem)])
    func dataOfWhatIsRefusedIsSwallowed(_ message: String, _ problem: MemcacheProblem) {
        for pieces in Pieces.every(of: bytes(message + "mn\r\n")) {
            let events = pieces.memcacheRequestEvents()
            guard events.count == 3, case .request(let first, _) = events[0],
                case .request(let second, _) = events[1]
            else {
                Issue.record("cuts \(pieces.cuts): \(events)")
                return
            }
            #expect(first.problem == problem && second.verb == .metaNoop)
        }
    }

    /// As memcached does: it reads as many bytes as it was promised, then goes on behind them.
    @Test func dataThatIsTooLongOrTooShortIsABadChunk() {
        let events = Pieces(bytes("set a 0 0 1\r\n123\r\nset a 0 0 3\r\n1\r\nget a\r\n"))
            .memcacheRequestEvents()
        let problems = events.compactMap { event -> MemcacheProblem? in
            if case .request(let summary, _) = event { summary.problem } else { nil }
        }
        #expect(problems == [.badDataChunk, .unknownCommand, .badDataChunk, .unknownCommand])
    }

    @Test(arguments: ["get ", "gets "])
    func linesOfManyKeysMayBeLong(_ opening: String) {
        let line = opening + String(repeating: "key ", count: 3000) + "\r\n"
        for pieces in [Pieces(bytes(line)), Pieces(bytes(line), cuts: [2, 2500, 7000])] {
            let events = pieces.memcacheRequestEvents()
            #expect(events.count == 2 && events.last == .end(isAtStart: true))
        }
    }

    @Test(arguments: [
        ("set ", 1024), (" get ", 1024), ("getss ", 1024), ("foo ", 1024), ("mg ", 1024),
        ("gat 0 ", 2048), ("gats 0 ", 2048),
    ])
    func otherLinesMayNot(_ opening: String, _ limit: Int) {
        let words = String(repeating: "k ", count: limit)
        for count in [limit, limit + 1] {
            let line = bytes(String((opening + words).prefix(count - 2)) + "\r\n")
            for pieces in [Pieces(line), Pieces(line, cuts: [1]), Pieces(line, cuts: [limit - 9])] {
                guard case .request(let found, _) = pieces.memcacheRequestEvents().first else {
                    Issue.record("no request")
                    return
                }
                #expect((found.problem == .tooLongLine) == (count > limit))
            }
        }
    }

    /// The first byte of a connection tells the protocol; later it may be any.
    @Test func theBinaryProtocolComesFirst() {
        let first = Pieces([0x80, 1]).memcacheRequestEvents()
        #expect(first == [.request(MemcacheSummary(.unknown, problem: .binaryProtocol), end: 0)])
        let later = Pieces(bytes("mn\r\n") + [0x80] + bytes("\r\n")).memcacheRequestEvents()
        #expect(
            later[1] == .request(MemcacheSummary(.unknown, problem: .unknownCommand), end: 7))
    }

    @Test(arguments: [1, 2] as [UInt64])
    func randomInputIsReadTheSameWhateverTheCut(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let parts = [
            "get", "gets", "gat", "set", "cas", "ms", "mg", "mn", "incr", "delete", "flush_all",
            " ",
            " ", " ", "a", "b", "0", "1", "3", "-1", "noreply", "q", "b", "\r\n", "\r\n", "\r\n",
            "\r", "\n",
            "\u{0}", "\t", "\u{80}", "set a 0 0 2\r\nab\r\n", "set a 0 0 3\r\n",
            "ms a 2\r\n\r\n\r\n",
            "abc\r\n", "HTTP/1.1",
        ]
        for _ in 0..<25_000 {
            let input = (0..<Int.random(in: 1...14, using: &random)).flatMap { _ in
                bytes(parts.randomElement(using: &random)!)
            }
            let expected = Pieces(input).memcacheRequestEvents()
            for pieces in [Pieces.random(of: input, using: &random), Pieces.single(input)]
            where pieces.memcacheRequestEvents() != expected {
                Issue.record("\(text(input)), cuts \(pieces.cuts), not \(expected)")
                return
            }
        }
    }
}

@Suite struct Base64KeyTests {
    private func decode(_ text: String) -> [UInt8] {
        let key = Base64Key(bytes(text).span)
        return (0..<key.count).map { key.bytes[$0] }
    }

    @Test(arguments: [
        ("YQ==", "a"), ("YWI=", "ab"), ("YWJj", "abc"), ("YWJjZA==", "abcd"),
        ("+/+/", "\u{FB}\u{FF}\u{BF}"), ("AAAA", "\0\0\0"), ("Zm9vYmFy", "foobar"),
    ])
    func decodes(_ encoded: String, _ key: String) {
        #expect(decode(encoded) == bytes(key))
    }

    /// A server says so; which one does not matter.
    @Test(arguments: ["a", "YQ=", "Y===", "YQ==YQ==", "!!!!", "YW-j", "=YWJ"])
    func keepsWhatIsNoBase64(_ text: String) {
        _ = decode(text)
        if text.utf8.count % 4 != 0 || text.contains("!") || text.contains("-")
            || text.hasPrefix("=")
        {
            #expect(decode(text) == bytes(text))
        }
    }
}
