/// A header line of RESP: a marker, a decimal number, and a line end, as in `$11 CR LF`.
enum RESPHeader {
    static let carriageReturn = UInt8(ascii: "\r")
    static let lineFeed = UInt8(ascii: "\n")

    /// Reads a header of one to four digits from its first eight bytes, marker included.
    ///
    /// - Returns: The number, and the length of the header; nil for any other header, and for a
    ///   number with leading zeros.
    @inline(__always)
    static func short(_ word: UInt64) -> (value: Int, size: Int)? {
        let lineEnd: UInt64 = 0x0A0D
        var value = 0
        var size = 1
        while size <= 5 {
            if word >> (UInt64(size) &* 8) & 0xFFFF == lineEnd {
                let isPadded = word & 0xFF00 == 0x3000 && size > 2
                return size > 1 && !isPadded ? (value, size &+ 2) : nil
            }
            let digit = Int(truncatingIfNeeded: word >> (UInt64(size) &* 8) & 0xFF) &- 0x30
            guard digit >= 0, digit <= 9 else { return nil }
            value = value &* 10 &+ digit
            size &+= 1
        }
        return nil
    }
}

/// Reads the number and the line end of a header byte by byte, across any cut.
struct RESPNumberLine: BitwiseCopyable {
    enum Outcome {
        case incomplete
        /// The line has ended.
        case value(Int)
        case violation
    }

    /// Of a length: longer ones are none, and this many digits fit in an `Int`.
    private static let digitsMax: UInt8 = 18

    private var magnitude = 0
    private var digitCount: UInt8 = 0
    private var isNegative = false
    private var hasLeadingZeros = false
    private var hasCarriageReturn = false
    /// Whether the last number that ended had leading zeros.
    private(set) var wasPadded = false

    /// - Parameter isLength: Whether the number is the length of something, which has digits, not
    ///   too many of them, and no minus before a zero. Of other numbers only the end of the line
    ///   counts.
    mutating func parse(
        _ bytes: Span<UInt8>, at position: inout Int, isLength: Bool = true
    ) -> Outcome {
        while position < bytes.count {
            position &+= 1
            let outcome = parse(bytes[position &- 1], isLength: isLength)
            if case .incomplete = outcome { continue }
            return outcome
        }
        return .incomplete
    }

    mutating func parse(_ byte: UInt8, isLength: Bool = true) -> Outcome {
        if hasCarriageReturn {
            let isRight = digitCount > 0 && !(isNegative && magnitude == 0)
            guard byte == RESPHeader.lineFeed, isRight || !isLength else { return .violation }
            let value = isNegative ? 0 &- magnitude : magnitude
            let isPadded = hasLeadingZeros
            self = RESPNumberLine()
            wasPadded = isPadded
            return .value(value)
        }
        let digit = byte &- UInt8(ascii: "0")
        if digit < 10, digitCount < Self.digitsMax {
            if magnitude == 0, digitCount > 0 { hasLeadingZeros = true }
            magnitude = magnitude &* 10 &+ Int(digit)
            digitCount &+= 1
        } else if digit < 10, !isLength {
            // Redis' integers have up to 19 digits. They are passed on, not read.
        } else if byte == RESPHeader.carriageReturn {
            hasCarriageReturn = true
        } else if byte == UInt8(ascii: "-"), digitCount == 0, !isNegative {
            isNegative = true
        } else {
            return .violation
        }
        return .incomplete
    }
}
