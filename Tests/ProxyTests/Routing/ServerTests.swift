import Config
import Testing

@testable import Proxy

/// Which connection to a server the next request goes to (twemproxy nc_server.c:server_conn).
@Suite struct ServerTests {
    private func server(connectionMax: Int) -> Server {
        Server(
            ServerConfiguration(
                name: "s", address: .unix(path: "nothing.sock"), weight: 1),
            connectionMax: connectionMax)
    }

    private func handle(_ index: UInt32) -> Handle<ServerConnection> {
        Handle(index: index, generation: 1)
    }

    /// What a worker does with a request: opens a connection as long as it may, then takes turns.
    private func route(
        _ count: Int, to server: inout Server, opened: inout UInt32
    ) -> [UInt32] {
        var chosen: [UInt32] = []
        for _ in 0..<count {
            if server.wantsConnection {
                server.didOpen(handle(opened))
                chosen.append(opened)
                opened += 1
            } else {
                chosen.append(server.chooseConnection().index)
            }
        }
        return chosen
    }

    @Test(
        arguments: [
            (1, [0, 0, 0, 0, 0, 0, 0]), (2, [0, 1, 0, 1, 0, 1, 0]), (3, [0, 1, 2, 0, 1, 2, 0]),
            (5, [0, 1, 2, 3, 4, 0, 1]),
        ] as [(Int, [UInt32])])
    func opensAllThenTakesTurns(_ connectionMax: Int, _ expected: [UInt32]) {
        var server = server(connectionMax: connectionMax)
        var opened: UInt32 = 0
        let chosen = route(7, to: &server, opened: &opened)
        #expect(chosen == expected)
    }

    /// Wire case redis/conns/preconnect_then_three: the connection that was there before the first
    /// request is the first to be used again.
    @Test func aConnectionOpenedInAdvanceIsTheOldest() {
        var server = server(connectionMax: 3)
        var opened: UInt32 = 0
        server.didOpen(handle(opened))
        opened += 1
        let chosen = route(5, to: &server, opened: &opened)
        #expect(chosen == [1, 2, 0, 1, 2])
    }

    @Test func aClosedConnectionLeavesTheOthersInTheirOrder() {
        for used in 0..<4 {
            for closed in 0..<4 as Range<UInt32> {
                var server = server(connectionMax: 4)
                var opened: UInt32 = 0
                let before = route(4 + used, to: &server, opened: &opened)
                let order = before.suffix(4)
                server.didClose(handle(closed))
                let count = server.connectionCount
                #expect(count == 3)
                var chosen: [UInt32] = []
                for _ in 0..<6 { chosen.append(server.chooseConnection().index) }
                let expected = order.filter { $0 != closed }
                #expect(chosen == expected + expected)
            }
        }
    }

    @Test func closingAStrangerChangesNothing() {
        var server = server(connectionMax: 2)
        var opened: UInt32 = 0
        _ = route(2, to: &server, opened: &opened)
        server.didClose(handle(9))
        server.didClose(Handle(index: 0, generation: 3))
        let count = server.connectionCount
        #expect(count == 2)
        let chosen = route(3, to: &server, opened: &opened)
        #expect(chosen == [0, 1, 0])
    }

    /// Against a queue that has the least recently chosen connection in front.
    @Test(arguments: [1, 2, 3, 7])
    func alwaysTakesTheLeastRecentlyChosen(_ connectionMax: Int) {
        var random = SeededRandom(seed: UInt64(connectionMax))
        var server = server(connectionMax: connectionMax)
        var queue: [UInt32] = []
        var opened: UInt32 = 0
        for round in 0..<3000 {
            let wants = server.wantsConnection
            #expect(wants == (queue.count < connectionMax))
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where !queue.isEmpty:
                let closed = queue.remove(at: Int.random(in: 0..<queue.count, using: &random))
                server.didClose(handle(closed))
            case 1...4 where wants:
                server.didOpen(handle(opened))
                queue.append(opened)
                opened += 1
            default:
                guard !queue.isEmpty else { continue }
                let chosen = server.chooseConnection().index
                let expected = queue.removeFirst()
                queue.append(expected)
                if chosen != expected {
                    Issue.record("round \(round): \(chosen), not \(expected)")
                    return
                }
            }
        }
    }
}
