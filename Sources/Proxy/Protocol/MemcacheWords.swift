/// Goes over the words of a line of the memcache protocol. Only blanks separate words.
struct MemcacheWords: BitwiseCopyable {
    private(set) var position: Int
    private let end: Int

    /// - Parameter end: Where the line ends, its line end not included.
    init(from position: Int = 0, to end: Int) {
        self.position = position
        self.end = end
    }

    /// Moves over the next word; nil if there is none.
    @inline(__always)
    mutating func next(in line: Span<UInt8>) -> Extent? {
        guard hasMore(in: line) else { return nil }
        let start = position
        skipWord(in: line)
        return Extent(
            offset: UInt32(truncatingIfNeeded: start),
            length: UInt32(truncatingIfNeeded: position &- start))
    }

    /// Moves behind the word that the position is in.
    @inline(__always)
    private mutating func skipWord(in line: Span<UInt8>) {
        while position < end {
            position = min(line.firstBlank(from: position), end)
            // Other control characters are parts of words.
            guard position < end, line[position] != UInt8(ascii: " ") else { return }
            position &+= 1
        }
    }

    /// Moves to the next word, if there is one.
    @inline(__always)
    mutating func hasMore(in line: Span<UInt8>) -> Bool {
        while position < end, line[position] == UInt8(ascii: " ") { position &+= 1 }
        return position < end
    }
}

extension Span<UInt8> {
    /// A word of at most eight bytes as one number, its first byte lowest; 0 for a longer one.
    func letters(of word: Extent) -> UInt64 {
        guard word.count <= 8, word.count > 0 else { return 0 }
        if count &- word.start >= 8 {
            let unused = UInt64(truncatingIfNeeded: 64 &- 8 &* word.count)
            return (loadWord(at: word.start) << unused) >> unused
        }
        var letters: UInt64 = 0
        var index = word.count
        while index > 0 {
            index &-= 1
            letters = letters << 8 | UInt64(self[word.start &+ index])
        }
        return letters
    }

    /// A word as a number that memcached takes for one: a sign perhaps, then digits, few enough for
    /// 64 bits; nil for any other.
    func integer(_ word: Extent) -> Int? {
        var position = word.start
        let end = position &+ word.count
        guard position < end else { return nil }
        let isNegative = self[position] == UInt8(ascii: "-")
        if isNegative || self[position] == UInt8(ascii: "+") { position &+= 1 }
        guard position < end, end &- position <= 18 else { return nil }
        var value = 0
        while position < end {
            let digit = self[position] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value &* 10 &+ Int(digit)
            position &+= 1
        }
        return isNegative ? 0 &- value : value
    }

    /// Whether a word is a number from 0 to 2^64 - 1, a plus before it perhaps.
    func isUnsigned(_ word: Extent) -> Bool {
        guard word.count > 0, word.count <= 21 else { return false }
        var value: UInt64 = 0
        var index = word.start
        if self[index] == UInt8(ascii: "+"), word.count > 1 { index &+= 1 }
        while index < word.start &+ word.count {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return false }
            let (product, isTooBig) = value.multipliedReportingOverflow(by: 10)
            let (sum, isTooBigNow) = product.addingReportingOverflow(UInt64(digit))
            if isTooBig || isTooBigNow { return false }
            value = sum
            index &+= 1
        }
        return true
    }
}
