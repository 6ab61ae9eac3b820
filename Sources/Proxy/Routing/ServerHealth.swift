import Config
import Synchronization

/// Whether a server is in use. Decided once per process, whichever worker sees what.
///
///     live ── failures reach the limit ──▶ ejected ── a probe is answered ──▶ live
///
/// A failure is the end of a connection that somebody was waiting on, as in twemproxy
/// (nc_server.c, server_failure), and any reply takes all of them back. Connections that were
/// open when the last failure was counted fail for the same reason as that one, so they do not
/// count again: a pool of five that is reset at once is one failure.
package struct ServerHealth: ~Copyable, Sendable {
    private let failureCount = Atomic<Int>(0)
    private let lastFailureAt = Atomic<UInt64>(0)
    private let ejected = Atomic<Bool>(false)

    package var isEjected: Bool { ejected.load(ordering: .relaxed) }

    /// - Parameters:
    ///   - openedAt: When the connection was opened, in the nanoseconds of `now`.
    ///   - limit: Failures in a row that eject; 0 counts as 1.
    /// - Returns: Whether this one ejects the server. The caller then sees to its coming back.
    func didFail(openedAt: UInt64, now: UInt64, limit: Int) -> Bool {
        let last = lastFailureAt.load(ordering: .relaxed)
        guard !isEjected, openedAt >= last else { return false }
        // Of workers that see it at the same moment, one counts it.
        guard
            lastFailureAt.compareExchange(expected: last, desired: now, ordering: .relaxed)
                .exchanged
        else { return false }
        let count = failureCount.add(1, ordering: .relaxed).newValue
        guard count >= limit else { return false }
        failureCount.store(0, ordering: .relaxed)
        return ejected.compareExchange(
            expected: false, desired: true, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// A reply has come.
    @inline(__always)
    func didSucceed() {
        if failureCount.load(ordering: .relaxed) != 0 { failureCount.store(0, ordering: .relaxed) }
    }

    /// A probe was answered.
    func didRecover() {
        ejected.store(false, ordering: .releasing)
    }
}

/// What all workers of a process decide and limit together. Pools and servers are in the order
/// of the configuration, the servers of all pools one after another.
package struct ProcessState: ~Copyable, Sendable {
    let servers: FixedArray<ServerHealth>
    /// Grows whenever a server is ejected or comes back. A worker that sees a new one makes its
    /// topologies anew, between two turns.
    let healthVersion = Atomic<Int>(0)
    /// Clients of each pool, of all workers.
    let poolClients: FixedArray<AtomicCount>
    let workers: FixedArray<WorkerPlace>
    /// Mbufs in use, as far as the workers have said.
    let usedMbufs = AtomicCount()
    let addresses: AddressBook
    let descriptors: DescriptorBudget
    let logLevel: LogThreshold

    init(
        _ configuration: Configuration, workerCount: Int, questions: EventPipe<UInt32>,
        logLevel: UInt8, descriptorMax: UInt64 = .max
    ) {
        self.logLevel = LogThreshold(logLevel)
        descriptors = DescriptorBudget(
            configuration, workerCount: workerCount, descriptorMax: descriptorMax)
        addresses = AddressBook(
            configuration.pools.flatMap { $0.servers.map(\.address) }, questions: questions)
        let serverCount = configuration.pools.reduce(0) { $0 + $1.servers.count }
        servers = FixedArray(count: serverCount) { _ in ServerHealth() }
        poolClients = FixedArray(count: configuration.pools.count) { _ in AtomicCount() }
        workers = FixedArray(count: workerCount) { _ in WorkerPlace() }
    }

    var clientCount: Int {
        var count = 0
        for pool in 0..<poolClients.count { count += poolClients[pool].current }
        return count
    }

    /// Whether there is a descriptor for one more client, besides those that are counted.
    var admitsClient: Bool { descriptors.admitsClient(besides: clientCount) }

    /// Whether there is one for a connection to a server that has some.
    var admitsConnection: Bool { descriptors.admitsConnection(besides: clientCount) }
}

/// A number that any thread may change.
struct AtomicCount: ~Copyable, Sendable {
    private let value = Atomic<Int>(0)

    var current: Int { value.load(ordering: .relaxed) }

    /// Returns the number afterwards.
    @discardableResult
    func add(_ change: Int) -> Int {
        value.add(change, ordering: .relaxed).newValue
    }
}

/// Up to which level events are worth sending: one relaxed load for each that is rare.
struct LogThreshold: ~Copyable, Sendable {
    private let value: Atomic<UInt8>

    init(_ level: UInt8) {
        value = Atomic(level)
    }

    var current: UInt8 { value.load(ordering: .relaxed) }

    func set(_ level: UInt8) {
        value.store(level, ordering: .relaxed)
    }
}

/// Where a worker can be reached, and how busy it is.
struct WorkerPlace: ~Copyable, Sendable {
    /// The descriptor of its ring; -1 until it has one.
    private let ring = Atomic<Int32>(-1)
    let clients = AtomicCount()

    var ringDescriptor: Int32 { ring.load(ordering: .acquiring) }

    func didStart(ring descriptor: Int32) {
        ring.store(descriptor, ordering: .releasing)
    }
}
