/// One command on its way through the proxy, or the part of one that goes to one server.
///
/// It stands in two queues at once: that of its client, which is the order of replies, and that of
/// its server connection, which pairs replies with requests. When the client leaves first, the
/// request stays in the server's queue, so that its reply is recognised and dropped.
///
/// It takes 64 bytes, a line of the cache: with thousands in flight most are not in it any more
/// when their reply comes.
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

    enum Progress: UInt8 {
        case waiting
        /// Part of the reply has left for the client, so nothing but the rest may follow.
        case streaming
        case answered
    }

    /// Whether a memcached server, or the proxy in its place, may leave out the reply.
    enum Silence: UInt8 {
        case none
        /// The memcache `q`: the server decides, and then the next reply is a barrier's.
        case quiet
        /// The client said `noreply`, and the server was not told so: its reply is dropped.
        case dropped
    }

    let role: Role
    var progress = Progress.waiting
    let silence: Silence
    /// What its reply may be, as `ReplyParser` reads it.
    let expectedKind: UInt8
    /// Of a fragment that is answered, the kind of its reply.
    var replyKind = ReplyKind.any
    /// Whether the next request of the server is answered by the same reply: both are gets, in one
    /// line.
    var sharesReply = false
    /// Of a fragment, where it goes.
    var server: UInt16 = 0
    /// Bytes sent to the server.
    var byteCount: UInt32 = 0
    /// In milliseconds, as `Worker.milliseconds` counts.
    var enqueuedAt: UInt32 = 0
    /// `none` once the client has left, and for fragments.
    var client: Handle<ClientConnection>
    /// Of a split request or a fragment, what they share.
    var gathering: Handle<Gathering>
    /// The next request of the same client; of a fragment, the next of the same request, in server
    /// order.
    var nextSibling = Handle<Request>.none
    var nextOfServer = Handle<Request>.none
    /// What has arrived of the reply and cannot go to the client yet.
    var reply = MbufChain()

    init(
        _ role: Role, client: Handle<ClientConnection>, gathering: Handle<Gathering> = .none,
        expecting expectedKind: UInt8 = ReplyKind.any, _ silence: Silence = .none
    ) {
        self.role = role
        self.silence = silence
        self.expectedKind = expectedKind
        self.client = client
        self.gathering = gathering
    }

    /// Of a get of one key, what tells that key, until its value comes; then 0. Other requests have
    /// what they share with fragments in its place.
    var keyMark: UInt64 {
        get { UInt64(gathering.generation) << 32 | UInt64(gathering.index) }
        set {
            gathering = Handle(
                index: UInt32(truncatingIfNeeded: newValue),
                generation: UInt32(truncatingIfNeeded: newValue >> 32))
        }
    }
}

/// How the replies to fragments become one.
enum Assembly: BitwiseCopyable {
    case redis(Command.Split)
    case memcache(MemcacheAssembly)
}

extension Assembly {
    /// What the replies may be that it is made of.
    var expectedKind: UInt8 {
        switch self {
        case .redis(let split): split.replyKind
        case .memcache(.values): MemcacheReplyClass.values.rawValue
        case .memcache(.done): MemcacheReplyClass.done.rawValue
        case .memcache(.statistics): MemcacheReplyClass.statistics.rawValue
        }
    }
}

extension Command.Split {
    /// The marker of a reply that is no error.
    var replyKind: UInt8 {
        switch self {
        case .none: ReplyKind.any
        case .values: UInt8(ascii: "*")
        case .pairs: UInt8(ascii: "+")
        case .sum: UInt8(ascii: ":")
        }
    }
}

enum MemcacheAssembly: BitwiseCopyable {
    /// The values in the order of their keys.
    case values
    /// `OK`, if that is what all say.
    case done
    /// The sums of the numbers that have the same name.
    case statistics
}

/// What the fragments of one request have in common: how their replies become one.
struct Gathering: ~Copyable {
    let assembly: Assembly
    /// The request in the client's queue.
    let whole: Handle<Request>
    /// Fragments whose replies are still to come.
    var pendingCount = 0
    var firstFragment = Handle<Request>.none
    let keyCount: Int
    /// Per key the index of its server, in two bytes, the lower first.
    var servers: MbufChain
    /// The keys themselves, where the parts of a reply can only be told apart by them.
    var keys = MbufChain()

    init(
        _ assembly: Assembly, whole: Handle<Request>, keyCount: Int, servers: consuming MbufChain
    ) {
        self.assembly = assembly
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
    /// Of redis, how many words the request has; 0 for memcache.
    let argumentCount: Int
    /// The name of the command.
    let name: Extent
    /// What follows the name, of redis, or the key, of memcache; empty if there is none.
    let first: Extent
    /// What its reply may be, as far as that is known.
    var expectedKind = ReplyKind.any

    /// - Parameters:
    ///   - slice: All of the request, unless `chain` is.
    ///   - chain: All of the request, or empty.
    private init(
        slice: MbufSlice, chain: borrowing MbufChain, mbufs: borrowing MbufPool,
        argumentCount: Int, name: Extent, first: Extent
    ) {
        isContiguous = chain.isEmpty
        start = chain.isEmpty ? mbufs.cursor(of: slice) : mbufs.cursor(of: chain)
        byteCount = chain.isEmpty ? slice.count : chain.byteCount
        self.argumentCount = argumentCount
        self.name = name
        self.first = first
    }

    init(
        slice: MbufSlice, chain: borrowing MbufChain, parser: borrowing RESPRequestParser,
        mbufs: borrowing MbufPool
    ) {
        self.init(
            slice: slice, chain: chain, mbufs: mbufs, argumentCount: Int(parser.argumentCount),
            name: parser.name, first: parser.first)
    }

    init(
        slice: MbufSlice, chain: borrowing MbufChain, request: borrowing MemcacheRequest,
        mbufs: borrowing MbufPool
    ) {
        self.init(
            slice: slice, chain: chain, mbufs: mbufs, argumentCount: 0, name: request.name,
            first: request.key)
    }

    /// The bytes of a part of a contiguous request.
    func slice(of part: Extent) -> MbufSlice {
        assert(isContiguous)
        return start.slice.range(part.start, part.start &+ part.count)
    }
}
