import Config

@testable import Proxy

/// The other side of a `SimulatedRing`: kernel, network, peers and clock, all driven by one seed.
final class World {
    let scenario: Scenario
    let topology: Topology
    var chance: Chance
    /// Nanoseconds.
    var clock: UInt64 = 1_000_000_000
    /// Counts the calls of `wait`. Finer than the clock for what came before what.
    var turn = 0

    var operations: [Operation] = []
    var ready: [Completion] = []
    var readCount = 0
    private var later: [Completion] = []
    var groups: [ProvidedMbufs]
    private(set) var links: [Int32: Link] = [:]
    private var nextDescriptor: Int32 = 100

    private(set) var servers: [SimulatedServer] = []
    private(set) var clients: [any Client] = []
    /// Clients that the proxy has not accepted yet.
    var arriving: [any Client] = []

    private(set) var failures: [String] = []
    var trace: ((String) -> Void)?

    init(scenario: Scenario, pool: PoolConfiguration, chance: Chance) {
        self.scenario = scenario
        var chance = chance
        topology = Topology(pool: pool) { _ in true }
        let isIncremental = scenario.isIncremental ?? chance.percent(50)
        let counts = scenario.limits.providedMbufs
        groups = MbufGroup.allCases.map { _ in
            ProvidedMbufs(
                capacity: Int(isIncremental ? counts.incremental : counts.plain),
                isIncremental: isIncremental)
        }
        self.chance = chance
        for index in pool.servers.indices { servers.append(SimulatedServer(index, of: self)) }
        for index in 0..<self.chance.within(scenario.clientCount) {
            clients.append(makeClient(index))
        }
    }

    private func makeClient(_ index: Int) -> any Client {
        switch scenario.protocolKind {
        case .redis: SimulatedClient<KeySpace>(index, of: self)
        case .memcache: SimulatedClient<MemcacheKeySpace>(index, of: self)
        }
    }

    func fail(_ text: String) {
        trace?("FAILURE \(text)")
        if failures.count < 5 { failures.append("turn \(turn): \(text)") }
    }

    /// The index of the server that a key belongs to.
    func server(of key: [UInt8]) -> Int {
        var random = SplitMix64(state: 0)
        return topology.server(for: key.span, random: &random)
    }

    /// Whether a request about a key, sent in that turn or later, may end in an error.
    func mayFail(_ key: [UInt8], since turn: Int) -> Bool {
        scenario.ejectsServers || servers[server(of: key)].mayFail(since: turn)
    }

    /// The same, if it has no reply that could say that there were too many others.
    func mayBeLost(_ key: [UInt8], since turn: Int) -> Bool {
        scenario.mayRefuse || mayFail(key, since: turn)
    }
}

// MARK: - Connections

extension World {
    func makeLink(to peer: Link.Peer, isConnected: Bool) -> Link {
        nextDescriptor += 1
        let link = Link(descriptor: nextDescriptor, peer: peer, isConnected: isConnected)
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

    /// All clients have left, and the proxy knows.
    var areClientsGone: Bool {
        arriving.isEmpty && clients.allSatisfy { $0.isDone }
            && !links.values.contains { if case .client = $0.peer { true } else { false } }
    }

    /// Nothing is connected, and nothing is in flight but the wait for clients.
    var isQuiet: Bool {
        links.isEmpty
            && operations.allSatisfy { if case .accept = $0.kind { true } else { false } }
    }

    func shutDown() {
        for server in servers { server.shutDown(in: self) }
    }
}

// MARK: - Time

extension World {
    /// At the next wait.
    func completeLater(_ completion: Completion) {
        later.append(completion)
    }

    /// Lets peers and kernel act until there is a completion, or it is late.
    func wait(until deadline: UInt64) {
        ready.removeAll(keepingCapacity: true)
        readCount = 0
        turn += 1
        swap(&ready, &later)
        clock += UInt64(chance.below(20_000))
        _ = step(chance: 50)
        var rounds = 0
        while ready.isEmpty {
            let hasMoved = step(chance: 100)
            guard ready.isEmpty, clock < deadline else { return }
            rounds += 1
            guard rounds < 100_000 else { return fail("peers act for ever") }
            if hasMoved { continue }
            let peers = clients.map(\.wakeAt) + servers.map(\.wakeAt)
            let next = min(deadline, peers.filter { $0 > clock }.min() ?? .max)
            guard next != .max else {
                for link in links.values { trace?(link.description) }
                for operation in operations {
                    trace?("\(operation.kind) on \(operation.link?.descriptor ?? 0)")
                }
                let waiting = clients.filter { !$0.isDone }.map(\.description)
                return fail("the proxy waits for what cannot happen, as do \(waiting)")
            }
            clock = max(clock, next)
        }
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
        // From a random place on, in either direction: completions come in any order.
        let count = operations.count
        guard count > 0 else { return hasMoved }
        let some = operations
        let start = chance.below(count)
        let stride = chance.percent(50) ? 1 : count - 1
        for index in 0..<count where percent == 100 || chance.percent(percent) {
            let operation = some[(start + index * stride) % count]
            if progress(operation) { hasMoved = true }
        }
        return hasMoved
    }
}
