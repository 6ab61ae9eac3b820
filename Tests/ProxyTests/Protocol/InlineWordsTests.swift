import Testing

@testable import Proxy

@Suite struct InlineWordsTests {
    /// As `redis-server` 7.0.15 splits it; nil for unbalanced quotes.
    static let lines: [(line: String, words: [String]?)] = [
        ("PING", ["PING"]), ("PING\r\n", ["PING"]), ("PING\n", ["PING"]), ("PING\r", ["PING"]),
        ("", []), ("\r\n", []), ("\n", []), ("   \t \r\n", []),
        ("  SET  k\tv  \r\n", ["SET", "k", "v"]),
        // White space between words is that of isspace(3), but only some of it ends a word.
        ("PING \u{0B}a\u{0C} b", ["PING", "a\u{0C}", "b"]), ("a\u{0B}b c", ["a\u{0B}b", "c"]),
        ("\u{85} \u{A0}", ["\u{85}", "\u{A0}"]),
        ("SET k \"\"", ["SET", "k", ""]), ("SET k ''", ["SET", "k", ""]),
        ("\"a b\" 'c d'", ["a b", "c d"]), ("a\"b c\"", ["ab c"]), ("a'b c' d", ["ab c", "d"]),
        ("\"\\n\\r\\t\\b\\a\"", ["\n\r\t\u{8}\u{7}"]), ("\"\\\\ \\\" \\q\"", ["\\ \" q"]),
        ("\"\\x41\\x4a\\x4A\\xfF\"", ["AJJ\u{FF}"]), ("\"\\x4g\\xg4\\x\"", ["x4gxg4x"]),
        ("\"\\x00\"", ["\u{0}"]), ("\\x41 \\n", ["\\x41", "\\n"]),
        ("'it\\'s' '\\n\\\\ '", ["it's", "\\n\\\\ "]), ("'\"' \"'\"", ["\"", "'"]),
        ("\"a\"\u{0B}b", ["a", "b"]),
        ("\"a", nil), ("'a", nil), ("a\"", nil), ("a'\r\n", nil), ("\"a\\\"", nil),
        ("'a\\'", nil), ("\"a\\", nil), ("\"a\\\r\n", nil), ("\"a\"b", nil), ("'a'b", nil),
        ("\"a\"\"b\"", nil), ("'a''b'", nil), ("\"a\"'b'", nil), ("ok \"a\"b", nil),
        // To redis a line ends at a zero.
        ("a\u{0}b c", ["a"]), ("\u{0}a", []), ("\"a\"\u{0}b", ["a"]), ("\"a\u{0}\"", nil),
        ("\"a\\\u{0}\"", nil), ("'a\u{0}'", nil),
    ]

    @Test(arguments: lines)
    func splitsAsRedisDoes(_ line: String, _ words: [String]?) {
        #expect(found(bytes(line)) == words.map { $0.map(bytes) })
        #expect(expected(bytes(line)) == words.map { $0.map(bytes) })
    }

    @Test func splitsAnyLineAsRedisDoes() {
        var random = SeededRandom(seed: 1)
        let parts =
            ["\"", "'", "\\", "\\x41", "\\x4", "\\n", " ", "\t", "\r", "\n", "a", "x", "4"]
            + ["\u{0B}", "\u{0}", "\u{FF}", "\"a\" ", "'b' "]
        for _ in 0..<20_000 {
            var line: [UInt8] = []
            for _ in 0..<Int.random(in: 0...10, using: &random) {
                line += bytes(parts.randomElement(using: &random)!)
            }
            let words = found(line)
            if words != expected(line) {
                Issue.record("\(text(line)): \(words.map { $0.map(text) } ?? ["unbalanced"])")
            }
        }
    }

    private func found(_ line: [UInt8]) -> [[UInt8]]? {
        var words = InlineWords(line.count)
        var found: [[UInt8]] = []
        while words.next(in: line.span) {
            var word: [UInt8] = []
            let count = words.byteCount(in: line.span)
            while let byte = words.nextByte(in: line.span) { word.append(byte) }
            if count != word.count { Issue.record("\(text(line)): \(count) bytes of \(word)") }
            found.append(word)
        }
        return words.isBalanced ? found : nil
    }

    // MARK: - sdssplitargs

    /// Redis' function (sds.c), statement by statement, on a line that ends in a zero.
    private func expected(_ line: [UInt8]) -> [[UInt8]]? {
        let line = line + [0, 0, 0, 0]
        var words: [[UInt8]] = []
        var at = 0
        while true {
            while isSpace(line[at]) { at += 1 }
            guard line[at] != 0 else { return words }
            guard let word = word(line, &at) else { return nil }
            words.append(word)
        }
    }

    private func word(_ line: [UInt8], _ at: inout Int) -> [UInt8]? {
        var word: [UInt8] = []
        while true {
            switch line[at] {
            case 0, UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
                return word
            case UInt8(ascii: "\""):
                at += 1
                guard appendDoubleQuoted(line, &at, to: &word) else { return nil }
                return word
            case UInt8(ascii: "'"):
                at += 1
                guard appendSingleQuoted(line, &at, to: &word) else { return nil }
                return word
            default:
                word.append(line[at])
                at += 1
            }
        }
    }

    private func appendDoubleQuoted(
        _ line: [UInt8], _ at: inout Int, to word: inout [UInt8]
    ) -> Bool {
        let escapes: [Character: UInt8] = ["n": 10, "r": 13, "t": 9, "b": 8, "a": 7]
        while line[at] != UInt8(ascii: "\"") {
            guard line[at] != 0 else { return false }
            if line[at] == UInt8(ascii: "\\"), line[at + 1] == UInt8(ascii: "x"),
                let high = hex(line[at + 2]), let low = hex(line[at + 3])
            {
                word.append(high * 16 + low)
                at += 4
            } else if line[at] == UInt8(ascii: "\\"), line[at + 1] != 0 {
                let escaped = Character(Unicode.Scalar(line[at + 1]))
                word.append(escapes[escaped] ?? line[at + 1])
                at += 2
            } else {
                word.append(line[at])
                at += 1
            }
        }
        return close(line, &at)
    }

    private func appendSingleQuoted(
        _ line: [UInt8], _ at: inout Int, to word: inout [UInt8]
    ) -> Bool {
        while line[at] != UInt8(ascii: "'") {
            guard line[at] != 0 else { return false }
            if line[at] == UInt8(ascii: "\\"), line[at + 1] == UInt8(ascii: "'") { at += 1 }
            word.append(line[at])
            at += 1
        }
        return close(line, &at)
    }

    private func close(_ line: [UInt8], _ at: inout Int) -> Bool {
        at += 1
        return line[at] == 0 || isSpace(line[at])
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

    private func hex(_ byte: UInt8) -> UInt8? {
        guard byte < 128 else { return nil }
        return Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
    }
}
