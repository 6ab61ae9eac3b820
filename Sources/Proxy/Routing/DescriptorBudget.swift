import Config

/// How many descriptors of a process clients and server connections have together.
///
/// They share them, so that neither takes what it does not use: `server_connections` may be larger
/// than the limit of open files. Some are kept for the first connection to each server, without
/// which no client can be served; and what more there is of server connections leaves half to
/// clients.
struct DescriptorBudget: ~Copyable, Sendable {
    /// For clients and server connections together.
    let total: Int
    /// Of these, those that no client may have.
    let reserve: Int
    /// Connections of all workers to servers that had one before.
    let furtherConnections = AtomicCount()

    /// - Parameter descriptorMax: The limit of open files.
    init(_ configuration: Configuration, workerCount: Int, descriptorMax: UInt64) {
        let descriptors = Int(clamping: min(descriptorMax, UInt64(Self.descriptorMax)))
        total = max(2, descriptors - Self.ownCount(configuration, workerCount: workerCount))
        reserve = min(Self.firstConnections(configuration, workerCount: workerCount), total / 2)
    }

    /// More than these are not used, so that what is made for each of them is bounded.
    static var descriptorMax: Int { 1 << 20 }

    /// Most clients at once.
    var clientMax: Int { total - reserve }

    func admitsClient(besides clients: Int) -> Bool {
        clients + furtherConnections.current + reserve < total
    }

    /// Whether a server may have a connection besides those that it has.
    func admitsConnection(besides clients: Int) -> Bool {
        let further = furtherConnections.current
        return clients + further + reserve < total && further < (total - reserve) / 2
    }

    /// Listeners, rings, the log, the statistics and their clients.
    private static func ownCount(_ configuration: Configuration, workerCount: Int) -> Int {
        32 + configuration.pools.count + 2 * (workerCount - 1)
    }

    private static func firstConnections(_ configuration: Configuration, workerCount: Int) -> Int {
        configuration.pools.reduce(0) { $0 + $1.servers.count } * workerCount
    }
}

extension Configuration {
    /// What to tell the operator if the limit of open files is less than what this file may want;
    /// nil if it is not.
    ///
    /// - Parameter descriptorMax: The limit of open files.
    package func descriptorWarning(workerCount: Int, descriptorMax: UInt64) -> String? {
        let budget = DescriptorBudget(
            self, workerCount: workerCount, descriptorMax: descriptorMax)
        let clients = pools.reduce(0) { $0 + Int($1.clientConnections) }
        // A server has at most 2^31 - 1 connections, a file at most some thousand servers.
        let connections = pools.reduce(0) {
            $0 + $1.servers.count * Int($1.serverConnections) * workerCount
        }
        let least = pools.reduce(0) { $0 + $1.servers.count } * workerCount
        guard clients + connections > budget.total || least > budget.reserve else { return nil }
        return "\(connections) connections to servers"
            + (clients > 0 ? " and \(clients) of clients" : "")
            + " are configured, and the limit of open files (ulimit -n, \(descriptorMax)) leaves "
            + "\(budget.total) for both: they share these"
    }
}

extension Descriptors {
    /// The limit of open files that a proxy started now would have.
    package static var limit: UInt64 { raiseLimit() }
}
