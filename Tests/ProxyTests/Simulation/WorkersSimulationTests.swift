import Testing

@testable import Proxy

/// Several workers of one proxy, in any order, against a simulated world.
@Suite struct WorkersSimulationTests {
    private static let batches = SimulationTests.batches

    private static var several: Scenario {
        var scenario = Scenario()
        scenario.workerCount = 2...4
        scenario.clientCount = 2...8
        return scenario
    }

    @Test(arguments: batches) func everyRequestGetsItsReply(batch: UInt64) {
        Simulation.run(20, of: Self.several, from: 80 + batch)
    }

    @Test(arguments: batches) func everythingGoesWrong(batch: UInt64) {
        var scenario = Self.several
        scenario.clientFaults = 40
        scenario.serverFaults = 8
        scenario.connectFaults = 20
        scenario.acceptFaults = 10
        scenario.handFaults = 20
        scenario.sendFaults = 2
        scenario.shotEnds = 20
        scenario.timeout = .milliseconds(batch == 0 ? 50 : 20)
        scenario.clientConnections = batch == 0 ? 0 : 4
        Simulation.run(20, of: scenario, from: 82 + batch)
    }

    @Test(arguments: batches) func memcacheRequestsGetTheirReplies(batch: UInt64) {
        var scenario = Self.several
        scenario.protocolKind = .memcache
        scenario.serverFaults = batch == 0 ? 0 : 8
        Simulation.run(12, of: scenario, from: 84 + batch)
    }

    /// What had reached a worker is answered before it ends.
    @Test(arguments: batches) func aProxyThatIsToldToEndAnswersWhatItWasAsked(batch: UInt64) {
        var scenario = Self.several
        scenario.isStopped = true
        scenario.workerCount = 1...4
        scenario.handDelayMax = 1_000_000
        if batch == 1 {
            scenario.clientFaults = 20
            scenario.serverFaults = 8
            scenario.connectFaults = 20
            scenario.handFaults = 20
        }
        Simulation.run(30, of: scenario, from: 86 + batch)
    }

    /// Servers that take their time keep clients waiting until the time is over.
    @Test(arguments: batches) func aProxyEndsInTime(batch: UInt64) {
        var scenario = Self.several
        scenario.isStopped = true
        scenario.limits.drainNanoseconds = 2_000_000
        scenario.delays = 80
        scenario.delayMax = 8_000_000
        scenario.serverFaults = batch == 0 ? 0 : 5
        Simulation.run(20, of: scenario, from: 88 + batch)
    }

    /// Servers die and come back; meanwhile others have their keys.
    @Test(arguments: batches) func serversThatDieAreReplaced(batch: UInt64) {
        var scenario = Self.ejecting
        scenario.requestCount = 10...40
        if batch == 1 {
            scenario.serverConnections = 2
            scenario.pipelineMax = 1
            scenario.preconnect = true
        }
        Simulation.run(15, of: scenario, from: 90 + batch)
    }

    @Test(arguments: batches) func everythingGoesWrongWithServersThatDie(batch: UInt64) {
        var scenario = Self.ejecting
        scenario.distribution = batch == 0 ? .modula : .ketama
        scenario.clientFaults = 30
        scenario.serverFaults = 5
        scenario.connectFaults = 20
        scenario.acceptFaults = 10
        scenario.handFaults = 10
        scenario.timeout = .milliseconds(20)
        scenario.password = "secret"
        Simulation.run(15, of: scenario, from: 92 + batch)
    }

    @Test(arguments: batches) func aProxyWithServersThatDieIsToldToEnd(batch: UInt64) {
        var scenario = Self.ejecting
        scenario.isStopped = true
        scenario.timeout = batch == 0 ? nil : .milliseconds(20)
        Simulation.run(15, of: scenario, from: 94 + batch)
    }

    /// All workers lose their connections to a server at the same moment, each to see it when its
    /// turn comes.
    @Test(arguments: batches) func manyConnectionsThatEndAtOnceAreOneFailure(batch: UInt64) {
        var scenario = Self.ejecting
        scenario.outageCount = 1...1
        scenario.outageMax = 0
        scenario.serverConnections = 3
        scenario.pipelineMax = 1
        scenario.serverCount = 1...1
        scenario.failureLimit = batch == 0 ? 1...1 : 2...2
        scenario.ejectionMax = batch == 0 ? 1 : 0
        scenario.lagMax = 200
        Simulation.run(15, of: scenario, from: 96 + batch)
    }

    private static var ejecting: Scenario {
        var scenario = several
        scenario.ejectsServers = true
        scenario.failureLimit = 1...3
        scenario.serverCount = 1...4
        scenario.outageCount = 0...3
        return scenario
    }

    // MARK: The simulation itself

    /// Else the tests above could pass because nothing happens in them.
    @Test func everythingThatMattersHappens() {
        var scenario = Self.ejecting
        scenario.isStopped = true
        scenario.handFaults = 10
        scenario.handDelayMax = 1_000_000
        scenario.limits.drainNanoseconds = 3_000_000
        scenario.delays = 50
        scenario.delayMax = 5_000_000
        scenario.outageMax = 1_000_000
        var seen: Set<Happening> = []
        for seed in 98_000_000..<98_000_400 as Range<UInt64> {
            seen.formUnion(Simulation.run(seed: seed, scenario).seen)
        }
        #expect(Set(Happening.allCases).subtracting(seen) == [.sharedLine])
    }

    @Test(arguments: [
        (Sabotage.lostHandOver, "waits for what cannot happen"),
        (.doubledHandOver, "a socket that somebody has was handed over"),
        (.separateHealth, "the health of server"),
        (.staleTopology, "goes on with an old topology"),
        (.staleTopology, "which is out"),
        (.hastyEnd, "ended with clients, before its time"),
        (.hastyEnd, "was closed, waiting for"),
        (.crossedReplies, "got"),
        (.lostCount, "counted clients are left"),
    ])
    func whatIsBrokenOnPurposeIsFound(sabotage: Sabotage, symptom: String) {
        var scenario = Self.ejecting
        scenario.sabotage = sabotage
        scenario.isStopped = sabotage == .hastyEnd
        scenario.requestCount = 10...40
        let isFound = (99_000_000..<99_000_060 as Range<UInt64>).contains { seed in
            Simulation.run(seed: seed, scenario).failures.contains { $0.contains(symptom) }
        }
        #expect(isFound)
    }
}
