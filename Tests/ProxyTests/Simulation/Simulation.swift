import Config
import Glibc
import Testing

@testable import Proxy

/// One seeded run of one whole worker, or of several, against a simulated world.
enum Simulation {
    struct Outcome {
        /// What went wrong.
        let failures: [String]
        let seen: Set<Happening>
    }

    /// Runs seeds of a scenario and reports those that fail.
    ///
    /// `SIMULATION_SEEDS` multiplies how many there are; `SIMULATION_SEED` picks a single one
    /// and prints what happens in it.
    static func run(
        _ count: Int, of scenario: Scenario, from base: UInt64,
        location: SourceLocation = #_sourceLocation
    ) {
        if let text = getenv("SIMULATION_SEED"), let seed = UInt64(String(cString: text)) {
            let failures = run(seed: seed, scenario, trace: { print($0) }).failures
            #expect(failures.isEmpty, "seed \(seed)", sourceLocation: location)
            return
        }
        var factor = 1
        if let text = getenv("SIMULATION_SEEDS") { factor = Int(String(cString: text)) ?? 1 }
        var failed = 0
        for index in 0..<count * factor where failed < 5 {
            let seed = base * 1_000_000 + UInt64(index)
            let failures = run(seed: seed, scenario).failures
            guard !failures.isEmpty else { continue }
            failed += 1
            let text = failures.joined(separator: "\n    ")
            Issue.record("SIMULATION_SEED=\(seed): \(text)", sourceLocation: location)
        }
    }

    static func run(
        seed: UInt64, _ scenario: Scenario, trace: ((String) -> Void)? = nil
    ) -> Outcome {
        CrashNote.set("SIMULATION_SEED=\(seed) crashed\n")
        defer { CrashNote.clear() }
        var chance = Chance(seed: seed)
        let pool = scenario.pool(&chance)
        let workerCount =
            scenario.workerCount.count > 1
            ? chance.within(scenario.workerCount) : scenario.workerCount.lowerBound
        let world = World(
            scenario: scenario, pool: pool, workerCount: workerCount, chance: chance)
        world.trace = trace
        var process = SimulatedProcess(pool, in: world, seed: seed)
        process.run()
        return Outcome(failures: world.failures, seen: world.seen)
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
        if failureLimit.count > 1 {
            pool.serverFailureLimit = Int32(chance.within(failureLimit))
        } else {
            pool.serverFailureLimit = Int32(failureLimit.lowerBound)
        }
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
