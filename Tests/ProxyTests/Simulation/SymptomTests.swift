import Testing

@testable import Proxy

/// What simulations have found, each by itself.
@Suite struct SymptomTests {
    /// A client that waits for replies with requests held back is idle in the kernel, so its
    /// socket closes at once, and the worker must not look after it again.
    @Test func closingAnIdleClientForMemoryDoesNotTrap() {
        var scenario = Scenario()
        scenario.limits.providedMbufs = MbufCounts(incremental: 4, plain: 4)
        scenario.limits.mbufSoftMax = 20
        scenario.limits.mbufHardMax = 24
        scenario.limits.client.requestMax = 2
        scenario.clientCount = 4...8
        scenario.pipelineMax = 30
        scenario.requestCount = 10...30
        scenario.delays = 80
        scenario.bigValueSizes = 0...60_000
        scenario.mayCloseClients = true
        Simulation.run(50, of: scenario, from: 50)
    }

    /// Requests that were held back when the client closed its half are answered all the same.
    @Test func requestsHeldBackAtTheEndAreAnswered() {
        var scenario = Scenario()
        scenario.limits.client.requestMax = 2
        scenario.pipelineMax = 30
        scenario.requestCount = 10...30
        Simulation.run(50, of: scenario, from: 52)
    }

    @Test func tooManyRequestsInAllDoNotTrap() {
        var scenario = Scenario()
        scenario.limits.requestMax = 20
        scenario.clientCount = 6...8
        scenario.pipelineMax = 30
        scenario.delays = 100
        scenario.mayCloseClients = true
        Simulation.run(50, of: scenario, from: 53)
    }

    /// Clients that each hold a part of a request can use up all memory that may be read into.
    @Test func requestsThatCannotBeReadToTheirEndsDoNotStopTheWorker() {
        var scenario = Scenario()
        scenario.limits.providedMbufs = MbufCounts(incremental: 4, plain: 4)
        scenario.limits.mbufSoftMax = 16
        scenario.limits.mbufHardMax = 64
        scenario.clientCount = 6...8
        scenario.valueSizes = 0...60_000
        scenario.bigValueSizes = 60_000...100_000
        scenario.mayCloseClients = true
        Simulation.run(30, of: scenario, from: 54)
    }

    /// It was looked after again at the end of the turn in which it had gone.
    @Test func endingWhileAClientIsBeingClosedDoesNotTrap() {
        var scenario = Scenario()
        scenario.isStopped = true
        scenario.clientCount = 8...12
        scenario.requestCount = 1...3
        Simulation.run(120, of: scenario, from: 56)
    }

    /// It had nobody to serve it then.
    @Test func aClientThatCannotBeHandedOverIsServedAllTheSame() {
        var scenario = Scenario()
        scenario.workerCount = 2...4
        scenario.handFaults = 30
        Simulation.run(20, of: scenario, from: 57)
    }

    /// The gauge of requests that wait for their replies grew by one each time.
    @Test func refusedGreetingsAreNotCountedAsWaiting() {
        var scenario = Scenario()
        scenario.password = "secret"
        scenario.serverFaults = 25
        Simulation.run(30, of: scenario, from: 55)
    }

    @Test func unaskedReplyIsNotTakenForThatToAnUnsentRequest() {
        var connection = ServerConnection(
            socket: Socket(descriptor: 9), pool: 0, server: 0, place: 0, openedAt: 0,
            isProbe: false)
        connection.didConnect()
        let receive = connection.nextAction()
        connection.didPush(Handle(index: 0, generation: 1))
        let awaitsBeforeSending = connection.awaitsReply
        #expect(receive == .receive)
        #expect(!awaitsBeforeSending)

        var scenario = Scenario()
        scenario.serverFaults = 20
        Simulation.run(50, of: scenario, from: 51)
    }
}
