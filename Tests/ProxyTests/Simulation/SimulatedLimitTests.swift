import Testing

@testable import Proxy

/// Workers at their limits, which are small here, against a simulated world.
@Suite struct SimulatedLimitTests {
    private static let batches = SimulationTests.batches

    /// Replies that leave while they arrive.
    @Test(arguments: batches) func hugeRepliesStream(batch: UInt64) {
        var scenario = Self.huge
        scenario.clientFaults = batch == 0 ? 0 : 30
        Simulation.run(50, of: scenario, from: 30 + batch)
    }

    /// A server that dies in the middle of such a reply closes that client, and no other.
    @Test(arguments: batches) func hugeRepliesBreakOff(batch: UInt64) {
        var scenario = Self.huge
        scenario.serverFaults = 8
        scenario.clientFaults = batch == 0 ? 0 : 30
        Simulation.run(50, of: scenario, from: 32 + batch)
    }

    private static var huge: Scenario {
        var scenario = Scenario()
        scenario.limits.streamingMin = 20_000
        scenario.valueSizes = 0...30_000
        scenario.bigValueSizes = 100_000...300_000
        scenario.requestCount = 1...10
        return scenario
    }

    /// Clients over their limits wait, and then go on where they were.
    @Test(arguments: batches) func clientsOverALimitWait(batch: UInt64) {
        var scenario = Scenario()
        scenario.limits.client = ClientLimits(
            unsentMax: 2000, requestMax: batch == 0 ? 2 : 6)
        scenario.pipelineMax = 30
        scenario.requestCount = 10...30
        scenario.clientFaults = 10
        scenario.shotEnds = 20
        Simulation.run(150, of: scenario, from: 34 + batch)
    }

    /// A client that reads gets all it asked for, however much more there is than it may hold.
    @Test(arguments: batches) func slowReadersGetEverything(batch: UInt64) {
        var scenario = Self.huge
        scenario.limits.streamingMin = 2000
        scenario.limits.client = ClientLimits(
            unsentMax: 2000, requestMax: 50, heldMax: 4_000_000, outrunMax: 500,
            pauseMax: batch == 0 ? 3000 : 30_000)
        scenario.pipelineMax = 20
        scenario.clientFaults = batch == 0 ? 0 : 20
        scenario.serverFaults = batch == 0 ? 0 : 2
        Simulation.run(100, of: scenario, from: 36 + batch)
    }

    /// One that does not is closed, before it stops those who wait behind it for ever.
    @Test(arguments: batches) func clientsThatMustReadAndDoNotAreClosed(batch: UInt64) {
        var scenario = Self.huge
        scenario.limits.streamingMin = 2000
        scenario.limits.client = ClientLimits(
            unsentMax: 2000, requestMax: 50, heldMax: 2_000_000, outrunMax: 500,
            pauseMax: 3000)
        scenario.limits.clientStall = 3_000_000
        scenario.pipelineMax = 20
        scenario.clientFaults = 60
        scenario.mayCloseClients = true
        Simulation.run(100, of: scenario, from: 60 + batch)
    }

    /// Whoever fills a queue waits until there is room in it, and is refused nothing.
    @Test(arguments: batches) func fullServerQueuesHoldTheirClients(batch: UInt64) {
        var scenario = Scenario()
        scenario.limits.serverRequestMax = batch == 0 ? 1 : 4
        scenario.limits.serverQueueMax = batch == 0 ? 16 << 20 : 300
        scenario.pipelineMax = 30
        scenario.clientFaults = 10
        scenario.serverFaults = 3
        scenario.serverConnections = batch == 0 ? 1 : 2
        if batch == 1 { scenario.pipelineMax = 1 }
        Simulation.run(80, of: scenario, from: 38 + batch)
    }

    /// Not for ever, when the server takes nothing.
    @Test(arguments: batches) func queuesThatDoNotMoveRefuse(batch: UInt64) {
        var scenario = Scenario()
        scenario.limits.serverRequestMax = 2
        scenario.limits.serverQueueMax = 300
        scenario.limits.serverStall = 3_000_000
        scenario.pipelineMax = 30
        scenario.mayRefuse = true
        scenario.serverFaults = 10
        scenario.clientFaults = batch == 0 ? 0 : 20
        Simulation.run(80, of: scenario, from: 62 + batch)
    }

    @Test(arguments: batches) func memoryPressureKeepsClientsWaitingOrClosesThem(batch: UInt64) {
        var scenario = Scenario()
        scenario.limits = .forSimulation
        scenario.limits.providedMbufs = MbufCounts(incremental: 4, plain: 4)
        scenario.limits.mbufSoftMax = batch == 0 ? 36 : 20
        scenario.limits.mbufHardMax = batch == 0 ? 44 : 24
        scenario.clientCount = 3...8
        scenario.pipelineMax = 30
        scenario.clientFaults = 30
        scenario.serverFaults = 3
        scenario.bigValueSizes = 0...60_000
        scenario.mayCloseClients = true
        Simulation.run(150, of: scenario, from: 40 + batch)
    }

    @Test(arguments: batches) func clientsTooManyAreTurnedAway(batch: UInt64) {
        var scenario = Scenario()
        scenario.clientCount = 4...10
        scenario.acceptFaults = 10
        scenario.clientFaults = 20
        if batch == 0 {
            scenario.clientConnections = 2
        } else {
            scenario.limits.clientMax = 2
            scenario.mayCloseClients = true
        }
        Simulation.run(80, of: scenario, from: 42 + batch)
    }
}
