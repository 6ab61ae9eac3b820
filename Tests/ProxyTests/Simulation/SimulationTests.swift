import Testing

@testable import Proxy

/// Whole workers against a simulated world. A failure names the seed that repeats it.
@Suite struct SimulationTests {
    /// Two of everything, side by side, so that all cores have work.
    static let batches: [UInt64] = [0, 1]

    @Test(arguments: batches) func everyRequestGetsItsReply(batch: UInt64) {
        Simulation.run(100, of: Scenario(), from: 10 + batch)
    }

    @Test(arguments: batches) func everyRequestGetsItsReplyOverKetama(batch: UInt64) {
        var scenario = Scenario()
        scenario.distribution = .ketama
        scenario.serverCount = 2...3
        Simulation.run(20, of: scenario, from: 12 + batch)
    }

    /// Requests of one client may overtake each other there, so it asks one at a time.
    @Test(arguments: batches) func everyRequestGetsItsReplyOverManyConnections(batch: UInt64) {
        var scenario = Scenario()
        scenario.serverConnections = 3
        scenario.pipelineMax = 1
        scenario.preconnect = batch == 0
        Simulation.run(50, of: scenario, from: 14 + batch)
    }

    @Test(arguments: batches) func passwordAndDatabaseComeFirst(batch: UInt64) {
        var scenario = Scenario()
        scenario.password = "secret"
        scenario.database = batch == 0 ? 0 : 7
        Simulation.run(50, of: scenario, from: 16 + batch)
    }

    @Test(arguments: batches) func clientFaultsHarmNobodyElse(batch: UInt64) {
        var scenario = Scenario()
        scenario.clientFaults = 50
        scenario.bigValueSizes = 0...60_000
        Simulation.run(150, of: scenario, from: 18 + batch)
    }

    @Test(arguments: batches) func serverFaultsAreErrorsOfTheirRequests(batch: UInt64) {
        var scenario = Scenario()
        scenario.serverFaults = 8
        scenario.connectFaults = 20
        scenario.sendFaults = 1
        Simulation.run(200, of: scenario, from: 20 + batch)
    }

    /// So many that also rare ones happen: too many values in the reply to a part of a request.
    @Test(arguments: batches) func serversThatHardlyWork(batch: UInt64) {
        var scenario = Scenario()
        scenario.serverFaults = 40
        scenario.serverCount = 2...3
        Simulation.run(100, of: scenario, from: 44 + batch)
    }

    @Test(arguments: batches) func serverFaultsWhileGreeting(batch: UInt64) {
        var scenario = Scenario()
        scenario.password = "secret"
        scenario.database = 7
        scenario.serverFaults = 25
        scenario.connectFaults = 20
        Simulation.run(100, of: scenario, from: 22 + batch)
    }

    @Test(arguments: batches) func everythingGoesWrong(batch: UInt64) {
        var scenario = Scenario()
        scenario.clientCount = 3...8
        scenario.clientFaults = 40
        scenario.serverFaults = 8
        scenario.connectFaults = 20
        scenario.acceptFaults = 10
        scenario.sendFaults = 2
        scenario.shotEnds = 20
        scenario.timeout = .milliseconds(20)
        Simulation.run(150, of: scenario, from: 24 + batch)
    }

    @Test(arguments: batches) func silentServersTimeOut(batch: UInt64) {
        var scenario = Scenario()
        scenario.serverFaults = 5
        scenario.connectFaults = 30
        scenario.timeout = .milliseconds(10)
        scenario.serverConnections = batch == 0 ? 1 : 2
        scenario.pipelineMax = batch == 0 ? 8 : 1
        Simulation.run(100, of: scenario, from: 26 + batch)
    }

    /// The kernel runs out of provided mbufs all the time.
    @Test(arguments: batches) func receivesFindNoMbuf(batch: UInt64) {
        var scenario = Scenario()
        scenario.limits.providedMbufs = MbufCounts(incremental: 1, plain: 2)
        scenario.isIncremental = batch == 0
        scenario.clientFaults = 10
        scenario.serverFaults = 2
        Simulation.run(100, of: scenario, from: 28 + batch)
    }
}
