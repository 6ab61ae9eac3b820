/// Bytes of one message, or of several in a row, spread over slices. Sixteen bytes; the slices
/// are listed in the pool.
///
/// A chain owns what its slices hold: a block, or one reference to an mbuf, each. It must end in
/// `MbufPool.release(_:)` or be moved into another chain.
struct MbufChain: ~Copyable {
    fileprivate(set) var head = ChainNodePool.none
    fileprivate var tail = ChainNodePool.none
    private(set) var byteCount = 0

    var isEmpty: Bool { byteCount == 0 }

    fileprivate mutating func add(_ count: Int) {
        byteCount &+= count
    }

    /// Takes the chain out, and leaves an empty one.
    mutating func take() -> MbufChain {
        let taken = MbufChain(head: head, tail: tail, byteCount: byteCount)
        self = MbufChain()
        return taken
    }
}

/// One slice of a chain.
struct ChainNode: BitwiseCopyable {
    var slice: MbufSlice
    var next: UInt32
    /// Bytes free behind the slice in its block; 0 when the slice is of a shared mbuf.
    var room: UInt16
    private let padding: UInt16 = 0

    init(slice: MbufSlice, room: UInt16) {
        self.slice = slice
        self.room = room
        next = ChainNodePool.none
    }
}

/// The nodes of all chains of one pool, in memory reserved at start-up.
@safe
struct ChainNodePool: ~Copyable {
    static let none = UInt32.max
    /// Of the smallest blocks 128 fit in an mbuf; shared mbufs add a few nodes each.
    static let perMbufMax: UInt32 = 160
    /// The most parts of one send. More would only make the kernel's own list longer.
    static let sendPartsMax = 64

    // First, for the reason that `Slab` gives.
    private let nodes: UnsafeMutablePointer<ChainNode>
    private let capacity: UInt32
    private var firstFree = none
    private var untouched: UInt32 = 0
    private(set) var usedCount: UInt32 = 0

    init(capacity: UInt32) {
        self.capacity = capacity
        unsafe nodes = .allocate(capacity: Int(capacity))
    }

    deinit {
        unsafe nodes.deallocate()
    }

    /// For cursors, which outlive no pool.
    var memory: UnsafePointer<ChainNode> { unsafe UnsafePointer(nodes) }

    subscript(index: UInt32) -> ChainNode {
        _read {
            assert(index < untouched)
            yield unsafe nodes[Int(index)]
        }
        nonmutating _modify {
            assert(index < untouched)
            yield unsafe &nodes[Int(index)]
        }
    }

    mutating func insert(_ node: ChainNode) -> UInt32 {
        usedCount &+= 1
        var index = firstFree
        if index != Self.none {
            firstFree = unsafe nodes[Int(index)].next
        } else {
            precondition(untouched < capacity, "chain nodes exhausted")
            index = untouched
            untouched &+= 1
        }
        unsafe nodes[Int(index)] = node
        return index
    }

    mutating func remove(_ index: UInt32) {
        assert(index < untouched)
        usedCount &-= 1
        unsafe nodes[Int(index)].next = firstFree
        firstFree = index
    }
}

// MARK: - Appending

extension MbufPool {
    /// From this many bytes a slice is referenced, and below copied. A reference costs a node and
    /// pins its mbuf; a copy of this length costs about as much as one more part in a send.
    static let copyBorder = 4096

    /// Adds the bytes of a slice: copied if there are few, else by a reference to their mbuf.
    ///
    /// A block has one owner, so its bytes are always copied.
    mutating func append(_ slice: MbufSlice, to chain: inout MbufChain) {
        if slice.count < Self.copyBorder || isBlock(slice) {
            append(copyOf: slice, to: &chain)
        } else {
            retain(slice.mbuf)
            append(owned: slice, room: 0, to: &chain)
        }
    }

    mutating func append(copyOf slice: MbufSlice, to chain: inout MbufChain) {
        guard slice.count > 0 else { return }
        unsafe append(memory(of: slice), count: slice.count, to: &chain)
    }

    mutating func append(_ text: StaticString, to chain: inout MbufChain) {
        unsafe append(text.utf8Start, count: text.utf8CodeUnitCount, to: &chain)
    }

    mutating func append(_ bytes: Span<UInt8>, to chain: inout MbufChain) {
        unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            unsafe append(start, count: buffer.count, to: &chain)
        }
    }

    mutating func append(_ byte: UInt8, to chain: inout MbufChain) {
        unsafe withUnsafePointer(to: byte) { unsafe append($0, count: 1, to: &chain) }
    }

    /// Adds a number in decimal.
    mutating func append(decimal number: Int, to chain: inout MbufChain) {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var start = 20
        var rest = number.magnitude
        repeat {
            start &-= 1
            digits[start] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        if number < 0 {
            start &-= 1
            digits[start] = UInt8(ascii: "-")
        }
        append(digits.span.extracting(start..<20), to: &chain)
    }

    private mutating func append(
        _ start: UnsafePointer<UInt8>, count: Int, to chain: inout MbufChain
    ) {
        var start = unsafe start
        var count = count
        chain.add(count)
        if chain.tail != ChainNodePool.none {
            let room = Int(nodes[chain.tail].room)
            if room > 0 {
                let copied = min(room, count)
                let slice = nodes[chain.tail].slice
                unsafe (memory(of: slice) + slice.count).update(from: start, count: copied)
                nodes[chain.tail].slice = slice.extended(by: copied)
                nodes[chain.tail].room = UInt16(truncatingIfNeeded: room &- copied)
                unsafe start += copied
                count &-= copied
            }
        }
        while count > 0 {
            // Blocks grow with the chain: most messages are small, and long ones want few parts.
            let block = takeBlock(of: min(Mbuf.size, max(count, chain.byteCount)))
            let copied = min(block.count, count)
            unsafe memory(of: block).update(from: start, count: copied)
            let room = UInt16(truncatingIfNeeded: block.count &- copied)
            link(ChainNode(slice: block.prefix(copied), room: room), to: &chain)
            unsafe start += copied
            count &-= copied
        }
    }

    /// Takes back the last bytes, which the chain must have copies of. Returns false, and takes
    /// none, if the last slice has no more than these.
    mutating func removeLast(_ count: Int, from chain: inout MbufChain) -> Bool {
        let slice = nodes[chain.tail].slice
        guard slice.count > count else { return false }
        nodes[chain.tail].slice = slice.prefix(slice.count &- count)
        nodes[chain.tail].room &+= UInt16(truncatingIfNeeded: count)
        chain.add(0 &- count)
        return true
    }

    /// Adds a slice whose reference or block the chain takes over.
    private mutating func append(owned slice: MbufSlice, room: UInt16, to chain: inout MbufChain) {
        chain.add(slice.count)
        link(ChainNode(slice: slice, room: room), to: &chain)
    }

    private mutating func link(_ node: ChainNode, to chain: inout MbufChain) {
        let index = nodes.insert(node)
        if chain.tail == ChainNodePool.none {
            chain.head = index
        } else {
            nodes[chain.tail].next = index
        }
        chain.tail = index
    }

    /// Moves all of a chain behind another, and leaves it empty. Small parts are copied, so that a
    /// thousand small replies make a few parts, not a thousand.
    mutating func append(moving source: inout MbufChain, to chain: inout MbufChain) {
        guard source.head != ChainNodePool.none else { return }
        if source.byteCount >= Self.copyBorder || chain.isEmpty {
            if chain.tail == ChainNodePool.none {
                chain.head = source.head
            } else {
                nodes[chain.tail].next = source.head
            }
            chain.tail = source.tail
            chain.add(source.byteCount)
            source = MbufChain()
            return
        }
        var index = source.head
        while index != ChainNodePool.none {
            append(copyOf: nodes[index].slice, to: &chain)
            index = nodes[index].next
        }
        release(&source)
    }

    /// Takes the start of a chain, as much as one send may have.
    ///
    /// - Parameter partsMax: Slices of it, `ChainNodePool.sendPartsMax` at most.
    mutating func takeSend(
        from chain: inout MbufChain, partsMax: Int = ChainNodePool.sendPartsMax
    ) -> MbufChain {
        var index = chain.head
        var count = 0
        var parts = 0
        while index != ChainNodePool.none {
            count &+= nodes[index].slice.count
            parts &+= 1
            let next = nodes[index].next
            if parts == partsMax, next != ChainNodePool.none {
                var first = MbufChain()
                first.head = chain.head
                first.tail = index
                first.add(count)
                nodes[index].next = ChainNodePool.none
                chain.head = next
                chain.add(0 &- count)
                return first
            }
            index = next
        }
        return chain.take()
    }

    /// Takes the first slice out, with the block or reference it holds; nil at the end.
    mutating func takeFirst(from chain: inout MbufChain) -> MbufSlice? {
        guard chain.head != ChainNodePool.none else { return nil }
        let node = nodes[chain.head]
        nodes.remove(chain.head)
        chain.head = node.next
        if node.next == ChainNodePool.none { chain.tail = ChainNodePool.none }
        chain.add(0 &- node.slice.count)
        return node.slice
    }

    /// Gives back the first bytes.
    ///
    /// - Precondition: There are at least so many.
    mutating func removeFirst(_ count: Int, from chain: inout MbufChain) {
        var left = count
        while left > 0 {
            precondition(chain.head != ChainNodePool.none)
            let slice = nodes[chain.head].slice
            guard slice.count <= left else {
                nodes[chain.head].slice = slice.dropFirst(left)
                return chain.add(0 &- left)
            }
            left &-= slice.count
            if let first = takeFirst(from: &chain) { release(first) }
        }
    }

    /// Gives back everything a chain holds, and leaves it empty.
    mutating func release(_ chain: inout MbufChain) {
        var index = chain.head
        while index != ChainNodePool.none {
            let node = nodes[index]
            release(node.slice)
            nodes.remove(index)
            index = node.next
        }
        chain = MbufChain()
    }
}

extension MbufSlice {
    fileprivate func extended(by count: Int) -> MbufSlice {
        MbufSlice(mbuf: mbuf, offset: Int(offset), count: self.count &+ count)
    }
}
