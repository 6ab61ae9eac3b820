import Config
import Synchronization

/// A number that one worker changes and any thread may read, without a lock or a torn value.
///
/// With a single writer an addition needs no locked instruction: it is a load and a store.
package struct Counter: ~Copyable, Sendable {
    private let value = Atomic<Int>(0)

    func add(_ change: Int) {
        value.store(value.load(ordering: .relaxed) &+ change, ordering: .relaxed)
    }

    func set(_ number: Int) {
        value.store(number, ordering: .relaxed)
    }

    package var current: Int { value.load(ordering: .relaxed) }
}

/// What one worker counts for one pool. Names and moments are those of twemproxy's statistics.
package struct PoolCounters: ~Copyable, Sendable {
    /// Client connections that ended in good order, or otherwise.
    package let clientEOF = Counter()
    package let clientErr = Counter()
    /// Now open.
    package let clientConnections = Counter()
    package let serverEjects = Counter()
    /// Requests that the proxy answered with an error because no server did.
    package let forwardError = Counter()
    /// Parts that requests with keys on several servers were split into.
    package let fragments = Counter()
    /// Commands that clients were refused, those that redis does not know either included.
    package let commandsRefused = Counter()
    /// Clients whose connection the proxy itself ended, per `CloseReason`.
    package let clientsClosed: FixedArray<Counter>

    init() {
        clientsClosed = FixedArray(count: CloseReason.count) { _ in Counter() }
    }
}

/// What one worker counts for one server.
package struct ServerCounters: ~Copyable, Sendable {
    /// Server connections that the server ended, that failed, or that were too slow.
    package let serverEOF = Counter()
    package let serverErr = Counter()
    package let serverTimedout = Counter()
    /// Of `serverErr`, those that sent what is no reply to what was asked.
    package let stepsLost = Counter()
    /// Now connected.
    package let serverConnections = Counter()
    /// Microseconds since 1970; 0 if never.
    package let serverEjectedAt = Counter()
    package let requests = Counter()
    package let requestBytes = Counter()
    package let responses = Counter()
    package let responseBytes = Counter()
    /// Requests not yet handed to the kernel, and those handed over whose reply is to come.
    package let inQueue = Counter()
    package let inQueueBytes = Counter()
    package let outQueue = Counter()
    package let outQueueBytes = Counter()
}

/// What every worker of a process counts, for a worker that is asked for all of it.
struct CounterBoard: ~Copyable, Sendable {
    let workers: FixedArray<Shared<WorkerCounters>>

    init(_ configuration: Configuration, workerCount: Int) {
        workers = FixedArray(count: workerCount) { _ in Shared(WorkerCounters(configuration)) }
    }
}

/// Everything one worker counts. Pools and servers are in the order of the configuration, the
/// servers of all pools one after another.
package struct WorkerCounters: ~Copyable, Sendable {
    /// Connections ever made, listeners and servers' included, and those that are open.
    package let totalConnections = Counter()
    package let currConnections = Counter()
    /// Clients turned away at a limit.
    package let clientsRefused = Counter()
    /// Times that a client waited for a full queue, that a full queue did not move, and requests
    /// that were refused then, or for want of room.
    package let clientHolds = Counter()
    package let serverStalls = Counter()
    package let requestsRefused = Counter()
    /// Times that a server connection was not read until a client had read.
    package let serverPauses = Counter()
    /// Times that memory got short.
    package let memoryShortages = Counter()
    package let pools: FixedArray<PoolCounters>
    package let servers: FixedArray<ServerCounters>

    package init(_ configuration: Configuration) {
        pools = FixedArray(count: configuration.pools.count) { _ in PoolCounters() }
        let serverCount = configuration.pools.reduce(0) { $0 + $1.servers.count }
        servers = FixedArray(count: serverCount) { _ in ServerCounters() }
    }
}
