/// One command on its way through the proxy, or the part of one that goes to one server.
///
/// It stands in two queues at once: that of its client, which is the order of replies, and that of
/// its server connection, which pairs replies with requests. When the client leaves first, the
/// request stays in the server's queue, so that its reply is recognised and dropped.
struct Request: ~Copyable {
    enum Role: UInt8 {
        /// Answered by one server, or by the proxy itself.
        case single
        /// Stands in the client's queue for its fragments, which stand in the servers'.
        case split
        /// Goes to one server; its reply is a part of the whole.
        case fragment
        /// The proxy's own AUTH or SELECT on a new server connection.
        case greeting
    }

    let role: Role
    var isAnswered = false
    /// Part of the reply has left for the client, so nothing but the rest may follow.
    var isStreaming = false
    /// The marker that a reply must have unless it is an error; 0 if any will do.
    var expectedKind: UInt8 = 0
    /// Of a fragment, where it goes.
    var server: UInt16 = 0
    /// Bytes sent to the server.
    var byteCount: UInt32 = 0
    /// `none` once the client has left, and for fragments.
    var client: Handle<ClientConnection>
    /// Of a split request or a fragment, what they share.
    var gathering: Handle<Gathering>
    var nextOfClient = Handle<Request>.none
    var nextOfServer = Handle<Request>.none
    /// The next fragment of the same request, in server order.
    var nextFragment = Handle<Request>.none
    /// Nanoseconds, as the ring counts.
    var enqueuedAt: UInt64 = 0
    /// What has arrived of the reply and cannot go to the client yet.
    var reply = MbufChain()

    init(_ role: Role, client: Handle<ClientConnection>, gathering: Handle<Gathering> = .none) {
        self.role = role
        self.client = client
        self.gathering = gathering
    }
}

/// What the fragments of one request have in common: how their replies become one.
struct Gathering: ~Copyable {
    let split: Command.Split
    /// The request in the client's queue.
    let whole: Handle<Request>
    /// Fragments whose replies are still to come.
    var pendingCount = 0
    var firstFragment = Handle<Request>.none
    let keyCount: Int
    /// Per key the index of its server, in two bytes, the lower first.
    var servers: MbufChain

    init(
        split: Command.Split, whole: Handle<Request>, keyCount: Int,
        servers: consuming MbufChain
    ) {
        self.split = split
        self.whole = whole
        self.keyCount = keyCount
        self.servers = servers
    }
}

/// A request that has just arrived as a whole, before anybody has read it.
///
/// Its bytes lie in one slice, which is part of a mbuf just received, or in a chain that travels
/// beside this value, as it has an owner.
struct Arrival: BitwiseCopyable {
    /// The start of the request.
    let start: MbufCursor
    let isContiguous: Bool
    let byteCount: Int
    let argumentCount: Int
    let name: RESPRequestParser.Argument
    /// The argument after the name; empty if there is none.
    let first: RESPRequestParser.Argument

    /// - Parameters:
    ///   - slice: All of the request, unless `chain` is.
    ///   - chain: All of the request, or empty.
    init(
        slice: MbufSlice, chain: borrowing MbufChain, parser: borrowing RESPRequestParser,
        mbufs: borrowing MbufPool
    ) {
        isContiguous = chain.isEmpty
        start = chain.isEmpty ? mbufs.cursor(of: slice) : mbufs.cursor(of: chain)
        byteCount = chain.isEmpty ? slice.count : chain.byteCount
        argumentCount = Int(parser.argumentCount)
        name = parser.name
        first = parser.first
    }

    /// The bytes of an argument of a contiguous request.
    func slice(of argument: RESPRequestParser.Argument) -> MbufSlice {
        assert(isContiguous)
        return start.slice.range(argument.start, argument.start &+ argument.count)
    }
}
