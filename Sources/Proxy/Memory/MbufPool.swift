import Glibc

/// Message memory: mbufs, and smaller blocks cut from mbufs, in one reserved address range.
///
///     mbuf    16 KiB, counted references: one receive may bring many messages, each of which
///             keeps a slice of it
///     block   128, 256, … 8192 bytes, one owner each; an mbuf is cut into blocks of one size,
///             and is an mbuf again when the last of them is free
///
/// Both come back in last-in first-out order, so that the working set stays in the cache. What
/// has been idle for a while is given back to the system by `trim`. Counts are plain integers: a
/// pool belongs to one worker.
@safe
struct MbufPool: ~Copyable {
    // First, for the reason that `Slab` gives.
    let bytes: UnsafeMutablePointer<UInt8>

    /// Of mbufs. Reserved address space; resident memory is what has been used.
    let capacity: UInt32
    /// Mbufs in use, whole or cut.
    private(set) var usedCount: UInt32 = 0

    let headers: UnsafeMutablePointer<MbufHeader>
    private let free: UnsafeMutablePointer<UInt32>
    private(set) var freeCount: UInt32 = 0
    /// Mbufs from here on were never used.
    private var untouched: UInt32 = 0
    /// The lowest `freeCount` since the last `trim`: what lies below was not needed meanwhile.
    private var freeLow: UInt32 = 0
    /// How many of the free mbufs, from the bottom of the stack, the system already has back.
    private(set) var trimmedCount: UInt32 = 0

    /// Per block size, the first mbuf that has a free block of it.
    private let partial = FixedArray<UInt32>(count: 7) { _ in noMbuf }

    var nodes: ChainNodePool

    /// - Parameter capacity: In mbufs. More must never be needed: whoever reads from sockets stops
    ///   well before.
    init(capacity: UInt32) {
        precondition(capacity > 0)
        self.capacity = capacity
        let size = Int(capacity) * Mbuf.size
        let memory = unsafe mmap(
            nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            fatalError("cannot reserve \(size) bytes of address space for mbufs")
        }
        unsafe bytes = memory.bindMemory(to: UInt8.self, capacity: size)
        unsafe headers = .allocate(capacity: Int(capacity))
        unsafe free = .allocate(capacity: Int(capacity))
        nodes = ChainNodePool(capacity: capacity &* ChainNodePool.perMbufMax)
    }

    deinit {
        unsafe munmap(bytes, Int(capacity) * Mbuf.size)
        unsafe headers.deallocate()
        unsafe free.deallocate()
    }
}

private let noMbuf = UInt32.max

/// What the pool knows of one mbuf.
struct MbufHeader: BitwiseCopyable {
    /// References to slices of it, or blocks of it that are in use.
    var references: UInt32
    /// 0 for a whole mbuf, else 7 ... 13: the power of two that is the size of its blocks.
    var blockShift: UInt8
    /// Blocks from here on were never handed out.
    var untouchedBlock: UInt8
    /// The first free block plus one; 0 when there is none. The next follows in the block itself.
    var freeBlock: UInt8
    var isLinked: Bool
    /// Its neighbours among the mbufs that have a free block of this size.
    var next: UInt32
    var previous: UInt32
}

// MARK: - Whole mbufs

extension MbufPool {
    /// Returns an mbuf with one reference.
    mutating func take() -> Mbuf {
        let index: UInt32
        if freeCount > 0 {
            freeCount &-= 1
            index = unsafe free[Int(freeCount)]
            if freeCount < freeLow { freeLow = freeCount }
            if freeCount < trimmedCount { trimmedCount = freeCount }
        } else {
            precondition(untouched < capacity, "mbufs exhausted: a limit was not enforced")
            index = untouched
            untouched &+= 1
        }
        usedCount &+= 1
        unsafe headers[Int(index)] = MbufHeader(
            references: 1, blockShift: 0, untouchedBlock: 0, freeBlock: 0, isLinked: false,
            next: noMbuf, previous: noMbuf)
        return Mbuf(index: index)
    }

    func retain(_ mbuf: Mbuf) {
        assert(mbuf.index < capacity)
        assert(unsafe headers[Int(mbuf.index)].references > 0)
        unsafe headers[Int(mbuf.index)].references &+= 1
    }

    /// Drops one reference to a whole mbuf.
    mutating func release(_ mbuf: Mbuf) {
        assert(unsafe headers[Int(mbuf.index)].references > 0)
        assert(unsafe headers[Int(mbuf.index)].blockShift == 0)
        unsafe headers[Int(mbuf.index)].references &-= 1
        if unsafe headers[Int(mbuf.index)].references == 0 { recycle(mbuf.index) }
    }

    private mutating func recycle(_ index: UInt32) {
        unsafe free[Int(freeCount)] = index
        freeCount &+= 1
        usedCount &-= 1
    }
}

// MARK: - Blocks

extension MbufPool {
    private static let smallestShift: UInt8 = 7
    private static let largestShift: UInt8 = 13

    /// Returns at least `count` bytes, all of one block or mbuf, for one owner.
    ///
    /// - Precondition: `0 < count <= Mbuf.size`.
    mutating func takeBlock(of count: Int) -> MbufSlice {
        assert(count > 0)
        assert(count <= Mbuf.size)
        guard count <= 1 << Self.largestShift else {
            return MbufSlice(mbuf: take(), offset: 0, count: Mbuf.size)
        }
        let bits = UInt8(truncatingIfNeeded: Int.bitWidth &- (count &- 1).leadingZeroBitCount)
        return takeBlock(shift: max(bits, Self.smallestShift))
    }

    private mutating func takeBlock(shift: UInt8) -> MbufSlice {
        let list = Int(shift &- Self.smallestShift)
        if partial[list] == noMbuf { cut(take(), shift: shift) }
        let index = partial[list]
        let header = unsafe headers + Int(index)
        let block: UInt8
        if unsafe header.pointee.freeBlock != 0 {
            block = unsafe header.pointee.freeBlock &- 1
            unsafe header.pointee.freeBlock = start(of: index, block, shift).pointee
        } else {
            block = unsafe header.pointee.untouchedBlock
            unsafe header.pointee.untouchedBlock &+= 1
        }
        unsafe header.pointee.references &+= 1
        let blocks = UInt8(truncatingIfNeeded: Mbuf.size >> Int(shift))
        if unsafe header.pointee.freeBlock == 0, unsafe header.pointee.untouchedBlock == blocks {
            unlink(index, from: list)
        }
        return MbufSlice(
            mbuf: Mbuf(index: index), offset: Int(block) << Int(shift), count: 1 << Int(shift))
    }

    /// Gives back what a slice holds: a block, or one reference to a whole mbuf.
    ///
    /// - Parameter slice: Of a block, any part of it will do.
    mutating func release(_ slice: MbufSlice) {
        let index = slice.mbuf.index
        let header = unsafe headers + Int(index)
        assert(unsafe header.pointee.references > 0)
        unsafe header.pointee.references &-= 1
        let shift = unsafe header.pointee.blockShift
        guard shift > 0 else {
            if unsafe header.pointee.references == 0 { recycle(index) }
            return
        }
        let list = Int(shift &- Self.smallestShift)
        if unsafe header.pointee.references == 0 {
            if unsafe header.pointee.isLinked { unlink(index, from: list) }
            recycle(index)
            return
        }
        let block = UInt8(truncatingIfNeeded: Int(slice.offset) >> Int(shift))
        unsafe start(of: index, block, shift).pointee = header.pointee.freeBlock
        unsafe header.pointee.freeBlock = block &+ 1
        if unsafe !header.pointee.isLinked { link(index, to: list) }
    }

    func isBlock(_ slice: MbufSlice) -> Bool {
        unsafe headers[Int(slice.mbuf.index)].blockShift > 0
    }

    private mutating func cut(_ mbuf: Mbuf, shift: UInt8) {
        unsafe headers[Int(mbuf.index)].references = 0
        unsafe headers[Int(mbuf.index)].blockShift = shift
        link(mbuf.index, to: Int(shift &- Self.smallestShift))
    }

    private mutating func link(_ index: UInt32, to list: Int) {
        let header = unsafe headers + Int(index)
        unsafe header.pointee.isLinked = true
        unsafe header.pointee.previous = noMbuf
        unsafe header.pointee.next = partial[list]
        if partial[list] != noMbuf { unsafe headers[Int(partial[list])].previous = index }
        partial[list] = index
    }

    private mutating func unlink(_ index: UInt32, from list: Int) {
        let header = unsafe headers[Int(index)]
        unsafe headers[Int(index)].isLinked = false
        if header.next != noMbuf { unsafe headers[Int(header.next)].previous = header.previous }
        if header.previous != noMbuf {
            unsafe headers[Int(header.previous)].next = header.next
        } else {
            partial[list] = header.next
        }
    }

    private func start(
        of index: UInt32, _ block: UInt8, _ shift: UInt8
    ) -> UnsafeMutablePointer<UInt8> {
        unsafe bytes + (Int(index) &* Mbuf.size &+ Int(block) << Int(shift))
    }
}

// MARK: - Memory

extension MbufPool {
    /// The bytes of a slice, for as long as `body` runs.
    @inline(__always)
    func withBytes<Result, Failure: Error>(
        of slice: MbufSlice, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(UnsafeBufferPointer(start: memory(of: slice), count: slice.count).span)
    }

    /// Where a slice starts. Only `Memory` and a `Ring` should need it.
    func memory(of slice: MbufSlice) -> UnsafeMutablePointer<UInt8> {
        assert(slice.mbuf.index < capacity)
        return unsafe bytes + (Int(slice.mbuf.index) &* Mbuf.size &+ Int(slice.offset))
    }

    /// Free mbufs that nobody needed since the last call go back to the system, except `reserve`.
    ///
    /// - Parameter limit: The most mbufs to give back in this call, so that a turn stays short.
    /// - Returns: Whether another call has something left to do.
    mutating func trim(reserve: UInt32, limit: UInt32) -> Bool {
        let idle = freeLow > reserve ? freeLow - reserve : 0
        let end = min(idle, trimmedCount + limit)
        while trimmedCount < end {
            let index = unsafe free[Int(trimmedCount)]
            unsafe madvise(bytes + Int(index) * Mbuf.size, Mbuf.size, MADV_DONTNEED)
            trimmedCount += 1
        }
        freeLow = freeCount
        return freeCount > reserve && trimmedCount < freeCount - reserve
    }
}
