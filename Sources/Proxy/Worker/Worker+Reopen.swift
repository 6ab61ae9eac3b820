// A pool with `preconnect` keeps a connection to each server even when nobody asks. While a server
// is down the proxy's own attempts back off; a request always tries at once.

/// When to open a connection that nobody asked for.
struct Reopening: BitwiseCopyable {
    /// Attempts in a row that failed.
    var failureCount: UInt64 = 0
    /// `.max` when there is nothing to open.
    var time = UInt64.max

    static let delayMin: UInt64 = 100_000_000
    static let delayMax: UInt64 = 30_000_000_000

    /// Twice as long after each failure, and some chance, so that many proxies do not come at once:
    /// between one half and all of the delay.
    func delay(chance: UInt64) -> UInt64 {
        let delay = min(Self.delayMin << min(failureCount, 16), Self.delayMax)
        return delay / 2 + chance % (delay / 2)
    }
}

extension Worker where IO: ~Copyable {
    /// A server has lost a connection.
    mutating func scheduleReopening(of server: Int, in pool: Int) {
        guard pools[pool].configuration.preconnect, drainDeadline == .max,
            pools[pool].servers[server].connectionCount == 0
        else { return }
        let place = pools[pool].firstServer &+ server
        let chance = pools[pool].random.next()
        reopenings[place].time = now &+ reopenings[place].delay(chance: chance)
        reopenings[place].failureCount &+= 1
        nextReopening = min(nextReopening, reopenings[place].time)
    }

    mutating func didReopen(_ connection: Handle<ServerConnection>) {
        reopenings[Int(connections[connection].place)] = Reopening()
    }

    mutating func reopenConnections() {
        nextReopening = .max
        for pool in 0..<pools.count where pools[pool].configuration.preconnect {
            for server in 0..<pools[pool].servers.count {
                let place = pools[pool].firstServer &+ server
                if reopenings[place].time <= now {
                    reopenings[place].time = .max
                    preconnect(to: server, in: pool)
                }
                nextReopening = min(nextReopening, reopenings[place].time)
            }
        }
    }
}
