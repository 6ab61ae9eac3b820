import Glibc

/// Message headers, part lists and addresses of the operations of one submission.
@safe
struct SubmissionScratch: ~Copyable {
    private let capacity: Int
    private let messages: UnsafeMutablePointer<msghdr>
    private let parts: UnsafeMutablePointer<iovec>
    private let addresses: UnsafeMutablePointer<sockaddr_storage>
    private var messageCount = 0
    private var partCount = 0
    private var addressCount = 0

    /// - Parameter capacity: In operations.
    init(capacity: Int) {
        self.capacity = capacity
        unsafe messages = .allocate(capacity: capacity)
        unsafe parts = .allocate(capacity: capacity + ChainNodePool.sendPartsMax)
        unsafe addresses = .allocate(capacity: capacity)
    }

    deinit {
        unsafe messages.deallocate()
        unsafe parts.deallocate()
        unsafe addresses.deallocate()
    }

    /// Whether there may be no room for one more operation.
    var isFull: Bool {
        messageCount == capacity || addressCount == capacity || partCount >= capacity
    }

    mutating func reset() {
        messageCount = 0
        partCount = 0
        addressCount = 0
    }

    mutating func add(
        _ chain: borrowing MbufChain, of mbufs: borrowing MbufPool
    ) -> UnsafeMutablePointer<msghdr> {
        let start = unsafe parts + partCount
        var count = 0
        var index = chain.head
        while index != ChainNodePool.none {
            let node = mbufs.nodes[index]
            unsafe (start + count).initialize(
                to: iovec(iov_base: mbufs.memory(of: node.slice), iov_len: node.slice.count))
            count &+= 1
            index = node.next
        }
        precondition(count <= ChainNodePool.sendPartsMax)
        partCount &+= count
        let message = unsafe messages + messageCount
        messageCount &+= 1
        unsafe message.initialize(to: msghdr())
        unsafe message.pointee.msg_iov = start
        unsafe message.pointee.msg_iovlen = count
        return unsafe message
    }

    mutating func add(
        _ address: borrowing SocketAddress
    ) -> (UnsafePointer<sockaddr>, socklen_t) {
        let copy = unsafe addresses + addressCount
        addressCount &+= 1
        unsafe copy.initialize(to: address.storage)
        return unsafe (
            UnsafePointer(UnsafeRawPointer(copy).assumingMemoryBound(to: sockaddr.self)),
            address.length
        )
    }
}
