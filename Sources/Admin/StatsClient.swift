import Proxy

/// One client of the statistics port, from accept to close.
///
///     waiting for a request ── answer ──▶ sending ── all sent ──▶ draining ──▶ closed
///
/// It is closed only after it has closed its own side, or after a time: closing a socket with
/// unread input sends RST, which takes from the client what it has not read yet.
struct StatsClient {
    typealias Instant = ContinuousClock.Instant

    let descriptor: Int32
    private(set) var phase: Phase
    /// When the phase ends, whatever the client does.
    private(set) var deadline: Instant
    /// What it spoke, if that was no protocol of the port. It gets nothing.
    private(set) var foreign: ForeignProtocol?
    private let accepted: Instant

    enum Phase {
        /// With what has been received.
        case waiting([UInt8])
        /// With what the kernel has not taken yet.
        case sending(ArraySlice<UInt8>)
        case draining
        case closed
    }

    /// How long a client may take to begin a request. One that says nothing gets the document.
    static let firstBytesMax = Duration.milliseconds(20)
    /// How long it may take to send all of its request.
    static let requestMax = Duration.seconds(1)
    /// How long it may take nothing of what is sent to it, and how long to close after that.
    static let silenceMax = Duration.seconds(5)

    /// The most that is received in one turn after the answer, in bytes.
    private static let drainedMax = 16 << 10

    init(descriptor: Int32, at now: Instant) {
        self.descriptor = descriptor
        accepted = now
        deadline = now + Self.firstBytesMax
        phase = .waiting([])
    }

    var isClosed: Bool {
        if case .closed = phase { true } else { false }
    }

    var interest: Watcher.Interest {
        switch phase {
        case .waiting, .draining: .readable
        case .sending: .writable
        case .closed: .none
        }
    }

    /// Does what can be done without waiting.
    ///
    /// - Parameter document: Makes the document; called once in a client's life.
    mutating func advance(at now: Instant, document: () -> [UInt8]) {
        if case .waiting = phase { receive(at: now, isLast: false, document: document) }
        sendAndDrain(at: now)
    }

    /// Waits no more: the client gets what it has not got, as far as the kernel takes it at
    /// once, and is closed.
    mutating func finish(at now: Instant, document: () -> [UInt8]) {
        if case .waiting = phase { receive(at: now, isLast: true, document: document) }
        sendAndDrain(at: now)
        close()
    }

    private mutating func sendAndDrain(at now: Instant) {
        if case .sending = phase { send(at: now) }
        if case .draining = phase { drain(at: now) }
    }

    /// - Parameter isLast: Whether what has come until now is all that counts.
    private mutating func receive(at now: Instant, isLast: Bool, document: () -> [UInt8]) {
        guard case .waiting(var bytes) = phase else { return }
        let mayContinue: Bool
        switch SystemSocket.receive(
            from: descriptor, countMax: StatsRequest.bytesMax - bytes.count)
        {
        case .bytes(let received):
            bytes += received
            deadline = accepted + Self.requestMax
            mayContinue = !StatsRequest(bytes).isWhole
        case .nothing: mayContinue = true
        case .end: mayContinue = false
        }
        if mayContinue && !isLast && now < deadline {
            phase = .waiting(bytes)
        } else {
            let form = StatsRequest(bytes).form
            if case .foreign(let found) = form { foreign = found }
            phase = .sending(form.answer(document())[...])
            deadline = now + Self.silenceMax
        }
    }

    private mutating func send(at now: Instant) {
        guard case .sending(var rest) = phase else { return }
        // The kernel takes a little more now and then, whether or not the client reads.
        guard now < deadline else { return close() }
        while !rest.isEmpty {
            guard let count = SystemSocket.send(rest, to: descriptor) else { return close() }
            if count == 0 { break }
            rest = rest.dropFirst(count)
            deadline = now + Self.silenceMax
        }
        if rest.isEmpty {
            SystemSocket.finishSending(descriptor)
            phase = .draining
            deadline = now + Self.silenceMax
        } else {
            phase = .sending(rest)
        }
    }

    private mutating func drain(at now: Instant) {
        switch SystemSocket.receive(from: descriptor, countMax: Self.drainedMax) {
        case .end: close()
        case .bytes, .nothing: if now >= deadline { close() }
        }
    }

    private mutating func close() {
        guard !isClosed else { return }
        SystemSocket.close(descriptor)
        phase = .closed
    }
}
