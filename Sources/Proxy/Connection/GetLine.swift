/// The last line that a memcached connection has to send, as long as it is one of `get` and more
/// keys may join it.
struct GetLine: BitwiseCopyable {
    /// Bytes of a line, its end included. memcached reads longer ones in a slower way.
    static let countMax = 2048

    /// Bytes that the connection has to send, up to the end of the line; 0 if there is none.
    private var end = 0
    private var count = 0
    private var marks = KeyMarks()

    /// A line begins, with one key.
    ///
    /// - Parameter end: What the connection has to send, the line included.
    mutating func begin(_ mark: UInt64, count: Int, end: Int) {
        self.end = end
        self.count = count
        marks = KeyMarks()
        _ = marks.insert(mark)
    }

    /// Lets a key join the line. Returns false if it may not: one that is in the line already may
    /// not, and one with the same mark neither: which of them a value belongs to could not be told.
    ///
    /// - Parameters:
    ///   - added: Bytes by which the line grows.
    ///   - end: What the connection has to send.
    mutating func admit(_ mark: UInt64, adding added: Int, to end: Int) -> Bool {
        guard self.end == end, end > 0, count &+ added <= Self.countMax, marks.insert(mark)
        else { return false }
        count &+= added
        self.end &+= added
        return true
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
    mutating func insert(_ mark: UInt64) -> Bool {
        let word = Int(truncatingIfNeeded: mark >> 6 & 7)
        let bit: UInt64 = 1 << (mark & 63)
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        return true
    }
}

extension Span<UInt8> {
    /// A number that tells this key from others; never 0.
    func keyMark() -> UInt64 {
        let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
        var hash = UInt64(truncatingIfNeeded: count) &* factor
        var position = 0
        while count &- position >= 8 {
            hash = (hash ^ loadWord(at: position)).mixed(with: factor)
            position &+= 8
        }
        if position < count {
            let rest = UInt64(paddedWord32(at: position))
            let last = UInt64(paddedWord32(at: position &+ 4))
            hash = (hash ^ rest ^ last << 32).mixed(with: factor)
        }
        return max(hash, 1)
    }
}

extension UInt64 {
    /// Both halves of a product: every bit of it depends on those above it too.
    fileprivate func mixed(with factor: UInt64) -> UInt64 {
        let (high, low) = multipliedFullWidth(by: factor)
        return high ^ low
    }
}
