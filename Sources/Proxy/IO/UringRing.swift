import CLiburing
import Glibc

/// The `Ring` of the running program: Linux io_uring, by way of liburing.
///
/// Belongs to the thread that makes it (IORING_SETUP_SINGLE_ISSUER and DEFER_TASKRUN).
@safe
struct UringRing: ~Copyable {
    /// On the heap because liburing keeps pointers into it.
    private let ring: UnsafeMutablePointer<io_uring>
    private let groups: FixedArray<BufferRing>

    /// What queued operations point at. The kernel is done with it when it has taken the queue
    /// (IORING_FEAT_SUBMIT_STABLE), so each submission starts it anew.
    private var scratch: SubmissionScratch

    /// Completions that can be read, and how many of them were.
    private var readyCount: UInt32 = 0
    private var readCount: UInt32 = 0

    private var acceptor = Acceptor()

    /// After fewer completions than this, others may go first.
    private static let smallTurn = 16
    private var courtesy = Courtesy()

    /// Whether turns are made bigger, as those of one worker among several want it.
    private let gathers: Bool
    /// Completions that a turn gathers at most, and for how long.
    private static let gatheredMax = 64
    private static let gatherNanoseconds: UInt64 = 200_000
    private var gatheredCount: UInt32 = 0
    private var gatherEnd: UInt64 = 0

    struct SetupError: Error {
        let errno: Int32
    }

    /// - Parameters:
    ///   - entries: How many operations can be queued between two submissions.
    ///   - bufferCounts: Provided mbufs per group, powers of two.
    ///   - gathers: Whether other workers have some of the clients.
    static func make(
        entries: UInt32, bufferCounts: MbufCounts, gathers: Bool
    ) throws(SetupError) -> UringRing {
        let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
        unsafe ring.initialize(to: io_uring())
        let status = unsafe Self.setUp(ring, entries: entries)
        guard status == 0 else {
            unsafe ring.deallocate()
            throw SetupError(errno: -status)
        }
        unsafe io_uring_register_ring_fd(ring)
        let made = unsafe UringRing(
            ring, entries: entries, bufferCounts: bufferCounts, gathers: gathers)
        for group in MbufGroup.allCases where made.groups[group.rawValue].status != 0 {
            throw SetupError(errno: -made.groups[group.rawValue].status)
        }
        return made
    }

    private init(
        _ ring: UnsafeMutablePointer<io_uring>, entries: UInt32, bufferCounts: MbufCounts,
        gathers: Bool
    ) {
        unsafe self.ring = ring
        self.gathers = gathers
        scratch = SubmissionScratch(capacity: Int(entries))
        groups = FixedArray(count: MbufGroup.allCases.count) { group in
            unsafe BufferRing(ring, group: UInt16(group), counts: bufferCounts)
        }
    }

    deinit {
        unsafe io_uring_queue_exit(ring)
        unsafe ring.deallocate()
    }

    /// Tries the fastest mode first. DEFER_TASKRUN needs Linux 6.1, COOP_TASKRUN 5.19.
    private static func setUp(_ ring: UnsafeMutablePointer<io_uring>, entries: UInt32) -> Int32 {
        let common =
            UInt32(IORING_SETUP_SUBMIT_ALL) | UInt32(IORING_SETUP_CQSIZE)
            | UInt32(IORING_SETUP_CLAMP)
        let modes = [
            UInt32(IORING_SETUP_SINGLE_ISSUER) | UInt32(IORING_SETUP_DEFER_TASKRUN)
                | UInt32(IORING_SETUP_TASKRUN_FLAG),
            UInt32(IORING_SETUP_COOP_TASKRUN) | UInt32(IORING_SETUP_TASKRUN_FLAG),
            0,
        ]
        var status: Int32 = 0
        for flags in modes {
            var parameters = io_uring_params()
            parameters.flags = common | flags
            parameters.cq_entries = entries * 8
            status = unsafe io_uring_queue_init_params(entries, ring, &parameters)
            if status != -EINVAL { return status }
        }
        return status
    }

    /// What `hand` of another ring takes.
    var descriptor: Int32 { unsafe ring.pointee.ring_fd }

    /// Returns a free entry, first submitting the queued ones if there is none.
    private mutating func nextEntry() -> UnsafeMutablePointer<io_uring_sqe> {
        if let entry = unsafe _io_uring_get_sqe(ring) { return unsafe entry }
        submit()
        guard let entry = unsafe _io_uring_get_sqe(ring) else {
            fatalError("the submission queue stayed full after a submission")
        }
        return unsafe entry
    }

    private mutating func submit() {
        check(unsafe io_uring_submit(ring))
        resetScratch()
    }

    /// What the kernel has not taken, for want of memory, still points there.
    private mutating func resetScratch() {
        if unsafe io_uring_sq_ready(ring) == 0 { scratch.reset() }
    }
}

// MARK: - Operations

extension UringRing: Ring {
    var now: UInt64 {
        MonotonicClock.now
    }

    var microsecondsSince1970: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int(time.tv_sec) &* 1_000_000 &+ Int(time.tv_nsec) / 1000
    }

    mutating func accept(on listener: Socket, token: Token) {
        acceptor.add(listener, token: token)
        guard !acceptor.isWatched else { return }
        acceptor.isWatched = true
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_poll_multishot(entry, acceptor.descriptor, UInt32(POLLIN))
        unsafe io_uring_sqe_set_data64(entry, Token(.acceptReady).rawValue)
    }

    mutating func stopAccepting(on listener: Socket) {
        acceptor.remove(listener)
    }

    mutating func hand(
        _ socket: Socket, toRing descriptor: Int32, token: Token, sent: Token
    ) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_msg_ring(
            entry, descriptor, UInt32(bitPattern: socket.descriptor), token.rawValue, 0)
        unsafe io_uring_sqe_set_data64(entry, sent.rawValue)
    }

    mutating func openSocket(for address: borrowing SocketAddress) -> Result<Socket, SystemError> {
        Sockets.open(for: address)
    }

    mutating func keepAlive(_ socket: Socket) {
        Sockets.set(socket.descriptor, Int32(SOL_SOCKET), SO_KEEPALIVE)
    }

    func peer(of socket: Socket) -> PeerAddress { PeerAddress(of: socket) }

    mutating func connect(_ socket: Socket, to address: borrowing SocketAddress, token: Token) {
        if scratch.isFull { submit() }
        let entry = unsafe nextEntry()
        let (pointer, length) = unsafe scratch.add(address)
        unsafe io_uring_prep_connect(entry, socket.descriptor, pointer, length)
        unsafe io_uring_sqe_set_data64(entry, token.rawValue)
    }

    mutating func receive(from socket: Socket, into group: MbufGroup, token: Token) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_recv_multishot(entry, socket.descriptor, nil, 0, 0)
        unsafe entry.pointee.flags |= UInt8(1 << IOSQE_BUFFER_SELECT_BIT)
        unsafe entry.pointee.buf_group = UInt16(group.rawValue)
        unsafe io_uring_sqe_set_data64(entry, token.rawValue)
    }

    mutating func send(
        _ chain: borrowing MbufChain, of mbufs: borrowing MbufPool, to socket: Socket,
        endFollows: Bool, token: Token
    ) {
        // WAITALL: the kernel goes on after a short send, so one completion is the whole chain.
        let more = endFollows ? Int32(MSG_MORE) : 0
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_WAITALL) | more
        if scratch.isFull { submit() }
        let entry = unsafe nextEntry()
        let first = mbufs.nodes[chain.head]
        if first.next == ChainNodePool.none {
            unsafe io_uring_prep_send(
                entry, socket.descriptor, mbufs.memory(of: first.slice), first.slice.count, flags)
        } else {
            let message = unsafe scratch.add(chain, of: mbufs)
            unsafe io_uring_prep_sendmsg(entry, socket.descriptor, message, UInt32(flags))
        }
        unsafe io_uring_sqe_set_data64(entry, token.rawValue)
    }

    mutating func shutDown(_ socket: Socket) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_shutdown(entry, socket.descriptor, Int32(SHUT_WR))
        unsafe io_uring_sqe_set_data64(entry, Token(.ignored).rawValue)
    }

    mutating func cancel(_ token: Token) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_cancel64(entry, token.rawValue, 0)
        unsafe io_uring_sqe_set_data64(entry, Token(.ignored).rawValue)
    }

    mutating func close(_ socket: Socket, token: Token) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_close(entry, socket.descriptor)
        unsafe io_uring_sqe_set_data64(entry, token.rawValue)
    }

    mutating func watch(_ descriptor: Socket, token: Token) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_poll_add(entry, descriptor.descriptor, UInt32(POLLIN))
        unsafe io_uring_sqe_set_data64(entry, token.rawValue)
    }

    func vacancies(in group: MbufGroup) -> Int {
        Int(groups[group.rawValue].vacantCount)
    }

    mutating func provide(_ mbuf: Mbuf, of mbufs: borrowing MbufPool, to group: MbufGroup) {
        let slice = MbufSlice(mbuf: mbuf, offset: 0, count: Mbuf.size)
        unsafe groups[group.rawValue].add(mbuf, memory: mbufs.memory(of: slice))
    }
}

// MARK: - Completions

extension UringRing {
    mutating func submitAndWait(until deadline: UInt64) {
        unsafe io_uring_cq_advance(ring, readCount)
        groups[0].publish()
        groups[1].publish()
        if readCount < Self.smallTurn, gathers || hasMore {
            submit()
            if hasMore { giveWay(at: now) }
        }
        let status: Int32
        if deadline == .max {
            status = unsafe io_uring_submit_and_wait(ring, 1)
        } else {
            let now = self.now
            let wait = deadline > now ? deadline - now : 0
            var limit = __kernel_timespec(
                tv_sec: Int64(wait / 1_000_000_000), tv_nsec: Int64(wait % 1_000_000_000))
            var first: UnsafeMutablePointer<io_uring_cqe>?
            status = unsafe io_uring_submit_and_wait_timeout(ring, &first, 1, &limit, nil)
        }
        check(status)
        resetScratch()
        gatheredCount = 0
        gatherEnd = 0
        countReady()
    }

    mutating func gather() -> Bool {
        gatheredCount &+= readCount
        guard gathers, gatheredCount < Self.gatheredMax, hasMore else { return false }
        let now = now
        if gatherEnd == 0 { gatherEnd = now &+ Self.gatherNanoseconds }
        guard now < gatherEnd, courtesy.givesWay(at: now) else { return false }
        unsafe io_uring_cq_advance(ring, readCount)
        giveWay(at: now)
        check(unsafe io_uring_get_events(ring))
        countReady()
        return readyCount > 0
    }

    private mutating func countReady() {
        readCount = 0
        readyCount = unsafe io_uring_cq_ready(ring)
        courtesy.didReceive(readyCount)
    }

    private func check(_ status: Int32) {
        precondition(
            status >= 0 || status == -ETIME || status == -EINTR || status == -EBUSY
                || status == -EAGAIN, "io_uring_enter: \(status)")
    }

    /// Whether completions wait for the kernel to be entered. Tells so without entering it.
    private var hasMore: Bool {
        unsafe ring.pointee.sq.kflags.pointee & UInt32(IORING_SQ_TASKRUN) != 0
    }

    /// Lets other threads of this processor go first, if they want it: what servers and clients on
    /// this host send meanwhile makes one turn, not many small ones. On a processor of its own a
    /// worker goes on at once.
    private mutating func giveWay(at time: UInt64) {
        guard courtesy.givesWay(at: time) else { return }
        sched_yield()
        courtesy.didGiveWay(from: time, to: now)
    }

    mutating func nextCompletion() -> Completion? {
        if acceptor.isReady, let accepted = acceptor.next() { return accepted }
        guard readCount < readyCount else { return nil }
        let queue = unsafe ring.pointee.cq
        let index = unsafe (queue.khead.pointee &+ readCount) & queue.ring_mask
        let entry = unsafe queue.cqes[Int(index)]
        readCount &+= 1
        let token = Token(rawValue: entry.user_data)
        let isMore = entry.flags & UInt32(IORING_CQE_F_MORE) != 0
        if token.purpose == .acceptReady {
            acceptor.isReady = true
            acceptor.isWatched = isMore
            return nextCompletion()
        }
        guard entry.flags & UInt32(IORING_CQE_F_BUFFER) != 0 else {
            return Completion(token: token, result: entry.res, isMore: isMore)
        }
        return completion(entry, token: token, isMore: isMore)
    }

    /// Of a receive that filled a provided mbuf.
    private func completion(_ entry: io_uring_cqe, token: Token, isMore: Bool) -> Completion {
        let identifier = Int(entry.flags >> UInt32(IORING_CQE_BUFFER_SHIFT))
        let group = token.purpose == .clientReceive ? MbufGroup.clients : .servers
        let isShared = entry.flags & BufferRing.moreFlag != 0
        let slice = groups[group.rawValue].take(
            identifier, count: Int(max(0, entry.res)), isShared: isShared)
        return Completion(
            token: token, result: entry.res, isMore: isMore, slice: slice, isMbufShared: isShared)
    }
}
