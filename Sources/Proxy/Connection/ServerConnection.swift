import Config

/// A connection to a server, shared by all clients of one worker, from socket to close.
///
/// As with `ClientConnection`, events change it and `nextAction` says what to do.
///
///     resolving ──▶ connecting ──▶ greeting ── AUTH and SELECT answered ──▶ ready
///         └────────────┴──────────────┴────────── failure ──────────────────┴─▶ closing ──▶ closed
///
/// Requests queue in every phase before `closing`, and are sent in `ready`.
struct ServerConnection: ~Copyable {
    enum Phase: UInt8 {
        /// Waits for its server's name to be looked up; it has no socket.
        case resolving
        /// To one of the addresses after another.
        case connecting
        /// The proxy's own requests are under way; no client's may overtake them.
        case greeting
        case ready, closing, closed

        /// Whether requests may join its queue.
        var isUsable: Bool {
            switch self {
            case .resolving, .connecting, .greeting, .ready: true
            case .closing, .closed: false
            }
        }
    }

    enum Action: Equatable {
        case none, receive, send
        case cancelConnect, cancelReceive, cancelSend, close
        /// As `close`, where there is no socket.
        case forget
    }

    private(set) var socket = Socket.none
    let pool: UInt16
    let server: UInt16
    /// Its server's place among those of all pools.
    let place: UInt32
    /// Nanoseconds, as the ring counts.
    let openedAt: UInt64
    /// Bytes that may wait to be sent before the clients who add to them are held.
    let queueMax: Int
    /// When it last sent or received anything, in milliseconds, as `Worker.milliseconds` counts.
    private(set) var movedAt: UInt32 = 0
    /// The client that must read before more is received here; `none` if there is none.
    private(set) var pausedFor = Handle<ClientConnection>.none
    /// Clients wait until it has less to send, or, if it is set apart, until all is answered.
    private(set) var holdsClients = false
    /// Its queue is full and it has not moved for a while: whoever asks more is told so at once.
    private(set) var isStalled = false
    /// It is not for new requests: it brings a long reply to a client that reads it slowly.
    private(set) var isSetApart = false
    /// Whether it is to find out if an ejected server is back; nobody else uses it until then.
    private(set) var isProbe: Bool
    /// Whether its server had another when it was opened.
    let isFurther: Bool
    private(set) var phase = Phase.resolving
    /// When to go on without an answer, or to give the address up that is being connected to, in
    /// nanoseconds.
    var connectDeadline = UInt64.max
    /// The address that is being connected to, and how many were before it.
    private(set) var addressIndex: UInt8 = 0
    private(set) var triedCount: UInt8 = 0
    var isDirty = false

    private var isConnecting = false
    private(set) var isReceiving = false
    private(set) var isSending = false
    private var isConnectCancelled = false
    private var isReceiveCancelled = false
    private var isSendCancelled = false

    var parser: ReplyParser
    /// What has come of a line in the reply to a memcached get. Whose it is, is known at its end;
    /// what follows it, the data of a value, is the first request's.
    var cutLine = MbufChain()
    /// The keys of all gets of several, oldest first: each with a blank behind it, or with the line
    /// feed that ends each get. Those that a reply has passed are gone.
    var askedKeys = MbufChain()
    /// The proxy's own requests, sent before all others.
    var greeting = MbufChain()
    /// Replies to the greeting still to come.
    private(set) var greetingCount: UInt8 = 0
    var outgoing = MbufChain()
    /// The line at the end of `outgoing` that more gets may join.
    var getLine = GetLine()
    var sending = MbufChain()

    /// Requests whose reply is still to come, oldest first: the sent ones, then the others.
    private(set) var firstRequest = Handle<Request>.none
    private(set) var lastRequest = Handle<Request>.none
    private(set) var requestCount: UInt32 = 0
    /// How many of them, from the end, are not handed to the kernel yet.
    private(set) var unsentCount: UInt32 = 0
    /// Bytes of the requests handed to the kernel, and of the others.
    private(set) var sentBytes = 0
    private(set) var unsentBytes = 0
    /// The same for requests that have no reply, and so stand in no queue.
    private(set) var silentCount: UInt32 = 0
    private(set) var silentBytes = 0

    init(
        pool: Int, server: Int, place: Int, openedAt: UInt64, isProbe: Bool,
        isFurther: Bool = false, protocolKind: ProtocolKind = .redis, queueMax: Int = .max
    ) {
        parser = ReplyParser(protocolKind)
        self.pool = UInt16(truncatingIfNeeded: pool)
        self.server = UInt16(truncatingIfNeeded: server)
        self.place = UInt32(truncatingIfNeeded: place)
        self.openedAt = openedAt
        self.queueMax = queueMax
        self.isProbe = isProbe
        self.isFurther = isFurther
    }
}

// MARK: - Flow

extension ServerConnection {
    /// Bytes that wait to be sent, or are being sent.
    var queuedBytes: Int { outgoing.byteCount &+ sending.byteCount }

    /// - Parameter requestMax: Requests that may stand in its queue.
    func isFull(_ requestMax: UInt32) -> Bool {
        queuedBytes > queueMax || requestCount >= requestMax
    }

    /// Whether clients that it holds may go on.
    func mayRelease(_ requestMax: UInt32) -> Bool {
        guard holdsClients else { return false }
        if isSetApart { return hasAnsweredAll }
        return queuedBytes <= queueMax / 2 && requestCount <= requestMax / 2
    }

    /// Nobody waits for anything here.
    var hasAnsweredAll: Bool { requestCount == 0 && queuedBytes == 0 }

    var isPaused: Bool { !pausedFor.isNone }

    /// Bytes were sent or received.
    mutating func didMove(at milliseconds: UInt32) {
        movedAt = milliseconds
        isStalled = false
    }

    mutating func didHoldClient(at milliseconds: UInt32) {
        if !holdsClients { movedAt = milliseconds }
        holdsClients = true
    }

    mutating func didReleaseClients() {
        holdsClients = false
    }

    mutating func didStall() {
        isStalled = true
    }

    mutating func setApart() {
        assert(phase == .ready)
        isSetApart = true
    }

    /// It is for everybody's requests again.
    mutating func didRejoin() {
        isSetApart = false
    }

    mutating func pause(for client: Handle<ClientConnection>) {
        pausedFor = client
    }

    mutating func resume(at milliseconds: UInt32) {
        pausedFor = .none
        movedAt = milliseconds
    }
}

// MARK: - Events

extension ServerConnection {
    mutating func didPush(_ request: Handle<Request>) {
        if requestCount == 0 { firstRequest = request }
        lastRequest = request
        requestCount &+= 1
        unsentCount &+= 1
    }

    /// The request just pushed is the proxy's own. It is sent before anything is received.
    mutating func didAddGreeting() {
        assert(phase.rawValue <= Phase.connecting.rawValue)
        greetingCount &+= 1
        unsentCount &-= 1
    }

    /// The bytes of a request that was pushed join what is to be sent.
    mutating func didAddBytes(_ count: Int) {
        unsentBytes &+= count
    }

    /// A request without a reply joins what is to be sent.
    mutating func didAddSilent(_ count: Int) {
        silentCount &+= 1
        silentBytes &+= count
    }

    /// Whether a reply can be to a request. One that comes before any was sent is to none.
    var awaitsReply: Bool { requestCount > unsentCount }

    /// - Parameter byteCount: Of the request, as it was added.
    mutating func didPopFirst(next: Handle<Request>, byteCount: Int) {
        assert(awaitsReply)
        firstRequest = next
        requestCount &-= 1
        sentBytes &-= byteCount
    }

    /// A probe that was answered is a connection like any other.
    mutating func didProbe() {
        isProbe = false
    }

    /// An address is being connected to, with a socket of its own.
    mutating func didBeginConnect(_ socket: Socket, address index: Int) {
        assert(phase.rawValue <= Phase.connecting.rawValue && !isConnecting)
        self.socket = socket
        phase = .connecting
        isConnecting = true
        addressIndex = UInt8(truncatingIfNeeded: index)
        triedCount &+= 1
    }

    /// Whether the connect, which is taking too long, is to be cancelled now.
    mutating func cancelConnect() -> Bool {
        guard isConnecting, !isConnectCancelled else { return false }
        isConnectCancelled = true
        return true
    }

    /// The connect has failed. Returns whether that was because it took too long.
    mutating func didFailConnect() -> Bool {
        defer { isConnectCancelled = false }
        return isConnectCancelled
    }

    /// Its socket is closed, and another may be opened.
    mutating func didLoseSocket() {
        socket = .none
    }

    mutating func didConnect() {
        isConnecting = false
        if phase == .connecting { phase = greetingCount > 0 ? .greeting : .ready }
    }

    /// A reply to the greeting has come, and it was no error.
    mutating func didGreet() {
        assert(greetingCount > 0)
        greetingCount &-= 1
        if greetingCount == 0, phase == .greeting { phase = .ready }
    }

    /// A reply to the greeting has come, and it was an error: nothing may follow.
    mutating func didRefuseGreeting() {
        assert(greetingCount > 0)
        greetingCount &-= 1
    }

    mutating func didEndConnect() {
        isConnecting = false
    }

    mutating func didEndReceive() {
        isReceiving = false
        isReceiveCancelled = false
    }

    mutating func didSend() {
        isSending = false
        isSendCancelled = false
    }

    /// Everything that waited has been told; closes as soon as the kernel lets go.
    mutating func abandon() {
        if phase != .closed { phase = .closing }
        firstRequest = .none
        lastRequest = .none
        requestCount = 0
        unsentCount = 0
        sentBytes = 0
        unsentBytes = 0
        silentCount = 0
        silentBytes = 0
        pausedFor = .none
        getLine.close()
    }

    /// What to do next; ask again until it is `none`. An action counts as begun when returned.
    mutating func nextAction() -> Action {
        switch phase {
        case .resolving, .connecting:
            return .none
        case .greeting, .ready:
            if !isReceiving, !isPaused {
                isReceiving = true
                return .receive
            }
            if isReceiving, isPaused, !isReceiveCancelled {
                isReceiveCancelled = true
                return .cancelReceive
            }
            if !isSending, hasBytesToSend {
                isSending = true
                if phase == .ready {
                    unsentCount = 0
                    sentBytes &+= unsentBytes
                    unsentBytes = 0
                    silentCount = 0
                    silentBytes = 0
                    getLine.close()
                }
                return .send
            }
            return .none
        case .closing:
            return nextClosingAction()
        case .closed:
            return .none
        }
    }

    /// The chain that `send` is about.
    private var hasBytesToSend: Bool {
        phase == .greeting ? !greeting.isEmpty : !outgoing.isEmpty
    }

    private mutating func nextClosingAction() -> Action {
        if isConnecting, !isConnectCancelled {
            isConnectCancelled = true
            return .cancelConnect
        }
        if isReceiving, !isReceiveCancelled {
            isReceiveCancelled = true
            return .cancelReceive
        }
        if isSending, !isSendCancelled {
            isSendCancelled = true
            return .cancelSend
        }
        guard !isConnecting, !isReceiving, !isSending else { return .none }
        phase = .closed
        return socket == .none ? .forget : .close
    }
}
