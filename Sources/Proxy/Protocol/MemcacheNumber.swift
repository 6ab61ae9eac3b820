/// A number of a request, as `strtol` and `strtoull` of memcached up to 1.6.18 read it: a sign,
/// digits, and perhaps a control character that ends it.
///
/// Newer versions read their own way, and take less. What they might not take is no plain number.
struct MemcacheNumber: BitwiseCopyable {
    /// Digits that every version takes in a length: memcached 1.6.45 takes 11 characters at most.
    static let lengthDigitsMax = 10

    private(set) var magnitude: UInt64 = 0
    private(set) var isNegative = false
    private(set) var hasPlus = false
    private(set) var digitCount = 0
    /// Whether there is nothing but a sign and digits.
    private(set) var isPlain = true

    /// Whether it is from 0 to 2^64 - 1, or would be with 2^64 added: of the latter memcached
    /// refuses those that it then takes for negative ones.
    var isUnsigned: Bool {
        !isNegative || magnitude == 0 || 0 &- magnitude <= UInt64(Int64.max)
    }

    /// Whether every version of memcached takes it for the same number.
    var isPlainUnsigned: Bool { isPlain && (!isNegative || magnitude == 0) }

    /// The same, of a version for `cas`.
    var isPlainVersion: Bool { isPlain && !isNegative && !hasPlus && digitCount <= 20 }

    /// Whether it fits 64 bits.
    var isSigned: Bool { magnitude <= UInt64(Int64.max) &+ (isNegative ? 1 : 0) }

    /// The length of a data block; nil if it is none for memcached.
    var length: Int32? {
        guard magnitude <= UInt64(MemcacheRequest.dataCountMax), !isNegative || magnitude == 0
        else { return nil }
        return Int32(truncatingIfNeeded: magnitude)
    }

    /// Whether every version of memcached takes it for the same length.
    var isPlainLength: Bool { isPlain && !hasPlus && digitCount <= Self.lengthDigitsMax }

    /// Nil if the word is no number.
    init?(_ line: Span<UInt8>, _ word: Extent) {
        let end = word.start &+ word.count
        var position = word.start
        if word.count <= 18 {
            // Nearly all are digits only, and fit.
            while position < end {
                let digit = line[position] &- UInt8(ascii: "0")
                guard digit < 10 else { break }
                magnitude = magnitude &* 10 &+ UInt64(digit)
                position &+= 1
            }
            if position == end {
                digitCount = word.count
                if word.count > 0 { return }
            }
        }
        magnitude = 0
        position = word.start
        while position < end, line[position].isSpace {
            isPlain = false
            position &+= 1
        }
        if position < end {
            isNegative = line[position] == UInt8(ascii: "-")
            hasPlus = line[position] == UInt8(ascii: "+")
            if isNegative || hasPlus { position &+= 1 }
        }
        guard readDigits(line, &position, end), digitCount > 0 else { return nil }
        guard position < end else { return }
        guard line[position].isSpace else { return nil }
        isPlain = false
    }

    /// Returns false if they are too many.
    private mutating func readDigits(
        _ line: Span<UInt8>, _ position: inout Int, _ end: Int
    ) -> Bool {
        while position < end {
            let digit = line[position] &- UInt8(ascii: "0")
            guard digit < 10 else { return true }
            let (product, isTooBig) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, isTooBigNow) = product.addingReportingOverflow(UInt64(digit))
            if isTooBig || isTooBigNow { return false }
            magnitude = sum
            digitCount &+= 1
            position &+= 1
        }
        return true
    }
}

extension UInt8 {
    /// What C's `isspace` says, of bytes that can be part of a word.
    fileprivate var isSpace: Bool { self &- 9 < 5 }
}
