import Testing

@testable import Proxy

@Suite struct RESPReplyParserTests {
    /// Input with several replies in a row, some of them unfinished or wrong.
    static let messages = [
        "+OK\r\n", "-ERR unknown command\r\n", "+\r\n", "-\r\n:0\r\n",
        ":1\r\n:-1\r\n:9223372036854775807\r\n:-9223372036854775808\r\n:\r\n",
        "$3\r\nabc\r\n$0\r\n\r\n$-1\r\n+OK\r\n",
        "$12\r\nabcdef\r\nghij\r\n:1\r\n", "$0012\r\nabcdefghijkl\r\n",
        "*0\r\n*-1\r\n*1\r\n$-1\r\n", "*2\r\n*2\r\n:1\r\n*0\r\n*-1\r\n+OK\r\n",
        "*3\r\n$1\r\na\r\n-ERR x\r\n*2\r\n$-1\r\n+\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n:2\r\n",
        "$3\r\nabcd\r\n", "$3\r\nab\r\n\r\n", "+OK\rx", "*2\r\n:1\r\n$x\r\n", "_\r\n",
    ]

    @Test(arguments: messages)
    func anyCutGivesTheSame(_ message: String) {
        let message = bytes(message)
        let expected = NaiveReplyParser.events(of: message)
        for pieces in Pieces.every(of: message) {
            let found = pieces.replyEvents()
            if found != expected { Issue.record("cuts \(pieces.cuts): \(found)") }
        }
    }

    @Test(arguments: [
        "+OK\r\n", "+\r\n", "+a\nb\r\n", "-ERR\r\n", ":0\r\n", ":-0\r\n", ":007\r\n", ":\r\n",
        "$0\r\n\r\n", "$2\r\n\r\n\r\n", "$-1\r\n", "$01\r\nx\r\n", "*0\r\n", "*-1\r\n",
        "*1\r\n*1\r\n*0\r\n", "*2\r\n$-1\r\n*-1\r\n", "*002\r\n:1\r\n:2\r\n",
    ])
    func isOneReply(_ message: String) {
        let message = bytes(message)
        let end = ReplyEvent.reply(kind: message[0], end: message.count)
        #expect(Pieces(message).replyEvents() == [end, .end(isAtStart: true)])
    }

    /// An INCR near the end of the range is answered with 19 digits. The connection to the server,
    /// and every request that waited on it, must not pay for that.
    @Test(arguments: [
        ":1000000000000000000\r\n", ":9223372036854775807\r\n", ":-9223372036854775808\r\n",
        "*2\r\n:9223372036854775807\r\n:-9223372036854775808\r\n",
        ":00000000000000000000000000000000000000001\r\n",
    ])
    func integersOfNineteenDigitsAreReplies(_ message: String) {
        let message = bytes(message)
        let end = ReplyEvent.reply(kind: message[0], end: message.count)
        for pieces in Pieces.every(of: message) {
            let events = pieces.replyEvents()
            if events != [end, .end(isAtStart: true)] {
                Issue.record("cuts \(pieces.cuts): \(events)")
            }
        }
    }

    @Test(arguments: [
        // Nothing that redis sends to a client of RESP2.
        "_\r\n", "#t\r\n", ",1.5\r\n", "(1\r\n", "!3\r\nERR\r\n", "=7\r\ntxt:abc\r\n",
        "%1\r\n+a\r\n:1\r\n", "~1\r\n:1\r\n", ">1\r\n:1\r\n", "|1\r\n+a\r\n:1\r\n",
        "*1\r\n_\r\n", "*2\r\n:1\r\n#f\r\n", "OK\r\n", "\r\n", "\n", " +OK\r\n", "\u{0}",
        "GET k\r\n", "HTTP/1.1 200 OK\r\n", "ERROR\r\n", "END\r\n",
        // Wrong lengths, wrong ends.
        "+OK\rx", "+OK\r\r\n", ":1x\r\n", ":+1\r\n", ":1-\r\n", ":--1\r\n", ":1\n", ":1\rx",
        "$\r\n", "$-\r\n", "$-2\r\n", "$-0\r\n", "$x\r\n", "$1x\r\n", "$1\n", "$1\rx",
        "$0\r\nx\r\n", "$1\r\nxx\r\n", "$1\r\nx\rx", "$3\r\nab\r\n\r\n",
        "$1099511627777\r\n", "$9223372036854775808\r\n", "$99999999999999999999\r\n",
        "*\r\n", "*-\r\n", "*-2\r\n", "*-0\r\n", "*x\r\n", "*1 \r\n",
        "*1099511627777\r\n", "*18446744073709551617\r\n",
        "*1099511627776\r\n*1099511627776\r\n",
    ])
    func isNoReply(_ message: String) {
        for pieces in Pieces.every(of: bytes("+OK\r\n" + message)) {
            let events = pieces.replyEvents()
            if events != [.reply(kind: UInt8(ascii: "+"), end: 5), .violation] {
                Issue.record("cuts \(pieces.cuts): \(events)")
            }
        }
    }

    @Test func arraysMayBeDeep() {
        let depth = 10_000
        let message = bytes(String(repeating: "*1\r\n", count: depth) + ":1\r\n")
        let expected = [
            ReplyEvent.reply(kind: UInt8(ascii: "*"), end: message.count), .end(isAtStart: true),
        ]
        #expect(Pieces(message).replyEvents() == expected)
        #expect(Pieces.single(message).replyEvents() == expected)
        let cut = Pieces(message.dropLast()).replyEvents()
        #expect(cut == [.end(isAtStart: false)])
    }

    @Test func arraysMayBeWide() {
        let count = 50_000
        let message = bytes("*\(count)\r\n" + String(repeating: "$1\r\nv\r\n", count: count))
        let expected = [
            ReplyEvent.reply(kind: UInt8(ascii: "*"), end: message.count), .end(isAtStart: true),
        ]
        #expect(Pieces(message).replyEvents() == expected)
        #expect(Pieces(message, cuts: [10, 16_384, 100_001]).replyEvents() == expected)
    }

    @Test func arraysMayBeDeepAndWide() {
        let inner = "*2\r\n*-1\r\n*2\r\n$-1\r\n*1\r\n*0\r\n"
        let message = bytes("*500\r\n" + String(repeating: inner, count: 500) + "+OK\r\n")
        let expected = [
            ReplyEvent.reply(kind: UInt8(ascii: "*"), end: message.count - 5),
            .reply(kind: UInt8(ascii: "+"), end: message.count), .end(isAtStart: true),
        ]
        #expect(Pieces(message).replyEvents() == expected)
        #expect(Pieces.single(message).replyEvents() == expected)
    }

    /// A bulk as long as the limit: the length is believed, and nothing overflows.
    @Test func theLongestBulkIsAwaited() {
        let message = bytes("$\(RESPReplyParser.lengthMax)\r\nxyz")
        #expect(Pieces(message).replyEvents() == [.end(isAtStart: false)])
    }
}
