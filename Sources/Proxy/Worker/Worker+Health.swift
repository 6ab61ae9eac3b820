// Servers that fail are taken out of the topology, and come back when a probe of the proxy's own
// is answered: no client pays for finding out.

extension Worker where IO: ~Copyable {
    /// A connection to a server could not be made, or ended while somebody waited on it.
    ///
    /// - Parameter openedAt: When the connection was opened.
    mutating func didFail(server: Int, of pool: Int, openedAt: UInt64) {
        guard pools[pool].ejectsServers else { return }
        let place = pools[pool].firstServer &+ server
        guard
            process.value.servers[place].didFail(
                openedAt: openedAt, now: now, limit: pools[pool].failureLimit)
        else { return }
        process.value.healthVersion.add(1, ordering: .releasing)
        counters.value.pools[pool].serverEjects.add(1)
        counters.value.servers[place].serverEjectedAt.set(ring.microsecondsSince1970)
        events.send(LogEvent(.serverEjected, pool: pool, server: server))
        probe(place, after: pools[pool].retryTimeout)
    }

    /// Has an ejected server probed some nanoseconds from now.
    mutating func probe(_ place: Int, after delay: UInt64) {
        probeTimes[place] = now &+ delay
        nextProbe = min(nextProbe, probeTimes[place])
    }

    /// Makes topologies anew if a server was ejected or came back, in whichever worker.
    mutating func adoptHealth() {
        let version = process.value.healthVersion.load(ordering: .acquiring)
        guard version != healthVersion else { return }
        healthVersion = version
        for pool in 0..<pools.count where pools[pool].ejectsServers {
            let first = pools[pool].firstServer
            pools[pool].didChangeHealth { !process.value.servers[first &+ $0].isEjected }
        }
    }

    /// Opens a connection to each ejected server whose time has come.
    mutating func probeServers() {
        nextProbe = .max
        for pool in 0..<pools.count {
            for server in 0..<pools[pool].servers.count {
                let place = pools[pool].firstServer &+ server
                if probeTimes[place] <= now {
                    probeTimes[place] = .max
                    if case .failure = open(to: server, in: pool, isProbe: true) {
                        probe(place, after: pools[pool].retryTimeout)
                    }
                }
                nextProbe = min(nextProbe, probeTimes[place])
            }
        }
    }

    /// The greeting of a probe, which ends with PING, was answered: the server is back, and this is
    /// a connection to it.
    mutating func didProbe(_ connection: Handle<ServerConnection>) {
        let pool = Int(connections[connection].pool)
        let server = Int(connections[connection].server)
        connections[connection].didProbe()
        process.value.servers[Int(connections[connection].place)].didRecover()
        process.value.healthVersion.add(1, ordering: .releasing)
        events.send(LogEvent(.serverRecovered, pool: pool, server: server))
        let lane = pools[pool].servers[server].takeLane()
        if pools[pool].servers[server].connection(in: lane).isNone {
            pools[pool].servers[server].didOpen(connection, in: lane)
        } else {
            fail(connection, .endOfStream)
        }
    }
}
