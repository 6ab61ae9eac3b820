import Config

@testable import Proxy

/// The other side of all `SimulatedRing`s: kernel, network, peers and clock, all driven by one
/// seed.
final class World {
    let scenario: Scenario
    private(set) var placement: Placement
    var chance: Chance
    /// Nanoseconds.
    var clock: UInt64 = 1_000_000_000
    /// Counts the calls of `wait`. Finer than the clock for what came before what.
    var turn = 0

    /// One per worker.
    private(set) var rings: [RingSide] = []
    private(set) var links: [Int32: Link] = [:]
    private var nextDescriptor: Int32 = 100

    private(set) var servers: [SimulatedServer] = []
    private(set) var clients: [any Client] = []
    /// Clients that the proxy has not accepted yet.
    var arriving: [any Client] = []
    /// Sockets that the proxy was given: clients', and its own to servers, even if it got none.
    var acceptedCount = 0
    var openedCount = 0
    /// Commands that clients have read to be refused.
    var refusedCommandCount = 0
    /// What clients of a memcache pool do to the same keys.
    let races = MemcacheRaces()

    /// When the proxy is told to end; `.max` if it is not.
    private(set) var stopsAt = UInt64.max
    private(set) var isListening = true
    private(set) var hasExited = false

    private(set) var seen: Set<Happening> = []
    private(set) var failures: [String] = []
    var trace: ((String) -> Void)?

    init(scenario: Scenario, pool: PoolConfiguration, workerCount: Int, chance: Chance) {
        self.scenario = scenario
        self.chance = chance
        placement = Placement(pool)
        let isIncremental = scenario.isIncremental ?? self.chance.percent(50)
        let counts = scenario.limits.providedMbufs
        for index in 0..<workerCount {
            let groups = MbufGroup.allCases.map { _ in
                ProvidedMbufs(
                    capacity: Int(isIncremental ? counts.incremental : counts.plain),
                    isIncremental: isIncremental)
            }
            rings.append(RingSide(index, groups: groups))
        }
        for index in pool.servers.indices { servers.append(SimulatedServer(index, of: self)) }
        for index in 0..<self.chance.within(scenario.clientCount) {
            clients.append(makeClient(index))
        }
        if scenario.isStopped { stopsAt = clock + UInt64(self.chance.below(8_000_000)) }
    }

    private func makeClient(_ index: Int) -> any Client {
        switch scenario.protocolKind {
        case .redis: SimulatedClient<KeySpace>(index, of: self)
        case .memcache: SimulatedClient<MemcacheKeySpace>(index, of: self)
        }
    }

    func note(_ happening: Happening) { seen.insert(happening) }

    func fail(_ text: String) {
        trace?("FAILURE \(text)")
        if failures.count < 5 { failures.append("turn \(turn): \(text)") }
    }
}

// MARK: - Keys

extension World {
    /// The index of the server that a key belongs to when all are live.
    func server(of key: [UInt8]) -> Int { placement.home(of: key) }

    /// A server was taken out, or has come back.
    func didChangeHealth(live: [Bool]) {
        placement.change(to: live, in: turn)
    }

    /// Whether a request about a key, sent in that turn or later, may end in an error.
    func mayFail(_ key: [UInt8], since turn: Int) -> Bool {
        placement.mayBeNone(since: turn)
            || placement.places(of: key, since: turn).contains {
                servers[$0].mayFail(since: turn)
            }
    }

    /// The same, if it has no reply that could say that there were too many others.
    func mayBeLost(_ key: [UInt8], since turn: Int) -> Bool {
        scenario.mayRefuse || mayFail(key, since: turn)
    }
}

// MARK: - Connections

extension World {
    /// - Parameter owner: The ring of the worker that makes or accepts it.
    func makeLink(to peer: Link.Peer, isConnected: Bool, owner: RingSide) -> Link {
        nextDescriptor += 1
        let link = Link(
            descriptor: nextDescriptor, peer: peer, isConnected: isConnected, owner: owner)
        links[link.descriptor] = link
        return link
    }

    /// The kernel has closed the proxy's socket.
    func remove(_ link: Link) {
        links[link.descriptor] = nil
        link.isClosed = true
        switch link.peer {
        case .server(let server): server.didClose(link, in: self)
        case .client(let client): while client.act(in: self) {}
        }
    }

    func operations(on link: Link) -> [Operation] {
        rings.flatMap { ring in ring.operations.filter { $0.link === link } }
    }

    /// All clients have left, and the proxy knows.
    var areClientsGone: Bool {
        arriving.isEmpty && clients.allSatisfy { $0.isDone }
            && !links.values.contains { if case .client = $0.peer { true } else { false } }
    }

    /// Nothing is connected, and nothing is in flight but the waits for clients and for the end.
    var isQuiet: Bool {
        links.isEmpty
            && rings.allSatisfy { ring in
                ring.operations.allSatisfy { $0.isWaitForever } && !ring.hasPosted
            }
    }

    func shutDown() {
        for server in servers { server.shutDown(in: self) }
    }
}

// MARK: - The end of the proxy

extension World {
    /// Nobody listens any more: clients that wait to be accepted are reset.
    func stopListening() {
        isListening = false
        for link in rings.flatMap({ $0.withdrawAccepted() }) {
            acceptedCount -= 1
            remove(link)
        }
        for client in arriving { client.didFindNobody() }
        arriving.removeAll()
    }

    /// The process ends, and with it every connection that is left. What the workers still hold
    /// is found by letting them go on without anybody to talk to.
    func exit() {
        if isListening { stopListening() }
        hasExited = true
        for client in clients { client.didFindNobody() }
        for link in links.values.sorted(by: { $0.descriptor < $1.descriptor }) {
            guard case .client(let client) = link.peer else { continue }
            link.isClosed = true
            while client.act(in: self) {}
            link.reset()
        }
        for ring in rings { ring.hasEnded = false }
        shutDown()
    }
}

// MARK: - Time

extension World {
    /// Lets peers and kernel act until a worker has a reason to go on, and returns one of those
    /// that have; nil if none of them gets a processor.
    func wait() -> RingSide? {
        turn += 1
        clock += UInt64(chance.below(20_000))
        _ = step(chance: 50)
        var rounds = 0
        while !rings.contains(where: \.hasPosted) {
            let hasMoved = step(chance: 100)
            if rings.contains(where: { $0.isDue(at: clock) }) { break }
            rounds += 1
            guard rounds < 100_000 else {
                fail("peers act for ever")
                return nil
            }
            if hasMoved { continue }
            guard let next = nextEvent else {
                failStuck()
                return nil
            }
            clock = max(clock, next)
        }
        let due = rings.filter { $0.isDue(at: clock) && $0.runsFrom <= turn }
        return due.count > 1 ? chance.pick(due) : due.first
    }

    /// Lets peers and kernel act while a worker is in the middle of its turn.
    func goOn() {
        clock += UInt64(chance.below(20_000))
        _ = step(chance: 50)
    }

    /// When something happens of itself.
    private var nextEvent: UInt64? {
        let peers = clients.map(\.wakeAt) + servers.map(\.wakeAt)
        let kernel = rings.flatMap { $0.operations.map(\.readyAt) }
        let next = (peers + kernel).filter { $0 > clock }.min() ?? .max
        let deadline = rings.filter { !$0.hasEnded }.map(\.deadline).min() ?? .max
        let first = min(next, deadline)
        return first == .max ? nil : first
    }

    private func failStuck() {
        for link in links.values { trace?(link.description) }
        for operation in rings.flatMap(\.operations) {
            trace?("\(operation.kind) on \(operation.link?.descriptor ?? 0)")
        }
        let waiting = clients.filter { !$0.isDone }.map(\.description)
        fail("the proxy waits for what cannot happen, as do \(waiting)")
    }

    /// Lets everybody act with a chance in a hundred. Returns whether anything happened.
    private func step(chance percent: Int) -> Bool {
        var hasMoved = false
        for client in clients where percent == 100 || chance.percent(percent) {
            if client.act(in: self) { hasMoved = true }
        }
        for server in servers where percent == 100 || chance.percent(percent) {
            if server.act(in: self) { hasMoved = true }
        }
        for ring in rings where !ring.hasEnded {
            if step(ring, chance: percent) { hasMoved = true }
        }
        return hasMoved
    }

    /// From a random place on, in either direction: completions come in any order.
    private func step(_ ring: RingSide, chance percent: Int) -> Bool {
        let count = ring.operations.count
        guard count > 0 else { return false }
        var hasMoved = false
        let some = ring.operations
        let start = chance.below(count)
        let stride = chance.percent(50) ? 1 : count - 1
        for index in 0..<count where percent == 100 || chance.percent(percent) {
            let operation = some[(start + index * stride) % count]
            if progress(operation) { hasMoved = true }
        }
        return hasMoved
    }
}
