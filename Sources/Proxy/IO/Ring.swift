/// Everything a worker asks of the outside world.
///
/// `UringRing` asks the kernel. `SimulatedRing`, in the tests, plays kernel, network, peers and
/// clock from a seed. Workers are generic over the two, so neither costs a dynamic call.
///
/// Operations are queued until `submitAndWait`. Each ends in exactly one completion that is not
/// `isMore`, whatever happens to its socket; a socket is closed only after that.
protocol Ring: ~Copyable {
    /// Nanoseconds of a clock that never goes back. Read it when completions have come in.
    var now: UInt64 { get }

    /// The time of day.
    var microsecondsSince1970: Int { get }

    /// Accepts connections until a completion is not `isMore`. Each result is a new socket.
    mutating func accept(on listener: Socket, token: Token)

    /// Accepts nothing from a listener any more, and closes it.
    mutating func stopAccepting(on listener: Socket)

    /// Gives a socket to the owner of another ring, who gets a completion with this token and the
    /// socket as its result.
    ///
    /// - Parameter sent: Of this ring's own completion. If that is negative, the other ring is
    ///   gone or has no memory for it, and the socket stays here.
    mutating func hand(
        _ socket: Socket, toRing descriptor: Int32, token: Token, sent: Token)

    /// Makes a socket to connect to an address of this family, with what a server connection wants
    /// set on it. Never blocks.
    mutating func openSocket(for address: borrowing SocketAddress) -> Result<Socket, SystemError>

    /// Has the kernel find out when the peer of a socket vanishes.
    mutating func keepAlive(_ socket: Socket)

    /// Who is at the other end of a client's socket. Asks the kernel: for rare events.
    func peer(of socket: Socket) -> PeerAddress

    mutating func connect(
        _ socket: Socket, to address: borrowing SocketAddress, token: Token)

    /// Receives into provided mbufs until a completion is not `isMore`.
    mutating func receive(from socket: Socket, into group: MbufGroup, token: Token)

    /// Sends all of a chain, which must stay as it is until the completion.
    ///
    /// - Parameters:
    ///   - chain: Of at most `ChainNodePool.sendPartsMax` parts.
    ///   - endFollows: Whether `shutDown` comes next, so that the peer gets the end of the
    ///     connection together with the last bytes.
    mutating func send(
        _ chain: borrowing MbufChain, of mbufs: borrowing MbufPool, to socket: Socket,
        endFollows: Bool, token: Token)

    /// Tells the peer that nothing more will be sent to it. What it sends still arrives.
    ///
    /// - Precondition: No send is in flight.
    mutating func shutDown(_ socket: Socket)

    /// Ends the operation in flight that has this token, if any; it still completes.
    mutating func cancel(_ token: Token)

    /// - Precondition: Nothing is in flight on the socket.
    mutating func close(_ socket: Socket, token: Token)

    /// Completes when a descriptor becomes readable, once.
    mutating func watch(_ descriptor: Socket, token: Token)

    /// How many mbufs a group can take now.
    func vacancies(in group: MbufGroup) -> Int

    /// Hands an mbuf to the kernel for a later receive, and with it the caller's reference.
    ///
    /// - Precondition: The group has a vacancy.
    mutating func provide(_ mbuf: Mbuf, of mbufs: borrowing MbufPool, to group: MbufGroup)

    /// Submits what is queued, then blocks until a completion is ready or the deadline has passed.
    ///
    /// - Parameter deadline: As `now` counts; `.max` is never.
    mutating func submitAndWait(until deadline: UInt64)

    mutating func nextCompletion() -> Completion?

    /// Brings in what has come since, so that it is part of the same turn. Submits nothing. Returns
    /// false if there is nothing, or the turn is big enough.
    mutating func gather() -> Bool
}

/// A socket's file descriptor.
struct Socket: Hashable, BitwiseCopyable {
    let descriptor: Int32

    static var none: Socket { Socket(descriptor: -1) }
}

/// Which provided mbufs a receive takes. Clients have their own, so that they can be kept waiting
/// for memory while replies still come in.
enum MbufGroup: Int, CaseIterable {
    case clients, servers
}

/// A finished operation.
struct Completion: BitwiseCopyable {
    let token: Token
    /// As the kernel reports it: a count or a descriptor, or a negated errno.
    let result: Int32
    /// Whether the operation goes on and will complete again.
    let isMore: Bool
    /// What a receive brought, `result` bytes. The worker gets a reference with it, unless
    /// `isMbufShared`: then the kernel goes on filling the rest of this mbuf.
    let slice: MbufSlice
    let isMbufShared: Bool

    init(
        token: Token, result: Int32, isMore: Bool = false,
        slice: MbufSlice = MbufSlice(mbuf: Mbuf(index: .max), offset: 0, count: 0),
        isMbufShared: Bool = false
    ) {
        self.token = token
        self.result = result
        self.isMore = isMore
        self.slice = slice
        self.isMbufShared = isMbufShared
    }

    var hasMbuf: Bool { slice.mbuf.index != .max }
}
