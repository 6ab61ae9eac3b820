import Testing

@testable import Proxy

@Suite struct RESPHeaderTests {
    /// Reads a line in one call, and byte by byte.
    private func outcomes(_ line: [UInt8], isLength: Bool) -> [NaiveRequestParser.Number] {
        var whole = RESPNumberLine()
        var position = 0
        var outcomes = [result(whole.parse(line.span, at: &position, isLength: isLength))]
        var single = RESPNumberLine()
        for byte in line {
            let outcome = result(single.parse(byte, isLength: isLength))
            guard outcome == .incomplete else { return outcomes + [outcome] }
        }
        outcomes.append(.incomplete)
        return outcomes
    }

    private func result(_ outcome: RESPNumberLine.Outcome) -> NaiveRequestParser.Number {
        switch outcome {
        case .incomplete: .incomplete
        case .value(let value): .value(value)
        case .violation: .wrong
        }
    }

    @Test(arguments: [
        ("0\r\n", 0), ("1\r\n", 1), ("-1\r\n", -1), ("007\r\n", 7), ("-012\r\n", -12),
        ("9999\r\n", 9999), ("10000\r\n", 10_000), ("536870912\r\n", 536_870_912),
        ("999999999999999999\r\n", 999_999_999_999_999_999),
        ("-999999999999999999\r\n", -999_999_999_999_999_999),
        ("000000000000000001\r\n", 1),
    ])
    func reads(_ line: String, as value: Int) {
        let outcomes = outcomes(bytes(line), isLength: true)
        #expect(outcomes == [.value(value), .value(value)])
    }

    @Test(arguments: [
        "\r\n", "-\r\n", "-0\r\n", "-000\r\n", "+1\r\n", " 1\r\n", "1 \r\n", "1\n", "1\rx", "1\r\r",
        "--1\r\n", "1-\r\n", "0x1\r\n", "1e3\r\n", "1.0\r\n", "\u{0}", "/\r\n", ":\r\n",
        "1000000000000000000\r\n", "0000000000000000001\r\n", "-1000000000000000000\r\n",
    ])
    func refusesAsALength(_ line: String) {
        let outcomes = outcomes(bytes(line), isLength: true)
        #expect(outcomes == [.wrong, .wrong])
    }

    @Test(arguments: ["", "1", "-", "-1", "12\r", "\r"])
    func waitsForTheRest(_ line: String) {
        let outcomes = outcomes(bytes(line), isLength: true)
        #expect(outcomes == [.incomplete, .incomplete])
    }

    @Test func isReadyForTheNextLine() {
        var line = RESPNumberLine()
        let text = bytes("-12\r\n7\r\n")
        var position = 0
        let first = result(line.parse(text.span, at: &position))
        #expect(first == .value(-12))
        #expect(position == 5)
        let second = result(line.parse(text.span, at: &position))
        #expect(second == .value(7))
        #expect(position == 8)
    }

    // MARK: - Short headers

    /// Every header of up to four digits, whatever follows it.
    @Test(arguments: [UInt8(ascii: "$"), UInt8(ascii: "*"), 0x00, 0xFF])
    func readsShortHeadersAtOnce(_ marker: UInt8) {
        for value in 0..<10_000 {
            let header = [marker] + bytes("\(value)\r\n")
            for padding: UInt8 in [0x00, 0x0A, 0x0D, 0x30, 0xFF] {
                let word = word(header, padding)
                let found = RESPHeader.short(word)
                if found?.value != value || found?.size != header.count {
                    Issue.record("\(value), then \(padding): \(String(describing: found))")
                }
            }
        }
    }

    @Test(arguments: [
        "$\r\n", "$-1\r\n", "$+1\r\n", "$ 1\r\n", "$1 \r\n", "$1\n\n", "$1\r\r\n", "$12345\r\n",
        "$123456", "$x\r\n", "$1:\r\n", "$1/\r\n", "$01\r\n", "$00\r\n", "$0001\r\n",
    ])
    func leavesOtherHeadersToTheLine(_ header: String) {
        #expect(RESPHeader.short(word(bytes(header), 0x0A)) == nil)
    }

    private func word(_ header: [UInt8], _ padding: UInt8) -> UInt64 {
        let padded = header + Array(repeating: padding, count: max(0, 8 - header.count))
        return padded.span.loadWord(at: 0)
    }
}
