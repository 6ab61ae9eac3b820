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
}
