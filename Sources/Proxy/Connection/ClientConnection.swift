import Config

/// A connection from a client, from accept to close.
///
/// Events change it, and `nextAction` says what the worker must do about it; neither does any I/O,
/// so that the whole life can be read here and tested alone.
///
///     open ── end of stream, QUIT, or violation ──▶ draining ── all replies sent ──┐
///       └──────────────────── failure, or a limit ─────────────────────────────────┴─▶ closing
///     closing ── nothing in flight any more ──▶ closed
struct ClientConnection: ~Copyable {
    enum Phase: UInt8 {
        case open
        /// Nothing more is read as a request, but what was asked is answered.
        case draining
        /// Waits for the kernel to be done with its memory.
        case closing
        /// The socket is being closed.
        case closed
    }

    enum Action: Equatable {
        case none, receive, send, shutDown, cancelReceive, cancelSend, close
    }

    let socket: Socket
    let pool: UInt16
    /// Of the connections to each server, the one that its requests go on.
    var lane: UInt16 = 0
    /// Whether it stays on its lane for good: when a server is done with a request that has no
    /// reply cannot be known.
    var keepsLane = false
    private(set) var phase = Phase.open
    private(set) var restrictions: ClientRestrictions
    /// Stands in the worker's list of clients to look after.
    var isDirty = false
    /// Nothing of it is executed until a server connection has less to send, or has sent all.
    var awaitsServer = false
    /// Stands in the worker's list of clients that must go on reading.
    var isSlow = false

    private(set) var isReceiving = false
    private(set) var isSending = false
    private var isReceiveCancelled = false
    private var isSendCancelled = false
    private var hasReachedEnd = false
    private(set) var isInError = false
    private(set) var ending = Ending.none
    /// The client was told that nothing more comes.
    private var isShutDown = false
    /// Ticks of the ending proxy since it spoke last, or since it was told.
    private(set) var quietCount: UInt8 = 0

    var parser: RequestParser
    /// The start of a request that has not arrived as a whole.
    var partial = MbufChain()
    /// Requests that arrived while nothing of their client might be executed, not parsed yet.
    var backlog = MbufChain()
    /// Replies to send, and those the kernel is sending.
    var outgoing = MbufChain()
    var sending = MbufChain()

    /// Requests not yet answered in full, oldest first.
    private(set) var firstRequest = Handle<Request>.none
    private(set) var lastRequest = Handle<Request>.none
    private(set) var requestCount: UInt32 = 0
    /// Since when it has not authenticated, in milliseconds, as `Worker.milliseconds` counts.
    var unauthenticatedSince: UInt32 = 0

    init(
        socket: Socket, pool: Int, isAuthenticated: Bool, protocolKind: ProtocolKind = .redis
    ) {
        parser = RequestParser(protocolKind)
        self.socket = socket
        self.pool = UInt16(truncatingIfNeeded: pool)
        restrictions = isAuthenticated ? [] : .unauthenticated
        parser.redis.isAuthenticated = isAuthenticated
    }
}

// MARK: - Restrictions

extension ClientConnection {
    var isAuthenticated: Bool { !restrictions.contains(.unauthenticated) }

    mutating func restrict(_ restriction: ClientRestrictions) {
        restrictions.formUnion(restriction)
        parser.redis.isAuthenticated = isAuthenticated
    }

    mutating func lift(_ restriction: ClientRestrictions) {
        restrictions.subtract(restriction)
        parser.redis.isAuthenticated = isAuthenticated
    }
}

// MARK: - The end of the proxy

/// How far the proxy's end has come for a client.
enum Ending: UInt8 {
    case none
    /// Its last reply is kept until it is quiet, to go out together with the end.
    case holding
    /// It is quiet: the end is next, unless it speaks again before.
    case quiet
}

extension ClientConnection {
    /// It has nothing in flight, and has sent nothing in part.
    private var waitsForNothing: Bool {
        requestCount == 0 && partial.isEmpty && backlog.isEmpty
    }

    /// Whether the end follows what is being sent.
    var isBeforeEnd: Bool {
        ending == .quiet && phase == .open && outgoing.isEmpty && waitsForNothing
    }

    /// Whether it waits for the client to close its side too. To close before would be a reset, if
    /// the client sends more, and might take back replies that it has not read.
    private var isLingering: Bool {
        isShutDown && !hasReachedEnd && quietCount < Self.lingerMax
    }

    private static var lingerMax: UInt8 { 25 }

    /// How long half a request may rest.
    private static var restMax: UInt8 { 100 }

    /// Bytes have come while the proxy ends.
    mutating func didSpeak() {
        quietCount = 0
        if ending == .quiet { ending = .holding }
    }

    /// Some time has passed while the proxy ends.
    ///
    /// - Parameters:
    ///   - holds: Whether clients that are never quiet by themselves are to be made so.
    ///   - isLate: Whether the client is to end after what it has asked by now.
    mutating func didTick(holds: Bool, isLate: Bool) {
        let wasQuiet = quietCount > 0
        if quietCount < .max { quietCount += 1 }
        guard phase == .open else { return }
        if holds, ending == .none { ending = .holding }
        let isIdle = requestCount == 0 && backlog.isEmpty
        if isLate || (quietCount >= Self.restMax && isIdle) {
            // Half a request that does not go on is given up.
            ending = .quiet
            drain()
        } else if wasQuiet, waitsForNothing, holds || (outgoing.isEmpty && !isSending) {
            ending = .quiet
        }
    }
}

// MARK: - Lanes

/// What a client needs a connection to a server for.
enum LaneUse {
    /// A request that has just joined the client's queue, or its first fragment.
    case request
    case furtherFragment
    /// A request that has no reply, and stands in no queue.
    case silent
}

extension ClientConnection {
    /// Whether it may go on another lane: there is nothing before it that could be overtaken.
    func mayChangeLane(_ use: LaneUse) -> Bool {
        switch use {
        case .request: requestCount <= 1 && !keepsLane
        case .furtherFragment: false
        case .silent: requestCount == 0 && !keepsLane
        }
    }
}

// MARK: - Limits

/// How much may be in flight for one client.
///
/// A client that writes much before it reads is read all the same, as long as its share of memory
/// lasts: what it asks waits in its backlog, which is mostly smaller than the replies would be.
struct ClientLimits: BitwiseCopyable {
    /// Replies that wait to be sent, in bytes. Over it nothing more of the client is executed.
    var unsentMax = 1 << 20
    /// Requests in flight. At it nothing more is executed until half of them are answered.
    var requestMax: UInt32 = 16384
    /// All that is held for it, in bytes: its share of the memory. Over it the client is not read.
    var heldMax = 576 << 20
    /// Bytes of one request: `heldMax` has room for it beside all else.
    var requestBytesMax = 512 << 20
    /// Replies that wait to be sent, in bytes, from which on a server connection that brings more
    /// of a reply is this client's alone, and from which on it is not even read.
    var outrunMax = 4 << 20
    var pauseMax = 128 << 20
    /// Bytes of requests that a held client may still send, so that one that is held only for a
    /// moment need not stop.
    var heldBacklogMax = 64 << 10
}

extension ClientLimits {
    /// - Parameter memoryMax: Bytes of message memory.
    init(memoryMax: Int) {
        requestBytesMax = min(512 << 20, memoryMax / 2)
        heldMax = requestBytesMax &+ memoryMax / 16
        pauseMax = memoryMax / 8
        outrunMax = min(outrunMax, pauseMax / 4)
        unsentMax = min(unsentMax, pauseMax / 4)
    }
}

extension ClientConnection {
    var unsentCount: Int { outgoing.byteCount &+ sending.byteCount }

    /// All memory held for the client, in bytes, but for replies that wait for their turn.
    var heldCount: Int { unsentCount &+ partial.byteCount &+ backlog.byteCount }

    /// Whether nothing more of it may be executed now.
    func isOver(_ limits: ClientLimits) -> Bool {
        awaitsServer || unsentCount > limits.unsentMax || requestCount >= limits.requestMax
    }

    /// Whether its waiting requests may go on: some way below the limits, so as not to flap.
    func isBelow(_ limits: ClientLimits) -> Bool {
        !awaitsServer && unsentCount <= limits.unsentMax / 2
            && requestCount <= limits.requestMax / 2
    }

    /// Whether it can go on only by reading: it may not write more, or a server waits for it.
    func mustRead(_ limits: ClientLimits) -> Bool {
        phase != .closing && phase != .closed && unsentCount > 0
            && (unsentCount > limits.pauseMax || heldCount >= limits.heldMax)
    }

    /// Whether it has read so much that nobody needs to wait for it.
    func hasCaughtUp(_ limits: ClientLimits) -> Bool {
        unsentCount <= limits.pauseMax / 2 && heldCount < limits.heldMax
    }

    /// Whether there is room for more of its requests.
    private func wantsBytes(_ limits: ClientLimits) -> Bool {
        if phase == .draining { return true }
        if awaitsServer, backlog.byteCount > limits.heldBacklogMax { return false }
        return heldCount < limits.heldMax
    }
}

// MARK: - Events

extension ClientConnection {
    mutating func didPush(_ request: Handle<Request>) {
        if requestCount == 0 { firstRequest = request }
        lastRequest = request
        requestCount &+= 1
    }

    /// - Parameter next: The request behind the first.
    mutating func didPopFirst(next: Handle<Request>) {
        assert(requestCount > 0)
        firstRequest = next
        requestCount &-= 1
    }

    /// The receive is over; `nextAction` may ask for a new one.
    mutating func didEndReceive() {
        isReceiving = false
        isReceiveCancelled = false
    }

    /// The client sends nothing more: it left, or closed its half. What waits to be parsed is
    /// answered all the same.
    mutating func didReachEnd() {
        hasReachedEnd = true
        if backlog.isEmpty { drain() }
    }

    mutating func didSend() {
        isSending = false
        isSendCancelled = false
    }

    /// Answers what was asked, then closes.
    mutating func drain() {
        if phase == .open { phase = .draining }
    }

    /// As `drain`, after an answer that says what was wrong.
    mutating func endInError() {
        isInError = true
        drain()
    }

    /// Closes as soon as the kernel lets go.
    mutating func abandon() {
        if phase == .open || phase == .draining { phase = .closing }
        didLeaveRequests()
    }

    /// What was asked is answered to nobody.
    mutating func didLeaveRequests() {
        firstRequest = .none
        lastRequest = .none
        requestCount = 0
    }

    /// What to do next; ask again until it is `none`. An action counts as begun when returned.
    ///
    /// - Parameter mayReceive: Whether there is memory to read it.
    mutating func nextAction(
        _ limits: ClientLimits = ClientLimits(), mayReceive: Bool = true
    ) -> Action {
        if hasReachedEnd, backlog.isEmpty { drain() }
        switch phase {
        case .open, .draining:
            if !isSending, !outgoing.isEmpty, !isHeld {
                isSending = true
                return .send
            }
            if !isSending, outgoing.isEmpty, requestCount == 0 {
                if ending == .quiet, !isShutDown, !hasReachedEnd,
                    phase == .draining || waitsForNothing
                {
                    return shutDown()
                }
                if phase == .draining, !isLingering {
                    abandon()
                    return nextAction(limits, mayReceive: mayReceive)
                }
            }
            return nextReceiveAction(limits, mayReceive: mayReceive)
        case .closing:
            if isReceiving, !isReceiveCancelled {
                isReceiveCancelled = true
                return .cancelReceive
            }
            if isSending, !isSendCancelled {
                isSendCancelled = true
                return .cancelSend
            }
            guard !isReceiving, !isSending else { return .none }
            phase = .closed
            return .close
        case .closed:
            return .none
        }
    }

    /// Whether its replies wait for the end.
    private var isHeld: Bool { ending == .holding && phase == .open && waitsForNothing }

    private mutating func shutDown() -> Action {
        isShutDown = true
        quietCount = 0
        drain()
        return .shutDown
    }

    private mutating func nextReceiveAction(
        _ limits: ClientLimits, mayReceive: Bool
    ) -> Action {
        let wantsBytes = mayReceive && wantsBytes(limits)
        if wantsBytes, !isReceiving, !hasReachedEnd {
            isReceiving = true
            return .receive
        }
        if isReceiving, !wantsBytes, !isReceiveCancelled {
            isReceiveCancelled = true
            return .cancelReceive
        }
        return .none
    }
}
