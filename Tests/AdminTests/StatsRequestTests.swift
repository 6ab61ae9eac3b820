import Foundation
import Testing

@testable import Admin
@testable import Proxy

@Suite struct StatsRequestTests {
    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", StatsRequest.Form.get),
        ("GET /any/path?x=1 HTTP/1.0\r\n\r\n", .get), ("GET / HTTP/1.1\n\n", .get),
        ("HEAD / HTTP/1.1\r\n\r\n", .head), ("POST / HTTP/1.1\r\n\r\nbody", .otherMethod),
        ("GETS / HTTP/1.1\r\n\r\n", .otherMethod),
    ])
    func wholeRequestsAreHTTP(text: String, form: StatsRequest.Form) {
        let request = StatsRequest(Array(text.utf8))
        #expect(request.form == form)
        #expect(request.isWhole)
    }

    @Test(arguments: [
        "stats\r\n", "GET\r\n", "GET key\r\n", "GET /\r\n", "GET  HTTP/1.1\r\n",
        "GET / HTTP/2.0\r\n",
        "*1\r\n$4\r\nPING\r\n", "\n", "\r\nx", " GET / HTTP/1.1\r\n", "get / HTTP/1.1\r\n\r\n",
        "\u{0}",
        "GET / HTTP/1.1 x\r\n", "AVERYLONGMETHODNAMEWHICHISNONE",
    ])
    func everythingElseIsNot(text: String) {
        let request = StatsRequest(Array(text.utf8))
        #expect(request.form == .plain)
        #expect(request.isWhole)
    }

    /// Nothing of it could be understood by whoever sent that.
    @Test(arguments: [
        ("\u{16}\u{3}\u{1}", ForeignProtocol.tls), ("SSH-2.0-a\r\n", .ssh),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", .proxyHeader),
        ("\r\n\r\n\0\r\nQUIT\n!", .proxyHeader),
    ])
    func otherProtocolsAreKnown(text: String, spoken: ForeignProtocol) {
        let request = StatsRequest(Array(text.utf8))
        #expect(request.form == .foreign(spoken))
        #expect(request.isWhole)
        #expect(request.form.answer([1]).isEmpty)
        for cut in 1..<2 {
            let start = StatsRequest(Array(text.utf8.prefix(cut)))
            #expect(start.form == .plain)
            #expect(!start.isWhole)
        }
    }

    /// Until the first line is there nothing is decided; then the form stays.
    @Test func requestIsAwaitedToItsEnd() {
        let text = Array("GET /stats HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n".utf8)
        let lineEnd = text.firstIndex(of: UInt8(ascii: "\n"))!
        for cut in 0..<text.count {
            let request = StatsRequest(Array(text[..<cut]))
            #expect(!request.isWhole, "cut at \(cut)")
            #expect(request.form == (cut > lineEnd ? .get : .plain), "cut at \(cut)")
        }
    }

    @Test func endlessLineIsNotAwaited() {
        let text = Array("GET /".utf8) + [UInt8](repeating: 0x61, count: StatsRequest.bytesMax)
        #expect(!StatsRequest(Array(text.prefix(StatsRequest.bytesMax - 1))).isWhole)
        let request = StatsRequest(Array(text.prefix(StatsRequest.bytesMax)))
        #expect(request.isWhole)
        #expect(request.form == .plain)
    }

    @Test func endlessHeadersAreNotAwaited() {
        let text =
            Array("GET / HTTP/1.1\r\n".utf8)
            + [UInt8](repeating: 0x61, count: StatsRequest.bytesMax)
        let request = StatsRequest(Array(text.prefix(StatsRequest.bytesMax)))
        #expect(request.isWhole)
        #expect(request.form == .get)
    }

    @Test func answersHaveTheirForm() {
        let document = Array("{}\n".utf8)
        #expect(StatsRequest.Form.plain.answer(document) == document)
        let head = """
            HTTP/1.1 200 OK\r
            Content-Type: application/json\r
            Content-Length: 3\r
            Cache-Control: no-store\r
            Connection: close\r
            \r

            """
        #expect(text(.head, document) == head)
        #expect(text(.get, document) == head + "{}\n")
        #expect(
            text(.otherMethod, document) == """
                HTTP/1.1 405 Method Not Allowed\r
                Content-Length: 0\r
                Cache-Control: no-store\r
                Allow: GET, HEAD\r
                Connection: close\r
                \r

                """)
    }

    private func text(_ form: StatsRequest.Form, _ document: [UInt8]) -> String {
        String(decoding: form.answer(document), as: UTF8.self)
    }
}
