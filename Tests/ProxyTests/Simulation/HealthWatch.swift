@testable import Proxy

/// Checks, turn by turn, that the workers decide together which servers are in use.
struct HealthWatch {
    private let world: World
    /// What the events have said so far.
    private(set) var live: [Bool]
    private(set) var ejectionCount = 0
    /// The servers that were taken out, or came back, in the last turn.
    private(set) var changed: Set<Int> = []
    private var wereLive: [Bool] = []
    private var requestCounts: [Int] = []
    private var versionBefore = 0
    /// Per worker, of the topology that was looked at last.
    private var checkedVersions: [Int]

    init(serverCount: Int, in world: World) {
        self.world = world
        live = Array(repeating: true, count: serverCount)
        checkedVersions = world.rings.map { _ in 0 }
    }

    mutating func willTurn(
        _ worker: borrowing Worker<SimulatedRing>, _ state: Shared<ProcessState>
    ) {
        guard world.scenario.ejectsServers else { return }
        wereLive = live
        requestCounts = Self.requestCounts(of: worker)
        versionBefore = state.value.healthVersion.load(ordering: .relaxed)
    }

    mutating func didTurn(
        _ worker: borrowing Worker<SimulatedRing>, _ state: Shared<ProcessState>,
        _ events: EventPipe<LogEvent>
    ) {
        guard world.scenario.ejectsServers else { return }
        changed.removeAll()
        while let event = events.next() { note(event, of: worker.index) }
        for server in live.indices where state.value.servers[server].isEjected == live[server] {
            world.fail("worker \(worker.index) changed the health of server \(server) silently")
        }
        checkRouting(of: worker)
        if worker.now > worker.startedAt { checkTopology(of: worker, state) }
    }

    private mutating func note(_ event: LogEvent, of worker: Int) {
        let server = Int(event.server)
        switch event.kind {
        case .serverEjected, .serverRecovered:
            let isLive = event.kind == .serverRecovered
            world.trace?("  worker \(worker): server \(server) \(isLive ? "is back" : "is out")")
            if live[server] == isLive {
                world.fail("server \(server) was \(isLive ? "taken back" : "ejected") twice")
            }
            live[server] = isLive
            world.didChangeHealth(live: live)
            changed.insert(server)
            world.note(isLive ? .recovery : .ejection)
            guard !isLive else { break }
            ejectionCount += 1
            if ejectionCount > world.scenario.ejectionMax { world.fail("too many ejections") }
        default: break
        }
    }

    /// A server that was out before a worker's turn gets nothing new in it.
    private func checkRouting(of worker: borrowing Worker<SimulatedRing>) {
        let counts = Self.requestCounts(of: worker)
        for server in live.indices where !wereLive[server] && !changed.contains(server) {
            guard counts[server] != requestCounts[server] else { continue }
            world.fail("worker \(worker.index) gave a request to server \(server), which is out")
        }
    }

    /// A worker has the topology of the version it says, which is none from before its turn.
    private mutating func checkTopology(
        of worker: borrowing Worker<SimulatedRing>, _ state: Shared<ProcessState>
    ) {
        let version = state.value.healthVersion.load(ordering: .relaxed)
        let isOld = worker.healthVersion < versionBefore
        guard isOld || checkedVersions[worker.index] != version else { return }
        checkedVersions[worker.index] = worker.healthVersion
        let isAnother =
            worker.healthVersion == version
            && !world.placement.isCurrent(worker.pools[0].topology)
        if isOld || isAnother { world.fail("worker \(worker.index) goes on with an old topology") }
    }

    private static func requestCounts(of worker: borrowing Worker<SimulatedRing>) -> [Int] {
        (0..<worker.counters.value.servers.count).map {
            worker.counters.value.servers[$0].requests.current
        }
    }
}
