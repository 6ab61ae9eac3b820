import Testing

@testable import Proxy

@Suite struct InlineSignatureTests {
    private func signature(_ line: String) -> InlineSignature {
        let line = bytes(line)
        var signature = InlineSignature()
        var words = InlineWords(line.count)
        while words.next(in: line.span) {
            signature.beginWord()
            while let byte = words.nextByte(in: line.span) { signature.add(byte) }
            signature.endWord()
        }
        return signature
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n", "GET / HTTP/1.0\n", "a b c d HTTP/9\r\n", "GET / 'HTTP/1.1'\r\n",
        "DESCRIBE rtsp://a RTSP/1.0\r\n", "OPTIONS sip:a SIP/2.0\r\n",
    ])
    func versionAtTheEnd(_ line: String) {
        #expect(signature(line).endsInVersion)
    }

    @Test(arguments: [
        "", "GET /\r\n", "GET HTTP/1.1\r\n", "HTTP/1.1\r\n", "GET / HTTP/\r\n", "GET / HTTP/x\r\n",
        "GET / http/1.1\r\n", "GET / HTTP/1.1 x\r\n", "GET / XHTTP/1.1\r\n", "GET / SIP/\r\n",
        "GET / 1\r\n", "GET / ''\r\n", "GET / HTTPS/1.1\r\n", "GET HTTP/1.1 /\r\n",
    ])
    func noVersionAtTheEnd(_ line: String) {
        #expect(!signature(line).endsInVersion)
    }

    @Test(arguments: [
        "set k 0 0 5\r\n", "add k 1 -1 5 noreply\r\n", "replace k 0 0 0\r\n",
        "append k 0 0 5\r\n", "prepend k 0 0 5\r\n", "cas k 0 0 5 17\r\n", "gets k\r\n",
        "gat 0 k\r\n", "gats 0 k\r\n", "stats items\r\n", "version\r\n",
    ])
    func memcache(_ line: String) {
        #expect(signature(line).isMemcache)
    }

    @Test(arguments: [
        "", "set k v\r\n", "set k 5 ex 10\r\n", "set k 0 px 5\r\n", "set k 0 0\r\n",
        "append k 0\r\n", "SET k 0 0 5\r\n", "get k\r\n", "incr k\r\n", "versions\r\n",
        "x gets\r\n", "set k 0 0 x5\r\n", "set k 0 0 5x\r\n", "prependx k 0 0 5\r\n",
    ])
    func noMemcache(_ line: String) {
        #expect(!signature(line).isMemcache)
    }

    /// Redis compares with strcasecmp(3), for which a zero is an end.
    @Test(arguments: [
        ("POST", true), ("post", true), ("PoSt", true), ("Host:", true), ("HOST:", true),
        ("POST\u{0}", true), ("post\u{0}x", true), ("host:\u{0}x", true), ("", false),
        ("POS", false), ("POSTS", false), ("Host", false), ("Host;", false), ("HOSTS", false),
        ("host: ", false), ("xPOST", false), ("\u{10}ost", false),
    ])
    func namesThatRedisEnds(_ name: String, _ isOne: Bool) {
        let name = bytes(name)
        #expect(name.span.isHypertextName == isOne)
    }
}
