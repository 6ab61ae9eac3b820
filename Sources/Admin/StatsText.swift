/// JSON that is being written, as bytes.
struct StatsText {
    private(set) var bytes: [UInt8] = []

    /// Adds text as it is.
    mutating func append(_ text: String) {
        bytes += text.utf8
    }

    /// Adds a member whose value is a number.
    mutating func append(_ name: StaticString, _ number: Int) {
        append("\"\(name)\":\(number)")
    }

    /// Adds a string in quotes, escaped as RFC 8259 §7 asks. What is not ASCII stays as it is,
    /// in UTF-8; a `String` holds no other bytes.
    mutating func appendQuoted(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                append(digits.utf8.count == 1 ? "\\u000\(digits)" : "\\u00\(digits)")
            default:
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
