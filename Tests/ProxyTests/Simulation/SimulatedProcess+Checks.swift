@testable import Proxy

// What must be so when everything has ended.

extension SimulatedProcess {
    func checkNothingIsLeft() {
        for index in 0..<workers.count {
            let provided = world.rings[index].groups.reduce(0) { $0 + $1.buffers.count }
            let left = Self.left(in: workers[index], providedCount: UInt32(provided))
            for (name, count) in left where count != 0 {
                world.fail("\(count) \(name) are left in worker \(index)")
            }
        }
        let clientCount = state.value.poolClients[0].current
        if clientCount != 0 { world.fail("\(clientCount) clients are still counted") }
        let furtherCount = state.value.descriptors.furtherConnections.current
        if furtherCount != 0 { world.fail("\(furtherCount) connections are still counted") }
    }

    private static func left(
        in worker: borrowing Worker<SimulatedRing>, providedCount: UInt32
    ) -> [(String, Int)] {
        var usableCount = 0
        for server in 0..<worker.pools[0].servers.count {
            usableCount += worker.pools[0].servers[server].connectionCount
        }
        return [
            ("clients", Int(worker.clients.count)),
            ("connections", Int(worker.connections.count)),
            ("requests", Int(worker.requests.count)),
            ("gatherings", Int(worker.gatherings.count)),
            ("chain nodes", Int(worker.mbufs.nodes.usedCount)),
            ("mbufs", max(0, Int(worker.mbufs.usedCount) - Int(providedCount))),
            ("usable connections", usableCount),
            ("counted clients", worker.process.value.workers[worker.index].clients.current),
        ]
    }

    /// The counters of all workers say what has happened.
    func checkCounters() {
        checkConnectionCounters()
        for server in world.servers { checkCounters(of: server) }
        checkRefusedCommands()
    }

    private func checkRefusedCommands() {
        let counted = sum { $0.pools[0].commandsRefused.current }
        let read = world.refusedCommandCount
        guard counted < read || (isEverythingAnswered && counted != read) else { return }
        world.fail("\(counted) refused commands are counted, and clients read of \(read)")
    }

    private func checkConnectionCounters() {
        let refused = sum { $0.clientsRefused.current }
        let ended = sum { $0.pools[0].clientEOF.current + $0.pools[0].clientErr.current }
        let hasLimit = world.scenario.clientConnections > 0
        let expected = [
            (
                "total_connections", sum { $0.totalConnections.current },
                1 + world.acceptedCount + world.openedCount
            ),
            // The listener, though it may be closed.
            ("curr_connections", sum { $0.currConnections.current }, 1),
            ("client_connections", sum { $0.pools[0].clientConnections.current }, 0),
            ("client_eof and client_err", ended + (hasLimit ? 0 : refused), world.acceptedCount),
            ("server_ejects", sum { $0.pools[0].serverEjects.current }, health.ejectionCount),
        ]
        for (name, count, right) in expected where count != right {
            world.fail("\(name) is \(count), not \(right)")
        }
    }

    private func checkCounters(of server: SimulatedServer) {
        for index in 0..<workers.count {
            let gauges = workers[index].counters.value.servers[server.index].gauges
            guard gauges.contains(where: { $0 != 0 }) else { continue }
            world.fail("worker \(index) ends with \(gauges) of server \(server.index)")
        }
        let requests = sum { $0.servers[server.index].requests.current }
        let responses = sum { $0.servers[server.index].responses.current }
        let isExact = isEverythingAnswered
        guard
            requests < server.requestCount || responses > requests
                || (isExact && requests != server.requestCount)
        else { return }
        world.fail(
            "server \(server.index) got \(server.requestCount) requests, and there are "
                + "\(requests) with \(responses) responses")
    }

    /// Nobody has left, or was left, with a request on its way.
    private var isEverythingAnswered: Bool {
        let scenario = world.scenario
        return scenario.protocolKind == .redis && scenario.clientFaults == 0
            && !scenario.mayCloseClients && !world.hasExited
            && world.servers.allSatisfy { $0.isFaultless }
    }

    private func sum(_ number: (borrowing WorkerCounters) -> Int) -> Int {
        var sum = 0
        for index in 0..<workers.count { sum += number(workers[index].counters.value) }
        return sum
    }
}

extension ServerCounters {
    /// What goes up and down.
    fileprivate var gauges: [Int] {
        [
            serverConnections.current, inQueue.current, inQueueBytes.current, outQueue.current,
            outQueueBytes.current,
        ]
    }
}
