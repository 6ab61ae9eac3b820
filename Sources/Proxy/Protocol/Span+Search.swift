/// Searches that go over eight bytes at a time.
extension Span<UInt8> {
    /// Where the first byte below 0x20 is at or after a position; the count if there is none.
    @inline(__always)
    func firstControlCharacter(from position: Int) -> Int {
        firstByte(below: 0x20, from: position)
    }

    /// The same for line feeds, and for what is below them: NUL, and a few others.
    @inline(__always)
    func firstLineFeedOrLess(from position: Int) -> Int {
        firstByte(below: 0x0B, from: position)
    }

    /// The same for blanks and control characters.
    @inline(__always)
    func firstBlank(from position: Int) -> Int {
        firstByte(below: 0x21, from: position)
    }

    /// - Parameter limit: 0x80 at most.
    @inline(__always)
    private func firstByte(below limit: UInt8, from position: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var position = position
        while count &- position >= 8 {
            let word = loadWord(at: position)
            // A byte that is too small borrows, and so gets its highest bit. Only those above one
            // that did can be wrong, and the lowest is looked for.
            let found = (word &- ones &* UInt64(limit)) & ~word & (ones << 7)
            if found != 0 { return position &+ found.trailingZeroBitCount >> 3 }
            position &+= 8
        }
        while position < count, self[position] >= limit { position &+= 1 }
        return position
    }

    /// Whether CR LF is at a position.
    ///
    /// - Precondition: Two bytes are there.
    @inline(__always)
    func isLineEnd(at position: Int) -> Bool {
        self[position] == UInt8(ascii: "\r") && self[position &+ 1] == UInt8(ascii: "\n")
    }
}
