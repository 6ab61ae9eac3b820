import Config
import Glibc
import Testing

@testable import Proxy

/// One seeded run of a whole worker against a simulated world.
enum Simulation {
    /// Runs seeds of a scenario and reports those that fail.
    ///
    /// `SIMULATION_SEEDS` multiplies how many there are; `SIMULATION_SEED` picks a single one
    /// and prints what happens in it.
    static func run(
        _ count: Int, of scenario: Scenario, from base: UInt64,
        location: SourceLocation = #_sourceLocation
    ) {
        if let text = getenv("SIMULATION_SEED"), let seed = UInt64(String(cString: text)) {
            let failures = run(seed: seed, scenario) { print($0) }
            #expect(failures.isEmpty, "seed \(seed)", sourceLocation: location)
            return
        }
        var factor = 1
        if let text = getenv("SIMULATION_SEEDS") { factor = Int(String(cString: text)) ?? 1 }
        var failed = 0
        for index in 0..<count * factor where failed < 5 {
            let seed = base * 1_000_000 + UInt64(index)
            let failures = run(seed: seed, scenario)
            guard !failures.isEmpty else { continue }
            failed += 1
            let text = failures.joined(separator: "\n    ")
            Issue.record("SIMULATION_SEED=\(seed): \(text)", sourceLocation: location)
        }
    }

    /// Nobody reads them: a full pipe drops what is written to it.
    private static let events = makePipe(of: LogEvent.self)
    private static let questions = makePipe(of: UInt32.self)

    private static func makePipe<Record>(of _: Record.Type) -> EventPipe<Record> {
        guard let pipe = EventPipe<Record>() else { fatalError("no descriptor is left") }
        return pipe
    }

    /// Returns what went wrong.
    static func run(
        seed: UInt64, _ scenario: Scenario, trace: ((String) -> Void)? = nil
    ) -> [String] {
        CrashNote.set("SIMULATION_SEED=\(seed) crashed\n")
        defer { CrashNote.clear() }
        var chance = Chance(seed: seed)
        let pool = scenario.pool(&chance)
        let world = World(scenario: scenario, pool: pool, chance: chance)
        world.trace = trace
        let configuration = Configuration(pools: [pool])
        var worker = Worker(
            ring: SimulatedRing(world: world), configuration: configuration,
            listeners: [SimulatedRing.listener], limits: scenario.limits, seed: seed,
            process: Shared(
                ProcessState(configuration, workerCount: 1, questions: questions)),
            board: Shared(CounterBoard(configuration, workerCount: 1)), events: events)
        worker.start()
        turn(&worker, world) { world.areClientsGone }
        world.shutDown()
        turn(&worker, world) { world.isQuiet }
        if world.failures.isEmpty { checkNothingIsLeft(worker, world) }
        return world.failures
    }

    private static func turn(
        _ worker: inout Worker<SimulatedRing>, _ world: World, until isOver: () -> Bool
    ) {
        let last = world.turn + 20_000
        while world.failures.isEmpty, !isOver() {
            guard world.turn < last else { return world.fail("it never ends") }
            world.trace?("turn \(world.turn + 1) at \(world.clock)")
            worker.turn()
        }
    }

    private static func checkNothingIsLeft(
        _ worker: borrowing Worker<SimulatedRing>, _ world: World
    ) {
        let provided = world.groups.reduce(0) { $0 + $1.buffers.count }
        let left = [
            ("clients", worker.clients.count), ("connections", worker.connections.count),
            ("requests", worker.requests.count), ("gatherings", worker.gatherings.count),
            ("chain nodes", worker.mbufs.nodes.usedCount),
            ("mbufs", worker.mbufs.usedCount - min(worker.mbufs.usedCount, UInt32(provided))),
            ("counted clients", UInt32(worker.process.value.poolClients[0].current)),
            ("usable connections", UInt32(usable(worker))),
        ]
        for (name, count) in left where count > 0 { world.fail("\(count) \(name) are left") }
    }

    private static func usable(_ worker: borrowing Worker<SimulatedRing>) -> Int {
        var count = 0
        for server in 0..<worker.pools[0].servers.count {
            count += worker.pools[0].servers[server].connectionCount
        }
        return count
    }
}

extension Scenario {
    fileprivate func pool(_ chance: inout Chance) -> PoolConfiguration {
        let servers = (0..<chance.within(serverCount)).map { index in
            ServerConfiguration(name: "s\(index)", address: .unix(path: "s\(index)"), weight: 1)
        }
        var pool = PoolConfiguration(
            name: "pool", listen: .unix(path: "pool", permissions: nil), servers: servers)
        pool.protocolKind = protocolKind
        pool.autoEjectHosts = ejectsServers
        pool.serverRetryTimeout = .milliseconds(5)
        pool.distribution = distribution
        pool.timeout = timeout
        pool.preconnect = preconnect
        pool.redisAuth = password
        pool.redisDatabase = database
        pool.clientConnections = clientConnections
        pool.serverConnections = serverConnections
        return pool
    }
}

/// Says which seed was running when a trap ends the process, which no test can catch.
enum CrashNote {
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT] {
            signal(number) { number in
                CrashNote.write()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        return key
    }()

    static func set(_ text: String) {
        pthread_setspecific(key, strdup(text))
    }

    static func clear() {
        free(pthread_getspecific(key))
        pthread_setspecific(key, nil)
    }

    private static func write() {
        guard let note = pthread_getspecific(key) else { return }
        _ = Glibc.write(2, note, strlen(note.assumingMemoryBound(to: CChar.self)))
    }
}
