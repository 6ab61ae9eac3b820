import Testing

@testable import Proxy

/// Which replies each request can get, and that every other one is refused.
@Suite struct MemcacheReplyWordsTests {
    /// One line for each way in which memcached 1.4 to 1.6.45 starts a reply.
    static let lines = [
        "VALUE k 0 1\r\nx\r\nEND\r\n", "END\r\n", "STORED\r\n", "NOT_STORED\r\n", "EXISTS\r\n",
        "NOT_FOUND\r\n", "DELETED\r\n", "TOUCHED\r\n", "5\r\n", "OK\r\n", "VERSION 1.6.18\r\n",
        "STAT pid 1\r\nEND\r\n", "VA 1 c5\r\nx\r\n", "HD\r\n", "HD c5\r\n", "OK c5\r\n", "EN\r\n",
        "NF\r\n", "NS\r\n", "EX\r\n", "ME k exp=-1\r\n", "MN\r\n", "ERROR\r\n",
        "SERVER_ERROR out of memory storing object\r\n",
        "SERVER_ERROR object too large for cache\r\n",
        "SERVER_ERROR out of memory writing get response\r\n",
        "CLIENT_ERROR bad command line format\r\n", "CLIENT_ERROR line too long\r\n",
        "CLIENT_ERROR bad data chunk\r\n",
        "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
        "CLIENT_ERROR invalid numeric delta argument\r\n",
        "CLIENT_ERROR invalid exptime argument\r\n", "CLIENT_ERROR flush_all not allowed\r\n",
        "CLIENT_ERROR unauthenticated\r\n", "CLIENT_ERROR authentication failure\r\n",
        "CLIENT_ERROR invalid flag\r\n", "CLIENT_ERROR\r\n",
    ]

    /// What every request may get.
    static let always = ["SERVER_ERROR", "CLIENT_ERROR unauth", "CLIENT_ERROR authentication"]
    private static let meta = ["CLIENT_ERROR invalid", "CLIENT_ERROR\r"]

    private static let done = ["OK\r", "CLIENT_ERROR flush_all", "CLIENT_ERROR invalid exptime"]
    private static let misunderstood = ["ERROR", "CLIENT_ERROR bad command", "CLIENT_ERROR line"]

    /// How the replies start that a request can get.
    static let expected: [(String, [String])] = [
        ("get k", ["VALUE", "END", "CLIENT_ERROR invalid exptime"]),
        ("gets k l", ["VALUE", "END", "CLIENT_ERROR invalid exptime"]),
        ("gat 0 k", ["VALUE", "END", "CLIENT_ERROR invalid exptime"]),
        ("gats 0 k l", ["VALUE", "END", "CLIENT_ERROR invalid exptime"]),
        ("set k 0 0 1", ["STORED", "CLIENT_ERROR bad data chunk"]),
        ("add k 0 0 1", ["STORED", "NOT_STORED", "CLIENT_ERROR bad data chunk"]),
        ("replace k 0 0 1", ["STORED", "NOT_STORED", "CLIENT_ERROR bad data chunk"]),
        ("append k 0 0 1", ["STORED", "NOT_STORED", "CLIENT_ERROR bad data chunk"]),
        ("prepend k 0 0 1", ["STORED", "NOT_STORED", "CLIENT_ERROR bad data chunk"]),
        (
            "cas k 0 0 1 1",
            ["STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "CLIENT_ERROR bad data chunk"]
        ),
        ("incr k 1", ["5", "NOT_FOUND", "CLIENT_ERROR cannot", "CLIENT_ERROR invalid numeric"]),
        ("decr k 1", ["5", "NOT_FOUND", "CLIENT_ERROR cannot", "CLIENT_ERROR invalid numeric"]),
        ("touch k 0", ["TOUCHED", "NOT_FOUND", "CLIENT_ERROR invalid exptime"]),
        ("delete k", ["DELETED", "NOT_FOUND"]),
        ("flush_all", done + misunderstood),
        ("verbosity 1", done + misunderstood),
        ("version", ["VERSION"]),
        ("stats", ["STAT", "END"]),
        ("mg k v", ["VA ", "HD", "OK", "EN\r"] + meta),
        ("mg k v q", ["VA ", "HD", "OK", "EN\r", "MN"] + meta),
        ("ms k 1", ["HD", "OK", "NS", "EX\r", "NF", "CLIENT_ERROR bad data chunk"] + meta),
        ("md k", ["HD", "OK", "NF", "EX\r", "NS"] + meta),
        ("ma k", ["VA ", "HD", "OK", "NF", "NS", "EX\r", "CLIENT_ERROR cannot"] + meta),
        ("me k", ["ME", "EN\r"] + meta),
    ]

    @Test(arguments: expected)
    func requestsGetTheirRepliesAlone(request: String, starts: [String]) {
        let line = bytes(request + "\r\n")
        let request = MemcacheRequest(line: line.span, hasNull: false)
        let words = MemcacheReplyWords(expectedKind: request.expectedKind)
        for reply in Self.lines {
            let isExpected = (starts + Self.always).contains {
                bytes(reply).starts(with: bytes($0))
            }
            for pieces in [Pieces(bytes(reply)), Pieces.single(bytes(reply))] {
                let events = pieces.replyEvents(expecting: words)
                let isTaken = events.last != .violation
                #expect(isTaken == isExpected, "\(text(line)): \(text(bytes(reply)))")
                #expect(isExpected || events == [.violation])
            }
        }
    }

    @Test func barriersAreAnsweredByThemselves() {
        let words = MemcacheReplyWords(.barrier)
        for reply in Self.lines {
            let isExpected = reply == "MN\r\n" || Self.always.contains { reply.hasPrefix($0) }
            let events = Pieces(bytes(reply)).replyEvents(expecting: words)
            #expect((events.last != .violation) == isExpected, "\(reply)")
        }
    }

    /// No server is asked for these, or for nothing that has a class.
    @Test func nothingIsExpectedOfAnUnknownClass() {
        for line in ["quit\r\n", "mn\r\n", "bogus\r\n"] {
            let request = MemcacheRequest(line: bytes(line).span, hasNull: false)
            #expect(MemcacheReplyWords(expectedKind: request.expectedKind).isEmpty)
        }
    }
}
