/// What a run may have in it, so that a test can tell that all of it is simulated.
enum Happening: CaseIterable {
    case handOver, failedHandOver
    /// To a worker that has ended.
    case lateHandOver
    /// Not served, because the proxy was to end.
    case refusedClient
    case ejection, recovery
    /// A server's keys moved while a worker had requests on their way to it.
    case swapInFlight
    /// A worker was told to end while it had clients, and one had to leave them behind.
    case drain, lateEnd
    /// Gets of several memcache clients came in one line.
    case sharedLine
}

/// Something broken on purpose, so that a test can tell that the simulation finds it.
enum Sabotage {
    case none
    /// The kernel loses a hand-over, or gives a socket to two workers.
    case lostHandOver, doubledHandOver
    /// Each worker decides alone which servers are in use.
    case separateHealth
    /// A worker is never told that the servers in use have changed.
    case staleTopology
    /// A worker ends as soon as it is told to.
    case hastyEnd
    /// What is for one client goes to another.
    case crossedReplies
    /// A worker forgets that a client has left it.
    case lostCount
}
