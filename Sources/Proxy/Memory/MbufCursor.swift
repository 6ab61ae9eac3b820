import Glibc

/// A place in a message, which may lie in one slice or in a chain. Reading moves it on.
///
/// It is a view: the message and its pool must outlive it.
@safe
struct MbufCursor: BitwiseCopyable {
    /// What is left of the current slice.
    fileprivate(set) var slice: MbufSlice
    private var next: UInt32
    private let bytes: UnsafePointer<UInt8>
    private let nodes: UnsafePointer<ChainNode>

    fileprivate init(_ slice: MbufSlice, next: UInt32, of mbufs: borrowing MbufPool) {
        self.slice = slice
        self.next = next
        unsafe bytes = UnsafePointer(mbufs.bytes)
        unsafe nodes = mbufs.nodes.memory
    }
}

extension MbufPool {
    /// A cursor at the start of a message that is all in one slice.
    func cursor(of slice: MbufSlice) -> MbufCursor {
        MbufCursor(slice, next: ChainNodePool.none, of: self)
    }

    /// - Precondition: The chain is not empty.
    func cursor(of chain: borrowing MbufChain) -> MbufCursor {
        let node = nodes[chain.head]
        return MbufCursor(node.slice, next: node.next, of: self)
    }

    /// Moves over `count` bytes and adds them to a chain.
    ///
    /// - Precondition: At least `count` bytes are left.
    mutating func append(_ count: Int, from cursor: inout MbufCursor, to chain: inout MbufChain) {
        var count = count
        while count > 0, cursor.settle() {
            let part = cursor.slice.prefix(min(count, cursor.slice.count))
            append(part, to: &chain)
            cursor.slice = cursor.slice.dropFirst(part.count)
            count &-= part.count
        }
        precondition(count == 0)
    }
}

extension MbufCursor {
    /// Returns the next byte, or nil at the end.
    mutating func nextByte() -> UInt8? {
        guard settle() else { return nil }
        let byte = unsafe start.pointee
        slice = slice.dropFirst(1)
        return byte
    }

    /// Moves over the rest of the slice it stands in, and returns it; nil at the end.
    mutating func nextSlice() -> MbufSlice? {
        guard settle() else { return nil }
        let rest = slice
        slice = slice.dropFirst(rest.count)
        return rest
    }

    /// Moves over bytes; over fewer if fewer are left.
    mutating func skip(_ count: Int) {
        var count = count
        while count > 0, settle() {
            let skipped = min(count, slice.count)
            slice = slice.dropFirst(skipped)
            count &-= skipped
        }
    }

    /// Shows `count` bytes in one piece and moves over them. Bytes that lie in several slices are
    /// copied together first; long ones of these are the only reads that allocate.
    ///
    /// - Precondition: At least `count` bytes are left.
    @inline(__always)
    mutating func withBytes<Result>(_ count: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        _ = settle()
        guard count > slice.count else {
            let result = unsafe body(UnsafeBufferPointer(start: start, count: count).span)
            slice = slice.dropFirst(count)
            return result
        }
        let copy = unsafe copyOf(count)
        let result = unsafe body(UnsafeBufferPointer(start: copy, count: count).span)
        unsafe free(copy)
        return result
    }

    /// The caller frees it.
    @inline(never)
    private mutating func copyOf(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        guard let memory = unsafe malloc(count) else { fatalError("out of memory") }
        let copy = unsafe memory.bindMemory(to: UInt8.self, capacity: count)
        var copied = 0
        while copied < count, settle() {
            let part = min(count &- copied, slice.count)
            unsafe (copy + copied).update(from: start, count: part)
            slice = slice.dropFirst(part)
            copied &+= part
        }
        precondition(copied == count)
        return unsafe copy
    }

    private var start: UnsafePointer<UInt8> {
        unsafe bytes + (Int(slice.mbuf.index) &* Mbuf.size &+ Int(slice.offset))
    }

    /// Moves on to the next slice if the current one is used up; returns false at the end.
    fileprivate mutating func settle() -> Bool {
        while slice.count == 0 {
            guard next != ChainNodePool.none else { return false }
            let node = unsafe nodes[Int(next)]
            slice = node.slice
            next = node.next
        }
        return true
    }
}
