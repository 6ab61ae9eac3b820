import Testing

@testable import Proxy

@Suite struct ServerConnectionTests {
    typealias Action = ServerConnection.Action

    /// A connection and the memory of its chains, which it does not own.
    private struct Server: ~Copyable {
        var connection = ServerConnection(
            socket: Socket(descriptor: 7), pool: 1, server: 2, place: 3, openedAt: 4,
            isProbe: false)
        var mbufs = MbufPool(capacity: 4)
        private var nextRequest: UInt32 = 0

        var phase: ServerConnection.Phase { connection.phase }

        mutating func actions() -> [Action] {
            var actions: [Action] = []
            while actions.count < 10 {
                let action = connection.nextAction()
                if action == .none { return actions }
                actions.append(action)
                guard action == .send else { continue }
                if connection.phase == .greeting {
                    connection.sending = mbufs.takeSend(from: &connection.greeting)
                } else {
                    connection.sending = mbufs.takeSend(from: &connection.outgoing)
                }
            }
            return actions
        }

        mutating func greet() {
            mbufs.append("AUTH", to: &connection.greeting)
            push(byteCount: 0)
            connection.didAddGreeting()
        }

        mutating func request() {
            mbufs.append("GET", to: &connection.outgoing)
            push(byteCount: 3)
        }

        private mutating func push(byteCount: Int) {
            connection.didPush(Handle(index: nextRequest, generation: 1))
            connection.didAddBytes(byteCount)
            nextRequest += 1
        }

        mutating func pop() {
            let isGreeting = connection.phase == .greeting
            connection.didPopFirst(
                next: Handle(index: connection.firstRequest.index &+ 1, generation: 1),
                byteCount: isGreeting ? 0 : 3)
        }

        mutating func didSend() {
            mbufs.release(&connection.sending)
            connection.didSend()
        }

        mutating func end() {
            mbufs.release(&connection.greeting)
            mbufs.release(&connection.outgoing)
            mbufs.release(&connection.sending)
        }
    }

    @Test func requestsWaitForTheConnection() {
        var server = Server()
        server.request()
        server.request()
        var actions = [server.actions()]
        server.connection.didConnect()
        let phase = server.phase
        #expect(phase == .ready)
        actions.append(server.actions())
        server.request()
        var unsent = server.connection.unsentCount
        #expect(unsent == 1)
        actions.append(server.actions())
        server.didSend()
        actions.append(server.actions())
        unsent = server.connection.unsentCount
        #expect(unsent == 0)
        #expect(actions == [[], [.receive, .send], [], [.send]])
        server.end()
    }

    /// No request of a client may overtake the proxy's own: it would run unauthenticated, or in
    /// another database.
    @Test(arguments: [1, 2])
    func requestsWaitForTheGreeting(_ count: Int) {
        var server = Server()
        for _ in 0..<count { server.greet() }
        server.request()
        server.connection.didConnect()
        var phase = server.phase
        #expect(phase == .greeting)
        var actions = [server.actions()]
        server.didSend()
        actions.append(server.actions())
        for _ in 0..<count {
            actions.append(server.actions())
            server.pop()
            server.connection.didGreet()
        }
        phase = server.phase
        #expect(phase == .ready)
        actions.append(server.actions())
        #expect(
            actions == [[.receive, .send], []] + Array(repeating: [], count: count) + [[.send]])
        let left = [server.connection.requestCount, server.connection.unsentCount]
        #expect(left == [1, 0])
        server.end()
    }

    @Test func pairsRepliesWithTheOldestRequest() {
        var server = Server()
        server.connection.didConnect()
        for _ in 0..<3 { server.request() }
        _ = server.actions()
        var first: [UInt32] = []
        while server.connection.requestCount > 0 {
            first.append(server.connection.firstRequest.index)
            server.pop()
        }
        server.request()
        first.append(server.connection.firstRequest.index)
        #expect(first == [0, 1, 2, 3])
        server.end()
    }

    @Test func receivesAgainWhenAReceiveEnds() {
        var server = Server()
        server.connection.didConnect()
        var actions = [server.actions()]
        server.connection.didEndReceive()
        actions.append(server.actions())
        #expect(actions == [[.receive], [.receive]])
    }

    @Test func aFailedConnectClosesAtOnce() {
        var server = Server()
        server.request()
        server.connection.didEndConnect()
        server.connection.abandon()
        let left = [server.connection.requestCount, server.connection.unsentCount]
        #expect(left == [0, 0])
        let isNone = server.connection.firstRequest.isNone
        #expect(isNone)
        let actions = server.actions()
        #expect(actions == [.close])
        server.end()
    }

    @Test func givingUpWhileConnectingCancelsTheConnect() {
        var server = Server()
        server.connection.abandon()
        var actions = [server.actions()]
        actions.append(server.actions())
        // It may have connected in the last moment.
        server.connection.didConnect()
        let phase = server.phase
        #expect(phase == .closing)
        actions.append(server.actions())
        #expect(actions == [[.cancelConnect], [], [.close]])
    }

    @Test func abandoningCancelsAndWaitsForTheKernel() {
        var server = Server()
        server.request()
        server.connection.didConnect()
        _ = server.actions()
        server.connection.abandon()
        var actions = [server.actions()]
        server.connection.didEndReceive()
        actions.append(server.actions())
        server.didSend()
        actions.append(server.actions())
        #expect(actions == [[.cancelReceive, .cancelSend], [], [.close]])
        // There is no way back from there.
        server.connection.abandon()
        let phase = server.phase
        #expect(phase == .closed)
        let after = server.actions()
        #expect(after == [])
        server.end()
    }

    /// What waits to be sent and what waits for its reply, as the stats show it.
    @Test func countsBytesBeforeAndAfterTheyAreSent() {
        var server = Server()
        server.request()
        server.request()
        var bytes = [server.connection.unsentBytes, server.connection.sentBytes]
        #expect(bytes == [6, 0])
        server.connection.didConnect()
        _ = server.actions()
        server.request()
        bytes = [server.connection.unsentBytes, server.connection.sentBytes]
        #expect(bytes == [3, 6])
        server.pop()
        server.pop()
        bytes = [server.connection.unsentBytes, server.connection.sentBytes]
        #expect(bytes == [3, 0])
        // The third is not sent, so a reply now is to nothing.
        let awaitsReply = server.connection.awaitsReply
        #expect(!awaitsReply)
        server.end()
    }

    @Test func abandoningForgetsWhatWasCounted() {
        var server = Server()
        server.connection.didConnect()
        server.request()
        _ = server.actions()
        server.request()
        server.connection.abandon()
        let bytes = [server.connection.unsentBytes, server.connection.sentBytes]
        #expect(bytes == [0, 0])
        server.end()
    }

    @Test func oneWithoutASocketIsForgottenNotClosed() {
        var connection = ServerConnection(
            pool: 0, server: 0, place: 0, openedAt: 0, isProbe: false)
        let waits = connection.nextAction()
        #expect(waits == .none)
        connection.abandon()
        let actions = [connection.nextAction(), connection.nextAction()]
        #expect(actions == [.forget, .none])
    }

    /// An address that takes too long is given up once, and the next gets a socket of its own.
    @Test func addressesAreTriedOneAfterAnother() {
        var connection = ServerConnection(
            socket: Socket(descriptor: 7), pool: 0, server: 0, place: 0, openedAt: 0,
            isProbe: false)
        let cancels = [connection.cancelConnect(), connection.cancelConnect()]
        #expect(cancels == [true, false])
        connection.didEndConnect()
        let isLate = connection.didFailConnect()
        #expect(isLate)
        connection.didLoseSocket()
        connection.didBeginConnect(Socket(descriptor: 8), address: 1)
        let count = connection.triedCount
        #expect(count == 2)
        connection.didEndConnect()
        let isSecondLate = connection.didFailConnect()
        #expect(!isSecondLate)
        connection.didLoseSocket()
        connection.didBeginConnect(Socket(descriptor: 9), address: 2)
        connection.didConnect()
        let phase = connection.phase
        #expect(phase == .ready)
        let socket = connection.socket
        #expect(socket == Socket(descriptor: 9))
    }

    @Test func aProbeThatWasAnsweredIsAConnectionLikeAnyOther() {
        var connection = ServerConnection(
            socket: Socket(descriptor: 7), pool: 0, server: 0, place: 0, openedAt: 0,
            isProbe: true)
        var isProbe = connection.isProbe
        #expect(isProbe)
        connection.didProbe()
        isProbe = connection.isProbe
        #expect(!isProbe)
    }

    // MARK: - Every event in every phase

    private enum Event: CaseIterable {
        case request, reply, connect, failConnect, endReceive, send, abandon
    }

    /// Every sequence of events, the impossible ones left out, with a greeting and without.
    @Test(arguments: [0, 1, 2])
    func neverClosesWhileAnythingIsInFlight(_ greetings: Int) {
        var count = 0
        var closed = 0
        forEverySequence(of: Event.allCases, upTo: 7) { events in
            var server = ServerConnection(
                socket: Socket(descriptor: 7), pool: 0, server: 0, place: 0, openedAt: 0,
                isProbe: false)
            var mbufs = MbufPool(capacity: 8)
            var kernel = Kernel()
            kernel.begin(.connect)
            for _ in 0..<greetings {
                mbufs.append("AUTH", to: &server.greeting)
                server.didPush(.none)
                server.didAddGreeting()
            }
            for event in events {
                guard Self.apply(event, to: &server, &mbufs, &kernel) else { return false }
                Self.act(&server, &mbufs, &kernel)
                if server.phase != .ready, server.phase != .closing, server.phase != .closed,
                    !server.outgoing.isEmpty, server.unsentCount == 0
                {
                    Issue.record("\(events): sent before the greeting was answered")
                }
            }
            server.abandon()
            Self.act(&server, &mbufs, &kernel)
            if kernel.complete(.connect) { server.didEndConnect() }
            Self.act(&server, &mbufs, &kernel)
            if kernel.complete(.send) { server.didSend() }
            Self.act(&server, &mbufs, &kernel)
            if kernel.complete(.receive) { server.didEndReceive() }
            Self.act(&server, &mbufs, &kernel)
            count += 1
            closed += kernel.isClosed ? 1 : 0
            if !kernel.faults.isEmpty { Issue.record("\(events): \(kernel.faults)") }
            return true
        }
        #expect(count > 2000)
        #expect(closed == count)
    }

    /// Returns false if the event cannot happen now.
    private static func apply(
        _ event: Event, to server: inout ServerConnection, _ mbufs: inout MbufPool,
        _ kernel: inout Kernel
    ) -> Bool {
        let isOpen = server.phase != .closing && server.phase != .closed
        switch event {
        case .request:
            guard isOpen else { return false }
            mbufs.append("GET", to: &server.outgoing)
            server.didPush(Handle(index: server.requestCount, generation: 1))
        case .reply:
            guard server.phase == .greeting || server.phase == .ready,
                server.requestCount > server.unsentCount || server.phase == .greeting
            else { return false }
            server.didPopFirst(next: Handle(index: 0, generation: 1), byteCount: 0)
            if server.phase == .greeting { server.didGreet() }
        case .connect:
            guard kernel.complete(.connect) else { return false }
            server.didEndConnect()
            server.didConnect()
        case .failConnect:
            guard kernel.complete(.connect) else { return false }
            server.didEndConnect()
            server.abandon()
        case .endReceive:
            guard kernel.complete(.receive) else { return false }
            server.didEndReceive()
        case .send:
            guard kernel.complete(.send) else { return false }
            mbufs.release(&server.sending)
            server.didSend()
        case .abandon:
            server.abandon()
        }
        return true
    }

    private static func act(
        _ server: inout ServerConnection, _ mbufs: inout MbufPool, _ kernel: inout Kernel
    ) {
        while true {
            switch server.nextAction() {
            case .none: return
            case .receive: kernel.begin(.receive)
            case .send:
                kernel.begin(.send)
                if server.phase == .greeting {
                    server.sending = mbufs.takeSend(from: &server.greeting)
                } else {
                    server.sending = mbufs.takeSend(from: &server.outgoing)
                }
            case .cancelConnect: kernel.cancel(.connect)
            case .cancelReceive: kernel.cancel(.receive)
            case .cancelSend: kernel.cancel(.send)
            case .forget: Issue.record("it has a socket")
            case .close: kernel.close()
            }
        }
    }
}
