import Testing

@testable import Proxy

@Suite struct OpeningTests {
    private static let openings: [(text: String, foreign: ForeignProtocol)] = [
        ("\u{16}\u{3}\u{1}\u{2}\u{0}", .tls), ("\u{16}\u{3}", .tls),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", .proxyHeader),
        ("PROXY UNKNOWN\r\n", .proxyHeader),
        ("\r\n\r\n\u{0}\r\nQUIT\n\u{21}\u{11}", .proxyHeader),
        ("SSH-2.0-OpenSSH_9.2\r\n", .ssh),
    ]
    private static let ofPools: [(text: String, foreign: ForeignProtocol)] = [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .hypertext), ("EHLO a\r\n", .mail),
        ("HELO a\r\n", .mail), ("CLIENT libcurl 7.88.1\r\nSET:a:b\r\n", .dictionary),
    ]

    /// What is found, and how many bytes have come then.
    private func read(_ opening: Opening, _ pieces: Pieces) -> (ForeignProtocol?, Int) {
        var opening = opening
        var count = 0
        for piece in pieces.pieces {
            count += piece.count
            if let found = opening.read(piece.span) { return (found, count) }
        }
        return (nil, count)
    }

    @Test(arguments: openings + ofPools)
    func knowsThemHoweverTheyAreCut(_ text: String, _ foreign: ForeignProtocol) {
        for pieces in Pieces.every(of: bytes(text)) {
            for opening in [Opening.redis, .memcache] where read(opening, pieces).0 != foreign {
                Issue.record("\(text), cuts \(pieces.cuts)")
            }
        }
    }

    /// Or what is before the end of a line would have been executed.
    @Test(arguments: openings + ofPools)
    func knowsThemBeforeTheirFirstRequestEnds(_ text: String, _ foreign: ForeignProtocol) {
        let text = bytes(text)
        let (_, count) = read(.redis, Pieces.single(text))
        var parser = RESPRequestParser()
        for (place, byte) in text.prefix(count - 1).enumerated() {
            var position = 0
            let piece = [byte]
            switch parser.parse(piece.span, from: &position) {
            case .incomplete: break
            // The blank lines of the second PROXY header.
            case .inline where text[..<place].allSatisfy { $0 < 0x20 }: break
            default: Issue.record("a request has ended at \(place)")
            }
        }
    }

    @Test(arguments: openings)
    func statisticsPortKnowsTheFirstOfThem(_ text: String, _ foreign: ForeignProtocol) {
        for pieces in Pieces.every(of: bytes(text)) {
            #expect(read(.statistics, pieces).0 == foreign)
        }
    }

    @Test func eachPoolKnowsTheOtherProtocol() {
        let array = Pieces(bytes("*1\r\n$4\r\nPING\r\n"))
        #expect(read(.memcache, array).0 == .redis)
        #expect(read(.redis, array).0 == nil)
        let binary = Pieces(bytes("\u{80}\u{0}\u{0}"))
        #expect(read(.redis, binary).0 == .memcacheBinary)
        // It has words of its own for that.
        #expect(read(.memcache, binary).0 == nil)
    }

    /// Nearly all connections are decided with their first byte, and then looked at no more.
    @Test(arguments: [
        "*1\r\n$4\r\nPING\r\n", "GET PROXY \r\n", "get SSH-\r\n", "set key 0 0 6\r\nPROXY \r\n",
        "\n\r\n\r\n\u{0}\r\nQUIT\n", "xPROXY TCP4",
    ])
    func decidesWithTheFirstByte(_ text: String) {
        let first = [bytes(text)[0]]
        let later = bytes("PROXY TCP4\r\n")
        var opening = Opening.redis
        let found = opening.read(first.span)
        #expect(found == nil)
        #expect(opening.isDecided)
        let foundLater = opening.read(later.span)
        #expect(foundLater == nil)
    }

    @Test(arguments: [
        "PING\r\n", "PROXYX", "proxy tcp4\r\n", "SSH\r\n", "\u{16}\u{2}\u{3}", "\u{16}\r\n",
        "\r\n\r\n\u{0}\r\nQUIT\r\n", "\r\nPING\r\n", "\r\n\r\nPING\r\n", "PRI HTTP/2.0\r\n",
        "EHLO\r\n", "CLIENT LIST\r\n", "CLIENT libcurls\r\n", "HELLO 3\r\n", "ehlo x\r\n",
    ])
    func takesNothingElseForThem(_ text: String) {
        for pieces in Pieces.every(of: bytes(text)) {
            #expect(read(.redis, pieces).0 == nil)
            #expect(read(.memcache, pieces).0 == nil)
        }
    }
}
