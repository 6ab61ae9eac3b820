/// Little-endian words at any offset of a run of bytes, in one load each and never past its end.
extension Span<UInt8> {
    /// Eight bytes as one little-endian number: the byte at `position` is the lowest.
    ///
    /// - Precondition: `0 <= position`, and eight bytes are there.
    @inline(__always)
    func loadWord(at position: Int) -> UInt64 {
        precondition(position >= 0 && position <= count &- 8)
        return unsafe withUnsafeBytes { memory in
            unsafe UInt64(
                littleEndian: memory.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        }
    }

    /// The four bytes from `offset` on.
    ///
    /// - Precondition: `0 <= offset` and `offset + 4 <= count`; checked in every build.
    func word32(at offset: Int) -> UInt32 {
        UInt32(
            littleEndian: unsafe bytes.unsafeLoadUnaligned(
                fromByteOffset: offset, as: UInt32.self))
    }

    /// The two bytes from `offset` on.
    ///
    /// - Precondition: `0 <= offset` and `offset + 2 <= count`; checked in every build.
    func word16(at offset: Int) -> UInt32 {
        let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return UInt32(UInt16(littleEndian: word))
    }

    /// The four bytes from `offset` on, as if zeros followed the last one.
    ///
    /// - Precondition: `0 <= offset`; checked in every build where bytes are read.
    func paddedWord32(at offset: Int) -> UInt32 {
        let remaining = count &- offset
        guard remaining < 4 else { return word32(at: offset) }
        guard remaining > 0 else { return 0 }
        if count >= 4 {
            // The last four bytes hold the remaining ones at their upper end.
            return word32(at: count &- 4) >> UInt32(truncatingIfNeeded: 32 &- 8 &* remaining)
        }
        var word: UInt32 = 0
        var index = count
        while index > offset {
            index &-= 1
            word = word << 8 | UInt32(self[index])
        }
        return word
    }
}
