import Glibc

@testable import Proxy

/// A small redis in memory, which answers in order, late, cut anywhere, or as its faults have it.
final class SimulatedServer {
    /// What it knows of one connection.
    private final class Session {
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
    private let scenario: Scenario
    private var values: [[UInt8]: [UInt8]] = [:]
    private var sessions: [Session] = []
    private var connectsAt: [Int32: UInt64] = [:]
    private var isShutDown = false

    /// Connections that a fault touched and the proxy still has.
    private var faultyCount = 0
    private var lastFault = -1
    private(set) var requestCount = 0

    init(_ index: Int, of world: World) {
        self.index = index
        scenario = world.scenario
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
        for session in sessions where session.link.end == nil { session.link.end = .finished }
    }
}

// MARK: - Connecting

extension SimulatedServer {
    /// The result of a connect, or nil while it takes its time.
    func connect(_ link: Link, in world: World) -> Int32? {
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
        var next = connectsAt.values.min() ?? .max
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
        var hasMoved = false
        for session in sessions where act(session, in: world) { hasMoved = true }
        return hasMoved
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
                return (try reader.request(), reader.position)
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
        requestCount += 1
        let isFailing = world.chance.percent(scenario.serverFaults)
        if isFailing, session.end == nil {
            return misbehave(request, session, world)
        }
        guard session.end == nil else { return }
        append(execute(request, session, world).bytes, session, world)
        if world.chance.percent(scenario.serverFaults) {
            session.unasked = Array("+UNASKED\r\n".utf8)
        }
    }

    private func append(_ bytes: [UInt8], _ session: Session, _ world: World) {
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
            let bytes = execute(request, session, world).bytes
            append(Array(bytes.prefix(world.chance.below(bytes.count))), session, world)
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
            let bytes = execute(request, session, world).bytes
            append(bytes + Array("-ERR unasked\r\n".utf8), session, world)
            session.end = .finished
        case 6 where isSplittable(request):
            noteFault(in: world)
            let word = Array("wrong".utf8)
            let isMany = request.count > 2 && request[0] == Array("mget".utf8)
            let wrong =
                isMany && world.chance.percent(70)
                ? Reply.array(
                    (0..<world.chance.pick([1, request.count])).map { _ in Reply.bulk(word) })
                : .bulk(word)
            append(wrong.bytes, session, world)
        default:
            // The proxy gives a connection up whose greeting fails.
            if isGreeting(request) { noteFault(on: session.link) } else { noteFault(in: world) }
            append(Reply.error("LOADING Redis is loading the dataset").bytes, session, world)
        }
    }

    private func isGreeting(_ request: [[UInt8]]) -> Bool {
        request[0] == Array("AUTH".utf8) || request[0] == Array("SELECT".utf8)
    }

    private func isSplittable(_ request: [[UInt8]]) -> Bool {
        let name = String(decoding: request[0], as: UTF8.self).uppercased()
        return ["MGET", "MSET", "DEL", "UNLINK", "EXISTS", "TOUCH"].contains(name)
    }

    /// Says something unasked, if that can be told from a reply: nothing has left the proxy that
    /// this connection has not answered.
    func speakUp(on link: Link, in world: World) {
        guard let session = sessions.first(where: { $0.link === link }),
            let bytes = session.unasked, session.isIdle, link.isOpenForPeer,
            link.toPeer.isEmpty, link.toProxy.isEmpty
        else { return }
        let isSending = world.operations.contains {
            guard $0.link === link, case .send = $0.kind else { return false }
            return true
        }
        guard !isSending else { return }
        noteFault(on: link)
        session.unasked = nil
        link.toProxy.append(bytes)
        session.end = .finished
    }
}

// MARK: - Redis

extension SimulatedServer {
    private func execute(_ request: [[UInt8]], _ session: Session, _ world: World) -> Reply {
        let name = String(decoding: request[0], as: UTF8.self).uppercased()
        let arguments = Array(request.dropFirst())
        switch (name, arguments.count) {
        case ("AUTH", 1):
            session.isAuthenticated = arguments[0] == Array((scenario.password ?? "").utf8)
            return .simple("OK")
        case ("SELECT", 1):
            session.database = arguments[0]
            return .simple("OK")
        default: break
        }
        if !session.isAuthenticated || session.database != Array("\(scenario.database)".utf8) {
            world.fail("\(name) before AUTH and SELECT")
        }
        let step = name == "MSET" ? 2 : 1
        let isSingle = name == "GET" || name == "SET"
        for index in stride(from: 0, to: isSingle ? 1 : arguments.count, by: step)
        where world.server(of: arguments[index]) != self.index {
            world.fail("a key of another server on \(self.index): \(text(of: arguments[index]))")
        }
        switch (name, arguments.count) {
        case ("GET", 1): return .bulk(values[arguments[0]])
        case ("SET", 2):
            values[arguments[0]] = arguments[1]
            return .simple("OK")
        case ("MGET", 1...): return .array(arguments.map { .bulk(values[$0]) })
        case ("MSET", 2...) where arguments.count % 2 == 0:
            for index in stride(from: 0, to: arguments.count, by: 2) {
                values[arguments[index]] = arguments[index + 1]
            }
            return .simple("OK")
        case ("DEL", 1...), ("UNLINK", 1...):
            return .integer(arguments.count { values.removeValue(forKey: $0) != nil })
        case ("EXISTS", 1...), ("TOUCH", 1...):
            return .integer(arguments.count { values[$0] != nil })
        case ("RENAME", 2):
            guard let value = values.removeValue(forKey: arguments[0]) else {
                return .error("ERR no such key")
            }
            values[arguments[1]] = value
            return .simple("OK")
        case ("GET", _), ("SET", _), ("MGET", _), ("MSET", _), ("DEL", _):
            return .error("ERR wrong number of arguments for '\(name.lowercased())' command")
        default:
            world.fail("server \(index) got \(name)")
            return .error("ERR unknown command")
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
