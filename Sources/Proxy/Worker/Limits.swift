/// How much one worker may hold. Memory is reserved as address space at the start and becomes
/// resident only when it is used.
package struct WorkerLimits: Sendable {
    package var clientMax: UInt32
    /// Requests in flight, fragments included. Whoever asks for more waits for the replies to its
    /// own, or is told that there are too many.
    package var requestMax: UInt32 = 4 << 20
    /// Mbufs in use, of all workers together, from which on clients that hold much are read one
    /// after another.
    package var mbufSoftMax: UInt32
    /// Mbufs in use, of all workers together, from which on whoever holds most gives it up.
    package var mbufHardMax: UInt32
    /// Mbufs that the kernel has at a time, per group.
    var providedMbufs = MbufCounts(incremental: 64, plain: 512)
    var client = ClientLimits()
    /// Lanes of a server at most, whatever `server_connections` says.
    var laneMax = 1 << 16
    /// Requests that may wait on one server connection, and bytes that may wait to be sent to one
    /// server. At either, the clients who send there are held.
    var serverRequestMax: UInt32 = 1 << 20
    var serverQueueMax: Int
    /// Replies from this many bytes on are not kept until they are whole: once the request is the
    /// client's oldest, what is there goes out.
    var streamingMin = 1 << 20
    /// Bytes of a line in the reply to a memcached get, where it arrives in pieces. memcached's are
    /// a fraction of it; a server that sends more is not in step.
    var replyLineMax = 4096
    /// How long a server connection may hold clients and neither send nor receive anything.
    var serverStall: UInt64 = 5_000_000_000
    /// How long a client that must read may read nothing.
    var clientStall: UInt64 = 10_000_000_000

    /// How long a client may take to authenticate, where it must.
    var authenticationNanoseconds: UInt64 = 60_000_000_000

    /// How long requests in flight may take to finish when the proxy ends.
    package var drainNanoseconds: UInt64 = 10_000_000_000

    /// Bytes of message memory that each worker needs at least.
    package static let memoryMin = 4 << 20

    /// - Parameter memoryMax: Bytes of message memory, of all workers together.
    package init(clientMax: UInt32, memoryMax: Int = 1 << 30, workerCount: Int = 1) {
        self.clientMax = clientMax
        mbufHardMax = UInt32(memoryMax / Mbuf.size)
        mbufSoftMax = mbufHardMax / 4 * 3
        serverQueueMax = max(memoryMax / 64 / workerCount, 1 << 20)
        client = ClientLimits(memoryMax: memoryMax)
        // What the kernel has must leave room for requests.
        let share = UInt32(memoryMax / workerCount / Mbuf.size / 8)
        while providedMbufs.plain > share { providedMbufs.plain /= 2 }
        providedMbufs.incremental = min(providedMbufs.incremental, providedMbufs.plain)
    }

    /// More than the hard limit, by what one turn can add to it: everything that was provided may
    /// arrive at once, and be answered with errors longer than itself.
    var mbufReserve: UInt32 {
        mbufHardMax * 2 + providedMbufs.plain * 64
    }
}
