import Testing

@testable import Proxy

@Suite struct ClientConnectionTests {
    typealias Action = ClientConnection.Action

    private static let limits = ClientLimits()

    /// A client and the memory of its chains, which a connection does not own.
    private struct Client: ~Copyable {
        var connection = ClientConnection(
            socket: Socket(descriptor: 7), pool: 0, isAuthenticated: true)
        var mbufs = MbufPool(capacity: 4500)
        private var nextRequest: UInt32 = 0

        var phase: ClientConnection.Phase { connection.phase }

        mutating func actions(
            _ limits: ClientLimits = ClientLimits(), mayReceive: Bool = true
        ) -> [Action] {
            var actions: [Action] = []
            while actions.count < 10 {
                let action = connection.nextAction(limits, mayReceive: mayReceive)
                if action == .none { return actions }
                actions.append(action)
                if action == .send {
                    connection.sending = mbufs.takeSend(from: &connection.outgoing)
                }
            }
            return actions
        }

        mutating func reply(_ count: Int = 5) {
            let bytes = [UInt8](repeating: UInt8(ascii: "x"), count: count)
            mbufs.append(bytes.span, to: &connection.outgoing)
        }

        mutating func push(_ count: Int = 1) {
            for _ in 0..<count {
                connection.didPush(Handle(index: nextRequest, generation: 1))
                nextRequest += 1
            }
        }

        mutating func pop(_ count: Int = 1) {
            for _ in 0..<count {
                let next = connection.firstRequest.index + 1
                connection.didPopFirst(
                    next: connection.requestCount > 1
                        ? Handle(index: next, generation: 1) : .none)
            }
        }

        mutating func hold(_ count: Int = 5) {
            let bytes = [UInt8](repeating: UInt8(ascii: "*"), count: count)
            mbufs.append(bytes.span, to: &connection.backlog)
        }

        mutating func resume() { mbufs.release(&connection.backlog) }

        mutating func didSend() {
            mbufs.release(&connection.sending)
            connection.didSend()
        }

        mutating func end() {
            mbufs.release(&connection.backlog)
            mbufs.release(&connection.outgoing)
            mbufs.release(&connection.sending)
        }
    }

    @Test func readsAnswersAndReadsOn() {
        var client = Client()
        var actions = [client.actions()]
        client.push()
        actions.append(client.actions())
        client.pop()
        client.reply()
        actions.append(client.actions())
        // One send at a time: what comes meanwhile goes with the next.
        client.reply()
        actions.append(client.actions())
        client.didSend()
        actions.append(client.actions())
        client.didSend()
        actions.append(client.actions())
        // The receive ended, for lack of mbufs say; there is a new one.
        client.connection.didEndReceive()
        actions.append(client.actions())
        #expect(actions == [[.receive], [], [.send], [], [.send], [], [.receive]])
        client.end()
    }

    @Test func theHalfClosedClientGetsItsReplies() {
        var client = Client()
        _ = client.actions()
        client.push(2)
        client.connection.didEndReceive()
        client.connection.didReachEnd()
        var actions = [client.actions()]
        client.pop()
        client.reply()
        actions.append(client.actions())
        client.pop()
        client.reply()
        actions.append(client.actions())
        client.didSend()
        actions.append(client.actions())
        client.didSend()
        actions.append(client.actions())
        #expect(actions == [[], [.send], [], [.send], [.close]])
        client.end()
    }

    /// A client over a limit that closes its half: its requests were all received before the end,
    /// and wait in the backlog.
    @Test func theHalfClosedClientGetsRepliesToWhatWasHeldBack() {
        var client = Client()
        _ = client.actions()
        client.push()
        client.hold()
        client.connection.didEndReceive()
        client.connection.didReachEnd()
        var phase = client.phase
        #expect(phase == .open)
        var actions = client.actions()
        #expect(actions == [])
        client.pop()
        client.resume()
        client.push()
        actions = client.actions()
        #expect(actions == [])
        phase = client.phase
        #expect(phase == .draining)
        client.pop()
        client.reply()
        actions = client.actions()
        #expect(actions == [.send])
        client.didSend()
        actions = client.actions()
        #expect(actions == [.close])
        client.end()
    }

    @Test func theClientThatLeavesWithoutARequestIsClosed() {
        var client = Client()
        _ = client.actions()
        client.connection.didEndReceive()
        client.connection.didReachEnd()
        let actions = client.actions()
        #expect(actions == [.close])
    }

    /// After QUIT: the reply, then the end. What the client sends meanwhile is read, and nobody
    /// looks at it, so that the close does not reset the connection.
    @Test func drainingReadsOnUntilTheReplyIsOut() {
        var client = Client()
        _ = client.actions()
        client.reply()
        client.connection.drain()
        var actions = [client.actions()]
        client.connection.didEndReceive()
        actions.append(client.actions())
        client.didSend()
        actions.append(client.actions())
        client.connection.didEndReceive()
        actions.append(client.actions())
        #expect(actions == [[.send], [.receive], [.cancelReceive], [.close]])
        client.end()
    }

    @Test func anErrorIsSentBeforeTheEnd() {
        var client = Client()
        _ = client.actions()
        client.push()
        client.push()
        client.connection.endInError()
        let isInError = client.connection.isInError
        #expect(isInError)
        var phase = client.phase
        #expect(phase == .draining)
        var actions = client.actions()
        #expect(actions == [])
        client.pop(2)
        client.reply()
        actions = client.actions()
        #expect(actions == [.send])
        client.didSend()
        actions = client.actions()
        #expect(actions == [.cancelReceive])
        phase = client.phase
        #expect(phase == .closing)
        client.end()
    }

    @Test func abandoningCancelsAndWaitsForTheKernel() {
        var client = Client()
        _ = client.actions()
        client.push()
        client.reply()
        _ = client.actions()
        client.connection.abandon()
        let count = client.connection.requestCount
        #expect(count == 0)
        let isNone = client.connection.firstRequest.isNone
        #expect(isNone)
        var actions = [client.actions()]
        actions.append(client.actions())
        client.didSend()
        actions.append(client.actions())
        client.connection.didEndReceive()
        actions.append(client.actions())
        actions.append(client.actions())
        #expect(actions == [[.cancelReceive, .cancelSend], [], [], [.close], []])
        let phase = client.phase
        #expect(phase == .closed)
        client.end()
    }

    // MARK: - Limits

    /// Over it nothing is executed, and all the same the client is read: it may want to write all
    /// it has before it reads anything.
    @Test func requestsUpToTheLimit() {
        var client = Client()
        _ = client.actions()
        let limit = Int(Self.limits.requestMax)
        client.push(limit - 1)
        var isOver = client.connection.isOver(Self.limits)
        #expect(!isOver)
        client.push()
        isOver = client.connection.isOver(Self.limits)
        #expect(isOver)
        let actions = client.actions()
        #expect(actions == [])
        // What was held back waits until half of the requests are answered.
        client.pop(limit / 2 - 1)
        var isBelow = client.connection.isBelow(Self.limits)
        #expect(!isBelow)
        client.pop()
        isBelow = client.connection.isBelow(Self.limits)
        #expect(isBelow)
    }

    @Test func unsentRepliesUpToTheLimit() {
        var client = Client()
        _ = client.actions()
        client.reply(Self.limits.unsentMax)
        var actions = [client.actions()]
        var isOver = client.connection.isOver(Self.limits)
        #expect(!isOver)
        // What the kernel is sending counts as well.
        client.reply(1)
        actions.append(client.actions())
        isOver = client.connection.isOver(Self.limits)
        #expect(isOver)
        #expect(actions == [[.send], []])
        while client.connection.unsentCount > Self.limits.unsentMax / 2 {
            let isBelow = client.connection.isBelow(Self.limits)
            #expect(!isBelow)
            client.didSend()
            _ = client.actions()
        }
        let isBelow = client.connection.isBelow(Self.limits)
        #expect(isBelow)
        client.end()
    }

    /// Its share of memory: what it has sent, and what is to be sent to it.
    @Test func isReadUpToItsShare() {
        var limits = ClientLimits()
        limits.heldMax = 200
        var client = Client()
        _ = client.actions(limits)
        client.hold(100)
        let held = client.connection.heldCount
        #expect(held == 100)
        var actions = [client.actions(limits)]
        client.reply(100)
        actions.append(client.actions(limits))
        client.connection.didEndReceive()
        actions.append(client.actions(limits))
        client.resume()
        actions.append(client.actions(limits))
        #expect(actions == [[], [.send, .cancelReceive], [], [.receive]])
        client.end()
    }

    @Test func isNotReadWhileMemoryIsShort() {
        var client = Client()
        _ = client.actions()
        var actions = [client.actions(mayReceive: false)]
        client.connection.didEndReceive()
        actions.append(client.actions(mayReceive: false))
        actions.append(client.actions())
        #expect(actions == [[.cancelReceive], [], [.receive]])
    }

    /// One that waits for a server sends a little on, so that a moment does not stop it.
    @Test func isReadALittleWhileHeld() {
        var client = Client()
        _ = client.actions()
        client.connection.awaitsServer = true
        let isOver = client.connection.isOver(Self.limits)
        #expect(isOver)
        client.hold(Self.limits.heldBacklogMax)
        var actions = [client.actions()]
        client.hold(1)
        actions.append(client.actions())
        client.connection.didEndReceive()
        client.connection.awaitsServer = false
        actions.append(client.actions())
        #expect(actions == [[], [.cancelReceive], [.receive]])
        client.end()
    }

    /// Only reading helps one whose replies a server connection waits with, or who may not write.
    @Test func mustReadAtItsLimits() {
        var limits = ClientLimits()
        limits.heldMax = 200
        limits.pauseMax = 150
        var client = Client()
        client.hold(300)
        var mustRead = [client.connection.mustRead(limits)]
        client.reply(1)
        mustRead.append(client.connection.mustRead(limits))
        client.resume()
        mustRead.append(client.connection.mustRead(limits))
        client.reply(150)
        mustRead.append(client.connection.mustRead(limits))
        let hasCaughtUp = client.connection.hasCaughtUp(limits)
        #expect(!hasCaughtUp)
        #expect(mustRead == [false, true, false, true])
        client.end()
    }

    // MARK: - Every event in every phase

    private enum Event: CaseIterable {
        case push, answer, send, endReceive, end, drain, fail, abandon, hold, resume
    }

    /// Every sequence of events, the impossible ones left out. Whatever happens, operations
    /// are started once and cancelled once, and the socket is closed once, when the kernel has
    /// nothing left; and then it is over.
    @Test func neverClosesWhileAnythingIsInFlight() {
        var count = 0
        var closed = 0
        forEverySequence(of: Event.allCases, upTo: 6) { events in
            var client = ClientConnection(
                socket: Socket(descriptor: 7), pool: 0, isAuthenticated: true)
            var mbufs = MbufPool(capacity: 8)
            var kernel = Kernel()
            Self.act(&client, &mbufs, &kernel)
            for event in events {
                guard Self.apply(event, to: &client, &mbufs, &kernel) else { return false }
                Self.act(&client, &mbufs, &kernel)
            }
            // In the end the client leaves, and the kernel finishes what it has.
            client.abandon()
            Self.act(&client, &mbufs, &kernel)
            if kernel.complete(.send) { client.didSend() }
            Self.act(&client, &mbufs, &kernel)
            if kernel.complete(.receive) { client.didEndReceive() }
            Self.act(&client, &mbufs, &kernel)
            count += 1
            closed += kernel.isClosed ? 1 : 0
            if !kernel.faults.isEmpty { Issue.record("\(events): \(kernel.faults)") }
            return true
        }
        #expect(count > 5000)
        #expect(closed == count)
    }

    /// Returns false if the event cannot happen now.
    private static func apply(
        _ event: Event, to client: inout ClientConnection, _ mbufs: inout MbufPool,
        _ kernel: inout Kernel
    ) -> Bool {
        let isOpen = client.phase == .open || client.phase == .draining
        switch event {
        case .push:
            guard client.phase == .open else { return false }
            client.didPush(Handle(index: client.requestCount, generation: 1))
        case .answer:
            guard isOpen, client.requestCount > 0 else { return false }
            mbufs.append("+OK\r\n", to: &client.outgoing)
            client.didPopFirst(next: Handle(index: client.firstRequest.index, generation: 1))
        case .send:
            guard kernel.complete(.send) else { return false }
            mbufs.release(&client.sending)
            client.didSend()
        case .endReceive, .end:
            guard kernel.complete(.receive) else { return false }
            client.didEndReceive()
            if event == .end { client.didReachEnd() }
        case .drain: client.drain()
        case .fail:
            guard client.phase == .open else { return false }
            client.endInError()
        case .abandon:
            guard isOpen else { return false }
            client.abandon()
        case .hold:
            guard client.phase == .open, client.backlog.isEmpty else { return false }
            mbufs.append("*", to: &client.backlog)
        case .resume:
            guard client.phase == .open, !client.backlog.isEmpty else { return false }
            mbufs.release(&client.backlog)
        }
        return true
    }

    private static func act(
        _ client: inout ClientConnection, _ mbufs: inout MbufPool, _ kernel: inout Kernel
    ) {
        while true {
            switch client.nextAction() {
            case .none: return
            case .receive: kernel.begin(.receive)
            case .send:
                kernel.begin(.send)
                client.sending = mbufs.takeSend(from: &client.outgoing)
            case .shutDown: kernel.shutDown()
            case .cancelReceive: kernel.cancel(.receive)
            case .cancelSend: kernel.cancel(.send)
            case .close: kernel.close()
            }
        }
    }
}
