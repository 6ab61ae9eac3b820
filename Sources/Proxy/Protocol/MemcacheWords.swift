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
    /// Of a line of memcache, how many bytes its end takes: LF, or CR LF. memcached takes a CR that
    /// is all there is for a word.
    var lineEndCount: Int {
        count > 2 && self[count &- 2] == UInt8(ascii: "\r") ? 2 : 1
    }

    func isNoreply(_ word: Extent) -> Bool {
        // "noreply"
        letters(of: word) == 0x796C_7065_726F_6E
    }

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
}
