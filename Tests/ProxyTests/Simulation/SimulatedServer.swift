import Config
import Glibc

@testable import Proxy

/// A small redis or memcached in memory, which answers in order, late, cut anywhere, or as its
/// faults have it.
final class SimulatedServer {
    /// What it knows of one connection.
    final class Session {
        let link: Link
        var input = ByteQueue()
        var replies: [(bytes: [UInt8], readyAt: UInt64)] = []
        var output = ByteQueue()
        /// Nothing is read or written any more, until then.
        var hangsUntil: UInt64?
        /// What comes after the output.
        var end: Link.End?
        var isAuthenticated: Bool
        var database: [UInt8] = Array("0".utf8)
        /// Something to say without being asked.
        var unasked: [UInt8]?

        init(_ link: Link, isAuthenticated: Bool) {
            self.link = link
            self.isAuthenticated = isAuthenticated
        }

        var isIdle: Bool {
            input.isEmpty && replies.isEmpty && output.isEmpty && end == nil && hangsUntil == nil
        }
    }

    let index: Int
    let scenario: Scenario
    var values: [[UInt8]: [UInt8]] = [:]
    /// What it keeps as a memcached.
    var items: [[UInt8]: MemcacheItem] = [:]
    var writeCount = 0
    private var sessions: [Session] = []
    private var connectsAt: [Int32: UInt64] = [:]
    private var isShutDown = false
    private var outages: Outages

    /// Connections that a fault touched and the proxy still has.
    private var faultyCount = 0
    private var lastFault = -1
    /// Without those of the proxy's own.
    private(set) var requestCount = 0

    init(_ index: Int, of world: World) {
        self.index = index
        scenario = world.scenario
        outages = Outages(of: scenario, from: world.clock, &world.chance)
    }
}

// MARK: - Faults

extension SimulatedServer {
    /// Whether a request sent in that turn, or later, may end in an error.
    func mayFail(since turn: Int) -> Bool {
        faultyCount > 0 || lastFault >= turn
    }

    func noteFault(in world: World) {
        lastFault = world.turn
    }

    func noteFault(on link: Link) {
        if !link.isFaulty { faultyCount += 1 }
        link.isFaulty = true
    }

    /// Nothing was ever wrong with it.
    var isFaultless: Bool { faultyCount == 0 && lastFault < 0 }

    func didClose(_ link: Link, in world: World) {
        connectsAt[link.descriptor] = nil
        if link.isFaulty {
            faultyCount -= 1
            noteFault(in: world)
        }
        guard let index = sessions.firstIndex(where: { $0.link === link }) else { return }
        let session = sessions.remove(at: index)
        // What had arrived may still be done.
        if session.hangsUntil == nil, world.chance.percent(50) {
            session.input.append(link.toPeer.take(link.toPeer.count))
            while let request = nextRequest(session, world) {
                _ = execute(request, session, world)
            }
        }
    }

    /// Ends every connection in good order.
    func shutDown(in world: World) {
        isShutDown = true
        outages.end()
        for session in sessions where session.link.end == nil { session.link.end = .finished }
    }
}

// MARK: - Connecting

extension SimulatedServer {
    /// The result of a connect, or nil while it takes its time.
    func connect(_ link: Link, in world: World) -> Int32? {
        if outages.isDown {
            connectsAt[link.descriptor] = nil
            noteFault(on: link)
            return -ECONNREFUSED
        }
        if let readyAt = connectsAt[link.descriptor] {
            guard world.clock >= readyAt else { return nil }
            connectsAt[link.descriptor] = nil
            if link.isFaulty { return -ETIMEDOUT }
        } else if world.chance.percent(scenario.connectFaults) {
            switch world.chance.below(4) {
            case 0:
                // Until the proxy gives up, or the kernel does.
                noteFault(on: link)
                connectsAt[link.descriptor] = world.clock + 2 * (scenario.longTime)
                return nil
            case 1:
                noteFault(on: link)
                link.end = world.chance.percent(50) ? .finished : .reset
            default:
                noteFault(on: link)
                return world.chance.pick([-ECONNREFUSED, -EHOSTUNREACH, -ECONNRESET])
            }
        } else if world.chance.percent(50) {
            connectsAt[link.descriptor] = world.clock + UInt64(world.chance.below(1_000_000))
            return nil
        }
        if isShutDown { link.end = .finished }
        sessions.append(Session(link, isAuthenticated: scenario.password == nil))
        return 0
    }

    /// When it wants to act again, whatever happens.
    var wakeAt: UInt64 {
        var next = min(connectsAt.values.min() ?? .max, outages.nextAt)
        for session in sessions {
            if let until = session.hangsUntil {
                next = min(next, until)
            } else if let reply = session.replies.first {
                next = min(next, reply.readyAt)
            }
        }
        return next
    }
}

// MARK: - Acting

extension SimulatedServer {
    func act(in world: World) -> Bool {
        var hasMoved = dieOrReturn(in: world)
        for session in sessions where act(session, in: world) { hasMoved = true }
        return hasMoved
    }

    /// When its time has come. A server that dies takes all of its connections with it.
    private func dieOrReturn(in world: World) -> Bool {
        guard let change = outages.next(at: world.clock) else { return false }
        guard change == .dies else { return true }
        for session in sessions where session.link.end == nil {
            noteFault(on: session.link)
            session.link.end = world.chance.percent(50) ? .finished : .reset
        }
        return true
    }

    private func act(_ session: Session, in world: World) -> Bool {
        let link = session.link
        guard link.isOpenForPeer else { return false }
        if let until = session.hangsUntil {
            guard world.clock >= until else { return false }
            link.end = .finished
            return true
        }
        var hasMoved = false
        if !link.toPeer.isEmpty {
            session.input.append(link.toPeer.take(world.chance.cut(link.toPeer.count)))
            while session.hangsUntil == nil, link.end == nil,
                let request = nextRequest(session, world)
            {
                answer(request, session, world)
            }
            hasMoved = true
        }
        while let reply = session.replies.first, reply.readyAt <= world.clock {
            session.output.append(reply.bytes)
            session.replies.removeFirst()
            hasMoved = true
        }
        let room = min(session.output.count, Link.capacity - link.toProxy.count)
        if room > 0, link.end == nil {
            link.toProxy.append(session.output.take(world.chance.cut(room)))
            hasMoved = true
        }
        if let end = session.end, session.output.isEmpty, session.replies.isEmpty, link.end == nil {
            link.end = end
            hasMoved = true
        }
        return hasMoved
    }

    private func nextRequest(_ session: Session, _ world: World) -> [[UInt8]]? {
        guard !session.input.isEmpty else { return nil }
        let (request, count) = session.input.withBytes { bytes -> ([[UInt8]]?, Int) in
            var reader = WireReader(bytes)
            do throws(WireReader.Failure) {
                return (try read(&reader), reader.position)
            } catch {
                if error == .malformed {
                    world.fail("server \(index) got \(text(of: bytes.prefix(80)))")
                }
                return (nil, 0)
            }
        }
        session.input.drop(count)
        return request
    }

    private func answer(_ request: [[UInt8]], _ session: Session, _ world: World) {
        if !isProxysOwn(request) { requestCount += 1 }
        let isFailing = world.chance.percent(scenario.serverFaults)
        if isFailing, session.end == nil {
            return misbehave(request, session, world)
        }
        guard session.end == nil else { return }
        append(execute(request, session, world), session, world)
        if world.chance.percent(scenario.serverFaults) {
            session.unasked = scenario.protocolKind.unasked
        }
    }

    private func append(_ bytes: [UInt8], _ session: Session, _ world: World) {
        guard !bytes.isEmpty else { return }
        var readyAt = session.replies.last?.readyAt ?? world.clock
        if world.chance.percent(scenario.delays) {
            readyAt = max(readyAt, world.clock + UInt64(world.chance.below(scenario.delayMax)))
        }
        session.replies.append((bytes, readyAt))
    }

    private func misbehave(_ request: [[UInt8]], _ session: Session, _ world: World) {
        switch world.chance.below(8) {
        case 0, 1:
            // Dies after some of the reply, or none.
            noteFault(on: session.link)
            let bytes = execute(request, session, world)
            let count = world.chance.below(max(1, bytes.count))
            append(Array(bytes.prefix(count)), session, world)
            session.end = world.chance.percent(50) ? .finished : .reset
        case 2:
            noteFault(on: session.link)
            session.link.reset()
        case 3:
            noteFault(on: session.link)
            // For ever, where it is the proxy's task to notice.
            session.hangsUntil = scenario.timeout == nil ? world.clock + scenario.longTime : .max
        case 4:
            noteFault(on: session.link)
            append(Array("?nonsense\r\n".utf8), session, world)
        case 5:
            // Sends what nobody asked for, with the last reply, and leaves.
            noteFault(on: session.link)
            let bytes = execute(request, session, world)
            append(bytes + scenario.protocolKind.unaskedError, session, world)
            session.end = .finished
        case 6 where mayMistake(request):
            append(mistakenReply(to: request, session, world), session, world)
        default:
            guard mayRefuse(request) else {
                noteFault(on: session.link)
                return session.link.reset()
            }
            // The proxy gives a connection up whose greeting fails.
            if isGreeting(request) { noteFault(on: session.link) } else { noteFault(in: world) }
            append(scenario.protocolKind.overload, session, world)
        }
    }

    /// Says something unasked, if that can be told from a reply: nothing has left the proxy that
    /// this connection has not answered.
    func speakUp(on link: Link, in world: World) {
        guard let session = sessions.first(where: { $0.link === link }),
            let bytes = session.unasked, session.isIdle, link.isOpenForPeer,
            link.toPeer.isEmpty, link.toProxy.isEmpty
        else { return }
        let isSending = world.operations(on: link).contains {
            if case .send = $0.kind { true } else { false }
        }
        guard !isSending else { return }
        noteFault(on: link)
        session.unasked = nil
        link.toProxy.append(bytes)
        session.end = .finished
    }
}

// MARK: - Protocols

extension SimulatedServer {
    /// A request, as its words.
    private func read(_ reader: inout WireReader) throws(WireReader.Failure) -> [[UInt8]] {
        switch scenario.protocolKind {
        case .redis: try reader.request()
        case .memcache: try reader.memcacheRequest()
        }
    }

    /// Returns the reply, if there is to be one.
    private func execute(
        _ request: [[UInt8]], _ session: Session, _ world: World
    ) -> [UInt8] {
        switch scenario.protocolKind {
        case .redis: executeRedis(request, session, world).bytes
        case .memcache: executeMemcache(request, world)
        }
    }

    private func isGreeting(_ request: [[UInt8]]) -> Bool {
        switch scenario.protocolKind {
        case .redis: isRedisGreeting(request)
        case .memcache: scenario.ejectsServers && request[0] == Array("version".utf8)
        }
    }

    /// Whether the proxy asks it for itself.
    private func isProxysOwn(_ request: [[UInt8]]) -> Bool {
        isGreeting(request) || request[0] == Array("PING".utf8)
    }

    /// Whether it may be answered with an error instead.
    private func mayRefuse(_ request: [[UInt8]]) -> Bool {
        switch scenario.protocolKind {
        case .redis: true
        case .memcache: hasMemcacheReply(request)
        }
    }

    /// Whether it may be answered with what is no answer to it.
    private func mayMistake(_ request: [[UInt8]]) -> Bool {
        switch scenario.protocolKind {
        case .redis: isSplittable(request)
        case .memcache: hasMemcacheReply(request)
        }
    }

    private func mistakenReply(
        to request: [[UInt8]], _ session: Session, _ world: World
    ) -> [UInt8] {
        switch scenario.protocolKind {
        case .redis: mistakenRedisReply(to: request, session, world)
        case .memcache: mistakenMemcacheReply(to: request, session, world)
        }
    }
}

extension ProtocolKind {
    fileprivate var unasked: [UInt8] {
        switch self {
        case .redis: Array("+UNASKED\r\n".utf8)
        case .memcache: Array("STORED\r\n".utf8)
        }
    }

    fileprivate var unaskedError: [UInt8] {
        switch self {
        case .redis: Array("-ERR unasked\r\n".utf8)
        case .memcache: Array("SERVER_ERROR unasked\r\n".utf8)
        }
    }

    fileprivate var overload: [UInt8] {
        switch self {
        case .redis: Array("-LOADING Redis is loading the dataset\r\n".utf8)
        case .memcache: Array("SERVER_ERROR out of memory storing object\r\n".utf8)
        }
    }
}

extension Scenario {
    /// So long that only a fault takes it.
    var longTime: UInt64 { 50_000_000 }
}

extension SimulatedServer: CustomStringConvertible {
    var description: String {
        let list = sessions.map { session in
            "(\(session.link.descriptor): \(session.input.count) bytes in, "
                + "\(session.replies.count) replies and \(session.output.count) bytes out, "
                + "hangs until \(session.hangsUntil ?? 0), end \(session.end.debugDescription))"
        }
        return "server \(index) \(list)"
    }
}
