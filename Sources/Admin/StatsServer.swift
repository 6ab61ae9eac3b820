import Proxy

/// Somebody who spoke a protocol that the statistics port does not, for the log.
package struct StatsStranger {
    package let spoken: ForeignProtocol
    package let peer: PeerAddress
    /// How many were not told of since the one before.
    package let untoldCount: Int
}

/// The statistics port: whoever connects gets the document, and the connection ends.
///
/// It has no thread of its own and never blocks. Its owner calls `serve()` whenever `descriptor`
/// is readable, and no later than `millisecondsToDeadline` says.
package struct StatsServer: ~Copyable {
    private let document: StatsDocument
    private let listener: StatsListener
    private let start = ContinuousClock.now
    /// In the order in which they came.
    private var clients: [StatsClient] = []
    /// Until when nobody is accepted, as there was no descriptor left.
    private var acceptAgain: ContinuousClock.Instant?
    /// Gets at most one a second.
    private let tell: (StatsStranger) -> Void
    private var tellAgain: ContinuousClock.Instant?
    private var untoldCount = 0

    /// The most clients at once. When one more comes, the oldest is answered and closed. They
    /// fit, with the proxy's own few descriptors, into the 32 that its limit of clients spares.
    static let clientMax = 16
    /// How long to leave the listener alone when there is no descriptor left.
    static let pause = Duration.milliseconds(100)

    package init(
        on listener: consuming StatsListener, document: StatsDocument,
        tell: @escaping (StatsStranger) -> Void = { _ in }
    ) {
        self.document = document
        self.tell = tell
        self.listener = listener
    }

    /// Readable when there is something to do.
    package var descriptor: Int32 { listener.watcher.descriptor }

    /// Milliseconds, rounded up, after which there is something to do in any case; -1 is never.
    package var millisecondsToDeadline: Int32 {
        let deadlines = clients.map(\.deadline) + [acceptAgain].compactMap { $0 }
        guard let first = deadlines.min() else { return -1 }
        let left = first - .now
        guard left > .zero else { return 0 }
        return Int32(clamping: Int64(left / .milliseconds(1)) + 1)
    }

    /// Does everything that can be done without waiting.
    package mutating func serve() {
        let now = ContinuousClock.now
        let ready = listener.watcher.ready(countMax: Self.clientMax + 1)
        for index in clients.indices
        where ready.contains(clients[index].descriptor) || clients[index].deadline <= now {
            advance(index, at: now)
        }
        clients.removeAll(where: \.isClosed)
        if let moment = acceptAgain, moment <= now {
            acceptAgain = nil
            listener.watcher.change(listener.descriptor, to: .readable)
        }
        if ready.contains(listener.descriptor) { acceptClients(at: now) }
        assert(clients.count <= Self.clientMax)
    }

    private mutating func advance(_ index: Int, at now: ContinuousClock.Instant) {
        var client = clients[index]
        let before = client.interest
        client.advance(at: now) { currentDocument(at: now) }
        if client.interest != before && !client.isClosed {
            listener.watcher.change(client.descriptor, to: client.interest)
        }
        if let spoken = client.foreign, clients[index].foreign == nil {
            note(spoken, by: client.descriptor, at: now)
        }
        clients[index] = client
    }

    private mutating func note(
        _ spoken: ForeignProtocol, by descriptor: Int32, at now: ContinuousClock.Instant
    ) {
        if let tellAgain, now < tellAgain {
            untoldCount += 1
            return
        }
        tell(
            StatsStranger(
                spoken: spoken, peer: PeerAddress(ofDescriptor: descriptor),
                untoldCount: untoldCount))
        tellAgain = now + .seconds(1)
        untoldCount = 0
    }

    /// Takes those who wait, but not for so long that nobody else is served.
    private mutating func acceptClients(at now: ContinuousClock.Instant) {
        for _ in 0..<Self.clientMax {
            switch SystemSocket.accept(listener.descriptor) {
            case .client(let descriptor): add(descriptor, at: now)
            case .nobody: return
            case .gone: continue
            case .exhausted:
                guard clients.isEmpty else {
                    finishOldest(at: now)
                    continue
                }
                listener.watcher.change(listener.descriptor, to: .none)
                acceptAgain = now + Self.pause
                return
            }
        }
    }

    private mutating func add(_ descriptor: Int32, at now: ContinuousClock.Instant) {
        if clients.count == Self.clientMax { finishOldest(at: now) }
        guard listener.watcher.add(descriptor, .readable) else {
            SystemSocket.close(descriptor)
            return
        }
        clients.append(StatsClient(descriptor: descriptor, at: now))
        // Its request may be there already.
        advance(clients.count - 1, at: now)
        if clients[clients.count - 1].isClosed { clients.removeLast() }
    }

    private mutating func finishOldest(at now: ContinuousClock.Instant) {
        var oldest = clients.removeFirst()
        oldest.finish(at: now) { currentDocument(at: now) }
    }

    private func currentDocument(at now: ContinuousClock.Instant) -> [UInt8] {
        document.bytes(
            uptime: Int((now - start).components.seconds), timestamp: secondsSince1970())
    }

    deinit {
        for client in clients { SystemSocket.close(client.descriptor) }
    }
}
