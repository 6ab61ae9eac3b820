/// Splits an inline command into words as redis does (sds.c, sdssplitargs): at white space, with
/// single quotes, and with double quotes that know `\n \r \t \b \a \xHH`.
///
/// Call `next` for each word, then `nextByte` until it is nil.
struct InlineWords {
    private enum Quote {
        case none, single, double
    }

    private let count: Int
    private var position = 0
    private var quote = Quote.none
    private var isInWord = false
    private(set) var isBalanced = true

    /// - Parameter count: Bytes of the line, its end included.
    init(_ count: Int) {
        self.count = count
    }

    /// Moves to the next word; returns false at the end of the line, or after an error.
    mutating func next(in line: Span<UInt8>) -> Bool {
        while position < count, Self.isSpace(line[position]) { position += 1 }
        isInWord = isBalanced && !isAtEnd(of: line)
        return isInWord
    }

    /// How many bytes of the word, unquoted, are still to come.
    func byteCount(in line: Span<UInt8>) -> Int {
        var ahead = self
        var count = 0
        while ahead.nextByte(in: line) != nil { count += 1 }
        return count
    }

    /// The next byte of the word, unquoted; nil at its end.
    mutating func nextByte(in line: Span<UInt8>) -> UInt8? {
        while isInWord {
            guard !isAtEnd(of: line) else {
                isBalanced = isBalanced && quote == .none
                isInWord = false
                return nil
            }
            let byte = line[position]
            switch quote {
            case .none:
                if Self.endsWord(byte) {
                    isInWord = false
                    return nil
                }
                position += 1
                if byte == UInt8(ascii: "\"") {
                    quote = .double
                } else if byte == UInt8(ascii: "'") {
                    quote = .single
                } else {
                    return byte
                }
            case .single:
                if byte == UInt8(ascii: "\\"), at(1, in: line) == UInt8(ascii: "'") {
                    position += 2
                    return UInt8(ascii: "'")
                }
                position += 1
                guard byte == UInt8(ascii: "'") else { return byte }
                closeQuote(in: line)
            case .double:
                if byte == UInt8(ascii: "\\"), let next = at(1, in: line), next != 0 {
                    return escaped(in: line)
                }
                position += 1
                guard byte == UInt8(ascii: "\"") else { return byte }
                closeQuote(in: line)
            }
        }
        return nil
    }

    /// A closing quote ends its word, so white space must follow.
    private mutating func closeQuote(in line: Span<UInt8>) {
        quote = .none
        isInWord = false
        if !isAtEnd(of: line), !Self.isSpace(line[position]) { isBalanced = false }
    }

    private mutating func escaped(in line: Span<UInt8>) -> UInt8 {
        if at(1, in: line) == UInt8(ascii: "x"), let high = hex(at(2, in: line)),
            let low = hex(at(3, in: line))
        {
            position += 4
            return high << 4 | low
        }
        let byte = line[position + 1]
        position += 2
        return switch byte {
        case UInt8(ascii: "n"): UInt8(ascii: "\n")
        case UInt8(ascii: "r"): UInt8(ascii: "\r")
        case UInt8(ascii: "t"): UInt8(ascii: "\t")
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "a"): 0x07
        default: byte
        }
    }

    private func at(_ distance: Int, in line: Span<UInt8>) -> UInt8? {
        position + distance < count ? line[position + distance] : nil
    }

    private func hex(_ byte: UInt8?) -> UInt8? {
        guard let byte else { return nil }
        return switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// To redis, for which a line is a C string, a zero ends it.
    private func isAtEnd(of line: Span<UInt8>) -> Bool {
        position >= count || line[position] == 0
    }

    /// What may stand between words, as isspace(3) has it.
    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || (byte >= 0x09 && byte <= 0x0D)
    }

    /// A vertical tab or a form feed does not end a word, only the others do.
    private static func endsWord(_ byte: UInt8) -> Bool {
        isSpace(byte) && byte != 0x0B && byte != 0x0C
    }
}
