/// How much one worker may hold. Memory is reserved as address space at the start and becomes
/// resident only when it is used.
package struct WorkerLimits: Sendable {
    package var clientMax: UInt32
    /// Requests in flight, fragments included. A client that asks for more is closed.
    package var requestMax: UInt32
    /// Mbufs in use from which on clients are not read.
    package var mbufSoftMax: UInt32
    /// Mbufs in use from which on the client that holds most is closed.
    package var mbufHardMax: UInt32
    /// Mbufs that the kernel has at a time, per group.
    var providedMbufs = MbufCounts(incremental: 64, plain: 512)
    var client = ClientLimits()
    /// Lanes of a server at most, whatever `server_connections` says.
    var laneMax = 1 << 16
    /// Requests that may wait on one server connection. More get an error at once.
    var serverRequestMax: UInt32 = 1 << 20
    /// Bytes that may wait on one server connection when a request that has no reply comes. It is
    /// dropped then: there is no reply to tell the client by.
    var silentBytesMax = 32 << 20
    /// Replies from this many bytes on are not kept until they are whole: once the request is the
    /// client's oldest, what is there goes out.
    var streamingMin = 1 << 20
    /// Bytes of a line in the reply to a memcached get, where it arrives in pieces. memcached's are
    /// a fraction of it; a server that sends more is not in step.
    var replyLineMax = 4096

    /// How long a client may take to authenticate, where it must.
    var authenticationNanoseconds: UInt64 = 60_000_000_000

    /// How long requests in flight may take to finish when the proxy ends.
    package var drainNanoseconds: UInt64 = 10_000_000_000

    package init(clientMax: UInt32, memoryMax: Int = 512 << 20) {
        self.clientMax = clientMax
        requestMax = 4 << 20
        mbufHardMax = UInt32(memoryMax / Mbuf.size)
        mbufSoftMax = mbufHardMax / 4 * 3
    }

    /// More than the hard limit, by what one turn can add to it: everything that was provided may
    /// arrive at once, and be answered with errors longer than itself.
    var mbufReserve: UInt32 {
        mbufHardMax * 2 + providedMbufs.plain * 64
    }
}
