import CLiburing
import Glibc

/// How many mbufs the kernel has at a time, per group.
struct MbufCounts: BitwiseCopyable {
    /// Where the kernel fills an mbuf over several receives (Linux 6.12).
    var incremental: UInt32
    /// Where each receive takes an mbuf of its own.
    var plain: UInt32
}

/// Mbufs that the kernel may fill: one group of provided buffers, and which mbuf stands behind
/// each of its identifiers.
@safe
struct BufferRing: BitwiseCopyable {
    /// IORING_CQE_F_BUF_MORE (Linux 6.12, not in liburing 2.3): the kernel keeps this buffer.
    static let moreFlag: UInt32 = 1 << 4
    /// IOU_PBUF_RING_INC (Linux 6.12, not in liburing 2.3): fill a buffer over several receives.
    private static let incrementalFlag: UInt16 = 2

    /// 0, or a negated errno when the kernel refused.
    let status: Int32
    private let count: UInt32
    private let entries: UnsafeMutablePointer<io_uring_buf_ring>
    /// Per identifier, the mbuf and how much of it is filled.
    private let mbufs: UnsafeMutablePointer<UInt32>
    private let filled: UnsafeMutablePointer<UInt16>
    private let vacant: UnsafeMutablePointer<UInt16>
    private(set) var vacantCount: UInt32
    private var addedCount: Int32 = 0

    /// - Parameter counts: Of buffers, powers of two. Where one buffer takes several receives, few
    ///   are enough, and few stay in the cache.
    init(
        _ ring: UnsafeMutablePointer<io_uring>, group: UInt16, counts: MbufCounts
    ) {
        precondition(counts.plain.nonzeroBitCount == 1 && counts.plain <= 32768)
        precondition(counts.incremental.nonzeroBitCount == 1 && counts.incremental <= counts.plain)
        var count = counts.plain
        let size = Int(count) * MemoryLayout<io_uring_buf>.stride
        let memory = unsafe mmap(
            nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            fatalError("out of memory for a buffer ring")
        }
        unsafe entries = memory.bindMemory(to: io_uring_buf_ring.self, capacity: 1)
        unsafe io_uring_buf_ring_init(entries)
        var registration = io_uring_buf_reg()
        registration.ring_addr = UInt64(UInt(bitPattern: memory))
        registration.ring_entries = counts.incremental
        registration.bgid = group
        // The place of the flags, which liburing 2.3 does not name.
        registration.pad = Self.incrementalFlag
        var status = unsafe io_uring_register_buf_ring(ring, &registration, 0)
        if status == 0 {
            count = counts.incremental
        } else if status == -EINVAL {
            registration.ring_entries = counts.plain
            registration.pad = 0
            status = unsafe io_uring_register_buf_ring(ring, &registration, 0)
        }
        self.status = status
        self.count = count
        vacantCount = count
        unsafe mbufs = .allocate(capacity: Int(count))
        unsafe filled = .allocate(capacity: Int(count))
        unsafe vacant = .allocate(capacity: Int(count))
        for identifier in 0..<Int(count) {
            unsafe vacant[identifier] = UInt16(Int(count) - 1 - identifier)
        }
    }

    /// Queues an mbuf for the kernel, which sees it after `publish`.
    mutating func add(_ mbuf: Mbuf, memory: UnsafeMutablePointer<UInt8>) {
        precondition(vacantCount > 0)
        vacantCount &-= 1
        let identifier = unsafe vacant[Int(vacantCount)]
        unsafe mbufs[Int(identifier)] = mbuf.index
        unsafe filled[Int(identifier)] = 0
        let mask = Int32(bitPattern: count &- 1)
        unsafe io_uring_buf_ring_add(
            entries, memory, UInt32(Mbuf.size), identifier, mask, addedCount)
        addedCount &+= 1
    }

    mutating func publish() {
        guard addedCount > 0 else { return }
        unsafe io_uring_buf_ring_advance(entries, addedCount)
        addedCount = 0
    }

    /// What the kernel put into a buffer just now.
    mutating func take(_ identifier: Int, count: Int, isShared: Bool) -> MbufSlice {
        precondition(identifier < Int(self.count))
        let start = unsafe Int(filled[identifier])
        let mbuf = unsafe Mbuf(index: mbufs[identifier])
        if isShared {
            unsafe filled[identifier] = UInt16(truncatingIfNeeded: start &+ count)
        } else {
            unsafe vacant[Int(vacantCount)] = UInt16(identifier)
            vacantCount &+= 1
        }
        return MbufSlice(mbuf: mbuf, offset: start, count: count)
    }
}
