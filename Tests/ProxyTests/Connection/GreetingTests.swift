import Testing

@testable import Proxy

@Suite struct GreetingTests {
    private func text(_ error: String, hiding secret: String) -> String {
        let error = Array(error.utf8)
        let secret = Array(secret.utf8)
        let text = ShortText(error: error.span, hiding: secret.span)
        return String(decoding: text.indices.map { text[$0] }, as: UTF8.self)
    }

    @Test(arguments: [
        ("-WRONGPASS invalid password\r\n", "WRONGPASS invalid password"),
        ("-ERR no line end", "ERR no line end"), ("-\r\n", ""), ("-", ""), ("", ""),
        ("-ERR a\rb\r\n", "ERR a"),
    ])
    func errorIsShownWithoutItsEnds(error: String, shown: String) {
        #expect(text(error, hiding: "secret") == shown)
        #expect(text(error, hiding: "") == shown)
    }

    /// A server that does not know AUTH repeats what was sent.
    @Test(arguments: [
        (
            "-ERR unknown command 'AUTH', with args beginning with: 'secret' \r\n",
            "ERR unknown command 'AUTH'"
        ),
        (
            "-ERR unknown command `AUTH`, with args beginning with: `secret`, \r\n",
            "ERR unknown command `AUTH`"
        ),
        ("-ERR what is secret?\r\n", "ERR what is ***?"),
        ("-secretsecret secre secret\r\n", "****** secre ***"),
        ("-ERR cut off in the middle of secr", "ERR cut off in the middle of ***"),
        ("-ERR secret", "ERR ***"), ("-ERR ssecret\r\n", "ERR s***"),
    ])
    func passwordIsNotShown(error: String, shown: String) {
        #expect(text(error, hiding: "secret") == shown)
    }

    @Test func longTextsAreCutOff() {
        let long = String(repeating: "x", count: 500)
        #expect(text("-" + long, hiding: "secret").utf8.count == ShortText.countMax)
        // Cut by characters of others, it is still text.
        #expect(text("-ä\u{0}\u{7F}", hiding: "secret") == "ä\u{0}\u{7F}")
    }
}
