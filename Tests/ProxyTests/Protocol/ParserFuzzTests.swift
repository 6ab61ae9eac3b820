import Testing

@testable import Proxy

/// Random input, from a seed: nothing traps, a cut changes nothing, and the plain parsers agree.
@Suite struct ParserFuzzTests {
    static let requestParts = [
        "*", "$", "\r\n", "\r", "\n", "-", "0", "1", "2", "3", "4", "12", "536870900", " ", "PING",
        "GET", "k", "\u{0}", "\u{FF}", ":1\r\n", "*1\r\n", "*2\r\n", "*3\r\n", "$0\r\n\r\n",
        "$1\r\nk\r\n", "$3\r\nGET\r\n", "*-1\r\n", "*0\r\n", "*02\r\n", "$01\r\nk\r\n",
        "*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "$16\r\n0123456789abcdef\r\n",
    ]
    static let replyParts = [
        "*", "$", "\r\n", "\r", "\n", "-", "0", "1", "2", "3", "12", ":", "+", "_", "\u{0}",
        "\u{FF}",
        "+OK\r\n", "-ERR x\r\n", ":1\r\n", ":9223372036854775807\r\n", "$3\r\nabc\r\n", "$-1\r\n",
        "$0\r\n\r\n", "*0\r\n", "*-1\r\n", "*1\r\n", "*2\r\n", "*3\r\n", "$12\r\n0123456789ab\r\n",
        "$012\r\n0123456789ab\r\n", "#t\r\n",
    ]
    static let requests = RESPRequestParserTests.messages.map(bytes)
    static let replies = RESPReplyParserTests.messages.map(bytes)

    @Test(arguments: [1, 2] as [UInt64])
    func requestsAreReadTheSameWhateverTheCut(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for round in 0..<25_000 {
            let input = input(Self.requestParts, Self.requests, using: &random)
            let expected = NaiveRequestParser.events(of: input)
            let pieces = Pieces.random(of: input, using: &random)
            let found = pieces.requestEvents(isSliced: round & 1 == 0)
            if found != expected || Pieces(input).requestEvents() != expected {
                Issue.record("\(text(input)), cuts \(pieces.cuts): \(found), not \(expected)")
                return
            }
        }
    }

    @Test(arguments: [3, 4] as [UInt64])
    func repliesAreReadTheSameWhateverTheCut(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<25_000 {
            let input = input(Self.replyParts, Self.replies, using: &random)
            let expected = NaiveReplyParser.events(of: input)
            let pieces = Pieces.random(of: input, using: &random)
            let found = pieces.replyEvents()
            if found != expected || Pieces(input).replyEvents() != expected {
                Issue.record("\(text(input)), cuts \(pieces.cuts): \(found), not \(expected)")
                return
            }
        }
    }

    /// Random bytes, parts of messages in any order, or messages that were damaged.
    private func input(
        _ parts: [String], _ messages: [[UInt8]], using random: inout SeededRandom
    ) -> [UInt8] {
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            return (0..<Int.random(in: 0...24, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
        case 1...4:
            return (0..<Int.random(in: 1...10, using: &random)).flatMap { _ in
                bytes(parts.randomElement(using: &random)!)
            }
        default:
            var message = messages.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 0...2, using: &random) where !message.isEmpty {
                damage(&message, using: &random)
            }
            return message
        }
    }

    private func damage(_ message: inout [UInt8], using random: inout SeededRandom) {
        let at = Int.random(in: 0..<message.count, using: &random)
        let byte = Array("*$-:+\r\n0129 x\u{0}".utf8).randomElement(using: &random)!
        switch Int.random(in: 0..<5, using: &random) {
        case 0: message[at] = byte
        case 1: message.insert(byte, at: at)
        case 2: message.remove(at: at)
        case 3: message.removeLast(message.count - at)
        default: message.insert(contentsOf: message[..<at], at: at)
        }
    }
}
