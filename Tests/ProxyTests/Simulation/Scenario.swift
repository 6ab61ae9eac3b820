import Config

@testable import Proxy

/// What kind of runs a suite makes: how many peers, what they do, and what goes wrong how often.
struct Scenario {
    var protocolKind = ProtocolKind.redis
    var clientCount = 1...5
    var serverCount = 1...4
    /// Requests per client.
    var requestCount = 1...16
    var pipelineMax = 8
    var serverConnections: Int32 = 1
    /// Sizes of most values, and of one in ten.
    var valueSizes = 0...200
    var bigValueSizes = 0...20_000
    var distribution = Distribution.modula
    var timeout: Duration?
    var preconnect = false
    var password: String?
    var database: Int32 = 0
    var clientConnections: Int32 = 0
    /// Servers that fail that often are taken out, until a probe is answered.
    var ejectsServers = false
    var failureLimit = 2...2
    var workerCount = 1...1
    /// At some time the proxy is told to end.
    var isStopped = false
    var limits = WorkerLimits.forSimulation
    /// Provided mbufs that are filled over several receives, as newer kernels do.
    var isIncremental: Bool?

    /// Chances in a hundred: per request of a memcache client, that it is a get of one key.
    var plainGets = 10
    /// Per client.
    var clientFaults = 0
    /// Per request that a server has got.
    var serverFaults = 0
    /// Per step of a send to a server, which fails though nothing else shows that.
    var sendFaults = 0
    /// Per connection that is being made.
    var connectFaults = 0
    /// Per request: its reply waits for some time, of which this is the most, in nanoseconds.
    var delays = 20
    var delayMax = 2_000_000
    /// Per receive: the kernel ends the multishot for a reason of its own.
    var shotEnds = 3
    var acceptFaults = 0
    /// Per hand-over from worker to worker: there is no memory for it.
    var handFaults = 0
    /// Each time that a worker could gather more in the same turn.
    var gathers = 30
    /// Nanoseconds that a hand-over takes at most.
    var handDelayMax = 200_000
    /// Per turn of one of several workers: its thread gets no processor for some time, of which
    /// this is the most, in turns of the world.
    var lags = 20
    var lagMax = 60
    /// Times that a server dies, and for how many nanoseconds at most.
    var outageCount = 0...0
    var outageMax = 30_000_000
    /// More ejections than these are too many.
    var ejectionMax = Int.max
    var sabotage = Sabotage.none
    /// The proxy may close clients that did nothing wrong, for its memory's sake.
    var mayCloseClients = false
    /// The proxy may answer that it has too much to do.
    var mayRefuse = false
    /// What the servers do wrong though nothing fails, where somebody should notice.
    var lie: MemcacheLie?
}

extension WorkerLimits {
    /// Small, so that a run costs little. The tests of limits make them smaller still.
    static var forSimulation: WorkerLimits {
        var limits = WorkerLimits(clientMax: 32, memoryMax: 64 << 20)
        limits.requestMax = 8192
        limits.providedMbufs = MbufCounts(incremental: 8, plain: 16)
        return limits
    }
}
