import Testing

@testable import Proxy

@Suite struct SpanSearchTests {
    /// Bytes on both sides of each border, also those that a word's subtraction could carry over.
    private static let bytes: [UInt8] = [
        0x00, 0x0A, 0x0D, 0x1F, 0x20, 0x21, 0x22, 0x61, 0x7F, 0x80, 0x81, 0xA0, 0xA1, 0xFF,
    ]

    @Test func findsWhatALoopFinds() {
        var generator = SplitMix64(state: 7)
        for _ in 0..<20_000 {
            let text = (0..<Int(generator.next() % 21)).map { _ in
                // Mostly letters, so that finds are at every place of a word.
                generator.next() % 4 > 0
                    ? 0x61 : Self.bytes[Int(generator.next() % UInt64(Self.bytes.count))]
            }
            for start in 0...text.count {
                let control = text[start...].firstIndex { $0 < 0x20 } ?? text.count
                let blank = text[start...].firstIndex { $0 <= 0x20 } ?? text.count
                if text.span.firstControlCharacter(from: start) != control
                    || text.span.firstBlank(from: start) != blank
                {
                    Issue.record("from \(start) of \(text)")
                }
            }
        }
    }
}
