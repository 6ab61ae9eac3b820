import Testing

@testable import Proxy

/// Whole workers with a memcache pool against a simulated world.
@Suite struct MemcacheSimulationTests {
    private static let batches = SimulationTests.batches

    private static var plain: Scenario {
        var scenario = Scenario()
        scenario.protocolKind = .memcache
        return scenario
    }

    @Test(arguments: batches) func everyRequestGetsItsReply(batch: UInt64) {
        var scenario = Self.plain
        if batch == 1 { scenario.distribution = .ketama }
        Simulation.run(batch == 0 ? 60 : 20, of: scenario, from: 60 + batch)
    }

    /// One client has all keys, so it may remove them all.
    @Test(arguments: batches) func oneClientMayRemoveEverything(batch: UInt64) {
        var scenario = Self.plain
        scenario.clientCount = 1...1
        scenario.requestCount = 10...40
        scenario.pipelineMax = batch == 0 ? 8 : 30
        scenario.serverFaults = batch == 0 ? 0 : 3
        Simulation.run(30, of: scenario, from: 62 + batch)
    }

    /// Requests of one client may overtake each other there, so it asks one at a time.
    @Test(arguments: batches) func everyRequestGetsItsReplyOverManyConnections(batch: UInt64) {
        var scenario = Self.plain
        scenario.serverConnections = 3
        scenario.pipelineMax = 1
        scenario.preconnect = batch == 0
        scenario.serverFaults = batch == 0 ? 0 : 8
        Simulation.run(30, of: scenario, from: 64 + batch)
    }

    /// So many that also rare ones happen: a value of another key in the reply to a part of a get.
    @Test(arguments: batches) func serverFaultsAreErrorsOfTheirRequests(batch: UInt64) {
        var scenario = Self.plain
        scenario.serverFaults = batch == 0 ? 8 : 30
        scenario.connectFaults = 20
        scenario.sendFaults = 1
        Simulation.run(220, of: scenario, from: 66 + batch)
    }

    @Test(arguments: batches) func everythingGoesWrong(batch: UInt64) {
        var scenario = Self.plain
        scenario.clientCount = 3...8
        scenario.clientFaults = 40
        scenario.serverFaults = 8
        scenario.connectFaults = 20
        scenario.acceptFaults = 10
        scenario.sendFaults = 2
        scenario.shotEnds = 20
        scenario.timeout = .milliseconds(batch == 0 ? 20 : 10)
        scenario.bigValueSizes = 0...60_000
        Simulation.run(50, of: scenario, from: 68 + batch)
    }

    /// The kernel runs out of provided mbufs all the time, and the proxy of memory.
    @Test(arguments: batches) func memoryIsShort(batch: UInt64) {
        var scenario = Self.plain
        scenario.clientFaults = 20
        scenario.serverFaults = 2
        if batch == 0 {
            scenario.limits.providedMbufs = MbufCounts(incremental: 1, plain: 2)
        } else {
            scenario.limits.providedMbufs = MbufCounts(incremental: 4, plain: 4)
            scenario.limits.mbufSoftMax = 20
            scenario.limits.mbufHardMax = 24
            scenario.clientCount = 3...8
            scenario.pipelineMax = 30
            scenario.bigValueSizes = 0...60_000
            scenario.mayCloseClients = true
        }
        Simulation.run(50, of: scenario, from: 70 + batch)
    }

    /// Clients over their limits wait, and so do those who fill a queue.
    @Test(arguments: batches) func limitsHold(batch: UInt64) {
        var scenario = Self.plain
        scenario.pipelineMax = 30
        scenario.requestCount = 10...30
        scenario.limits.streamingMin = 20_000
        scenario.bigValueSizes = 0...60_000
        if batch == 0 {
            scenario.limits.client = ClientLimits(
                unsentMax: 2000, requestMax: 4)
            scenario.clientConnections = 3
        } else {
            scenario.limits.serverRequestMax = 4
            scenario.limits.serverQueueMax = 500
        }
        Simulation.run(30, of: scenario, from: 72 + batch)
    }

    /// The one server is asked for its version until it is back.
    @Test(arguments: batches) func anEjectedServerComesBack(batch: UInt64) {
        var scenario = Self.plain
        scenario.serverCount = 1...1
        scenario.ejectsServers = true
        scenario.serverFaults = 10
        scenario.connectFaults = 20
        scenario.timeout = batch == 0 ? nil : .milliseconds(10)
        Simulation.run(30, of: scenario, from: 74 + batch)
    }

    // MARK: Shared lines

    /// Many clients get keys of few servers, so that gets join others' lines.
    private static var sharing: Scenario {
        var scenario = plain
        scenario.plainGets = 80
        scenario.clientCount = 4...10
        scenario.serverCount = 1...2
        scenario.requestCount = 10...30
        scenario.pipelineMax = 20
        scenario.delays = 60
        return scenario
    }

    @Test(arguments: batches) func getsThatShareALineGetTheirOwnReplies(batch: UInt64) {
        var scenario = Self.sharing
        // Some begin to leave before they are whole.
        scenario.bigValueSizes = 0...60_000
        if batch == 1 { scenario.limits.streamingMin = 2000 }
        Simulation.run(20, of: scenario, from: 100 + batch)
    }

    @Test(arguments: batches) func faultsAreThoseOfAllWhoShareALine(batch: UInt64) {
        var scenario = Self.sharing
        scenario.serverFaults = 5
        scenario.clientFaults = 30
        scenario.sendFaults = 1
        scenario.shotEnds = 20
        scenario.bigValueSizes = 0...60_000
        scenario.limits.streamingMin = batch == 0 ? 20_000 : 300
        scenario.timeout = batch == 0 ? nil : .milliseconds(20)
        Simulation.run(30, of: scenario, from: 102 + batch)
    }

    /// No server fails, so nobody gets an error, whoever leaves at whatever byte of a reply. Values
    /// look like replies with values.
    @Test(arguments: batches) func whoLeavesALineTakesNothingOfOthers(batch: UInt64) {
        var scenario = Self.sharing
        scenario.clientFaults = 60
        scenario.bigValueSizes = batch == 0 ? 0...60_000 : 0...3000
        scenario.limits.streamingMin = batch == 0 ? 20_000 : 300
        Simulation.run(60, of: scenario, from: 104 + batch)
    }

    @Test func getsOfSeveralClientsShareLines() {
        let seeds = 100_000_000..<100_000_020 as Range<UInt64>
        let sharing = seeds.filter { seed in
            Simulation.run(seed: seed, Self.sharing).seen.contains(.sharedLine)
        }
        #expect(sharing.count > 10)
    }
}
