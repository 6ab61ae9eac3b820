/// The last line that a memcached connection has to send, as long as it is one of `get` and more
/// keys may join it.
struct GetLine: BitwiseCopyable {
    /// Bytes of a line, its end included. memcached reads longer ones in a slower way.
    static let countMax = 2048

    /// Bytes that the connection has to send, up to the end of the line; 0 if there is none.
    private var end = 0
    private var count = 0
    private var marks = KeyMarks()
    private var lastMark: UInt16 = 0

    /// A line begins, with one key.
    ///
    /// - Parameter end: What the connection has to send, the line included.
    mutating func begin(_ mark: UInt16, count: Int, end: Int) {
        self.end = end
        self.count = count
        marks = KeyMarks()
        _ = marks.insert(mark)
        lastMark = mark
    }

    /// Lets a key join the line, and returns the mark of the one before it. Returns nil if it may
    /// not. One that is in the line already may not, and one with the same mark neither: which of
    /// them a value belongs to could not be told.
    ///
    /// - Parameters:
    ///   - added: Bytes by which the line grows.
    ///   - end: What the connection has to send.
    mutating func admit(_ mark: UInt16, adding added: Int, to end: Int) -> UInt16? {
        guard self.end == end, end > 0, count &+ added <= Self.countMax, marks.insert(mark)
        else { return nil }
        count &+= added
        self.end &+= added
        defer { lastMark = mark }
        return lastMark
    }

    /// Nothing may join any more: the line is sent.
    mutating func close() {
        end = 0
    }
}

/// Which marks of keys there are in a line.
struct KeyMarks: BitwiseCopyable {
    private var words = InlineArray<8, UInt64>(repeating: 0)

    /// Returns false if there may be the same mark already.
    mutating func insert(_ mark: UInt16) -> Bool {
        let word = Int(mark >> 6 & 7)
        let bit: UInt64 = 1 << UInt64(mark & 63)
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        return true
    }
}

extension Span<UInt8> {
    /// A number that tells this key from nearly all others; never 0.
    func keyMark() -> UInt16 {
        let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
        var hash = UInt64(truncatingIfNeeded: count) &* factor
        var position = 0
        while count &- position >= 8 {
            hash = (hash ^ loadWord(at: position)) &* factor
            hash ^= hash >> 32
            position &+= 8
        }
        if position < count {
            let rest = UInt64(paddedWord32(at: position))
            let last = UInt64(paddedWord32(at: position &+ 4))
            hash = (hash ^ rest ^ last << 32) &* factor
        }
        return max(UInt16(truncatingIfNeeded: hash >> 48), 1)
    }
}
