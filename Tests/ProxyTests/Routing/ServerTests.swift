import Config
import Testing

@testable import Proxy

/// Which connection to a server a client's requests go on (twemproxy nc_server.c:server_conn).
@Suite struct ServerTests {
    private func server(laneCount: Int) -> Server {
        Server(
            ServerConfiguration(
                name: "s", address: .unix(path: "nothing.sock"), weight: 1),
            laneCount: laneCount)
    }

    private func handle(_ index: UInt32) -> Handle<ServerConnection> {
        Handle(index: index, generation: 1)
    }

    /// What a worker does with requests of clients that have nothing in flight.
    private func route(
        _ count: Int, to server: inout Server, opened: inout UInt32
    ) -> [UInt32] {
        var chosen: [UInt32] = []
        for _ in 0..<count {
            let lane = server.takeLane()
            if server.connection(in: lane).isNone {
                server.didOpen(handle(opened), in: lane)
                opened += 1
            }
            chosen.append(server.connection(in: lane).index)
        }
        return chosen
    }

    @Test(
        arguments: [
            (1, [0, 0, 0, 0, 0, 0, 0]), (2, [0, 1, 0, 1, 0, 1, 0]), (3, [0, 1, 2, 0, 1, 2, 0]),
            (5, [0, 1, 2, 3, 4, 0, 1]),
        ] as [(Int, [UInt32])])
    func opensAllThenTakesTurns(_ laneCount: Int, _ expected: [UInt32]) {
        var server = server(laneCount: laneCount)
        var opened: UInt32 = 0
        let chosen = route(7, to: &server, opened: &opened)
        #expect(chosen == expected)
        let hasOneLane = server.hasOneLane
        #expect(hasOneLane == (laneCount == 1))
    }

    /// Wire case redis/conns/preconnect_then_three: the connection that was there before the first
    /// request is the first to be used again.
    @Test func aConnectionOpenedInAdvanceIsTheOldest() {
        var server = server(laneCount: 3)
        var opened: UInt32 = 0
        server.didOpen(handle(opened), in: server.takeLane())
        opened += 1
        let chosen = route(5, to: &server, opened: &opened)
        #expect(chosen == [1, 2, 0, 1, 2])
    }

    /// The others stay where they are: whoever has requests on them goes on with them.
    @Test func aClosedConnectionIsOpenedAgainInItsLane() {
        for closed in 0..<4 as Range<UInt32> {
            var server = server(laneCount: 4)
            var opened: UInt32 = 0
            _ = route(4, to: &server, opened: &opened)
            server.didClose(handle(closed))
            let count = server.connectionCount
            #expect(count == 3)
            let chosen = route(8, to: &server, opened: &opened)
            let expected = (0..<8).map { UInt32($0) % 4 }.map { $0 == closed ? 4 : $0 }
            #expect(chosen == expected)
        }
    }

    @Test func closingAStrangerChangesNothing() {
        var server = server(laneCount: 2)
        var opened: UInt32 = 0
        _ = route(2, to: &server, opened: &opened)
        server.didClose(handle(9))
        server.didClose(Handle(index: 0, generation: 3))
        let count = server.connectionCount
        #expect(count == 2)
        let chosen = route(3, to: &server, opened: &opened)
        #expect(chosen == [0, 1, 0])
    }

    /// When no more can be opened. The lane keeps what it got as long as that is there, also when
    /// more could be opened again: its clients may have requests on it.
    @Test func lanesShareAConnection() {
        var server = server(laneCount: 4)
        let none = server.shareConnection(with: 2).isNone
        #expect(none)
        server.didOpen(handle(7), in: 3)
        server.didOpen(handle(8), in: 0)
        let shared = [1, 2].map { server.shareConnection(with: $0).index }
        #expect(shared == [7, 7])
        let lanes = (0..<4).map { server.connection(in: $0).index }
        #expect(lanes == [8, 7, 7, 7])
        var count = server.connectionCount
        #expect(count == 2)
        server.didClose(handle(7))
        let areNone = (0..<4).map { server.connection(in: $0).isNone }
        #expect(areNone == [false, true, true, true])
        count = server.connectionCount
        #expect(count == 1)
    }
}
