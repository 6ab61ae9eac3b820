/// A message buffer of its pool, named by its position there.
struct Mbuf: Hashable, BitwiseCopyable {
    let index: UInt32

    /// Bytes in every mbuf: what one receive brings at most. Big enough that 64 KiB values arrive
    /// in a handful of completions, small enough to fit an offset in 16 bits.
    static let size = 16 * 1024
}

/// Some bytes of one mbuf. A view of eight bytes: it owns nothing and keeps nothing alive.
struct MbufSlice: Hashable, BitwiseCopyable {
    let mbuf: Mbuf
    let offset: UInt16
    let length: UInt16

    init(mbuf: Mbuf, offset: Int, count: Int) {
        assert(offset >= 0)
        assert(count >= 0)
        assert(offset + count <= Mbuf.size)
        self.mbuf = mbuf
        self.offset = UInt16(truncatingIfNeeded: offset)
        length = UInt16(truncatingIfNeeded: count)
    }

    /// Of no bytes.
    static var empty: MbufSlice { MbufSlice(mbuf: Mbuf(index: 0), offset: 0, count: 0) }

    var count: Int { Int(length) }

    func dropFirst(_ dropped: Int) -> MbufSlice {
        MbufSlice(mbuf: mbuf, offset: Int(offset) &+ dropped, count: count &- dropped)
    }

    func prefix(_ count: Int) -> MbufSlice {
        MbufSlice(mbuf: mbuf, offset: Int(offset), count: count)
    }

    /// The bytes `start ..< end` of this slice.
    func range(_ start: Int, _ end: Int) -> MbufSlice {
        MbufSlice(mbuf: mbuf, offset: Int(offset) &+ start, count: end &- start)
    }
}
