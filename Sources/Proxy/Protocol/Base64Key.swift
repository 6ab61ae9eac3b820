/// A key that a meta command names in base64.
struct Base64Key {
    /// The first `count` are valid: those of the key, or of its text if that is not base64.
    private(set) var bytes = InlineArray<250, UInt8>(repeating: 0)
    private(set) var count = 0
    private(set) var isDecoded = false
    /// Whether memcached refuses it, too. It skips all that is not of base64, and refuses what then
    /// is not a number of fours.
    private(set) var isRefused = false

    /// - Precondition: The text is at most 250 bytes long.
    init(_ text: Span<UInt8>) {
        precondition(text.count <= 250)
        isDecoded = decode(text)
        if !isDecoded {
            for index in text.indices { bytes[index] = text[index] }
            count = text.count
            isRefused = Self.isRefused(text)
        }
    }

    /// Whether there is none in the key, whatever a less strict decoder makes of the text.
    var hasNoLineEnd: Bool {
        guard isDecoded else { return false }
        for index in 0..<count where bytes[index] == UInt8(ascii: "\n") { return false }
        return true
    }

    private static func isRefused(_ text: Span<UInt8>) -> Bool {
        var count = 0
        for index in text.indices
        where text[index] == UInt8(ascii: "=") || digit(text[index]) != nil {
            count &+= 1
        }
        return count == 0 || count % 4 != 0
    }

    private mutating func decode(_ text: Span<UInt8>) -> Bool {
        var end = text.count
        guard end > 0, end % 4 == 0 else { return false }
        while end > text.count &- 2, text[end &- 1] == UInt8(ascii: "=") { end &-= 1 }
        var word: UInt32 = 0
        var bitCount: UInt32 = 0
        for index in 0..<end {
            guard let digit = Self.digit(text[index]) else { return false }
            word = word << 6 | digit
            bitCount &+= 6
            if bitCount >= 8 {
                bitCount &-= 8
                bytes[count] = UInt8(truncatingIfNeeded: word >> bitCount)
                count &+= 1
            }
        }
        return true
    }

    private static func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte) &- 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte) &- 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte) &+ 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
