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
        Simulation.run(40, of: Self.several, from: 80 + batch)
    }
}
