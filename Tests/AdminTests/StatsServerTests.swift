import Glibc
import Testing

@testable import Admin
@testable import Proxy

/// The server with real sockets, on the thread of the test.
@Suite struct StatsServerTests {
    @Test func sayInNutcrackersWordsWhyItCannotListen() throws {
        let first = try makeServer()
        let error = #expect(throws: StatsListenError.self) {
            _ = try StatsListener(host: "127.0.0.1", port: first.port)
        }
        let text = try #require(error).description
        #expect(
            text.replacing(#/m \d+/#, with: "m 4")
                == "bind on m 4 to stats server addr '127.0.0.1:\(first.port)' failed: "
                + "Address already in use")
        let unknown = #expect(throws: StatsListenError.self) {
            _ = try StatsListener(host: "", port: 1)
        }
        #expect(
            try #require(unknown).description
                == "address resolution of node '' service '1' failed: Name or service not known")
    }

    @Test func nothingIsDueWhenNobodyIsThere() throws {
        var served = try makeServer()
        served.server.serve()
        #expect(served.server.millisecondsToDeadline == -1)
        let client = Peer(port: served.port)
        served.server.serve()
        #expect((0...21).contains(served.server.millisecondsToDeadline))
        _ = client
    }

    /// More than there are places for, all at once, and all silent.
    @Test(arguments: [1, StatsServer.clientMax, StatsServer.clientMax + 1, 200])
    func everyoneGetsTheWholeDocument(count: Int) throws {
        var served = try makeServer()
        let peers = (0..<count).map { _ in Peer(port: served.port) }
        served.serve(until: peers)
        for peer in peers {
            #expect(try ExporterRules.read(peer.received).keys.sorted() == ["alpha", "be"])
            #expect(!peer.wasReset)
        }
    }

    /// What was sent and never read must not take the document away.
    @Test func whatIsSentBesidesDoesNotReset() throws {
        var served = try makeServer()
        let peers = ["stats\r\n", "POST / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"].map { text in
            let peer = Peer(port: served.port)
            peer.send(Array(text.utf8) + [UInt8](repeating: 0x61, count: 100_000))
            return peer
        }
        served.serve(until: peers)
        #expect(peers.allSatisfy { !$0.wasReset && !$0.received.isEmpty })
        #expect(peers[0].received.first == UInt8(ascii: "{"))
        #expect(peers[1].received.starts(with: "HTTP/1.1 405 ".utf8))
        #expect(peers[2].received.starts(with: "HTTP/1.1 200 ".utf8))
    }

    @Test func oneWhoDoesNotReadHoldsUpNobody() throws {
        let servers = (0..<20_000).map { "server\($0)" }
        let configuration = makeConfiguration([("pool", servers)])
        var served = try makeServer(
            StatsDocument(
                of: configuration, workers: [Shared(WorkerCounters(configuration))],
                source: "host"))
        let sleeper = Peer(port: served.port, receiveBuffer: 4096)
        let reader = Peer(port: served.port)
        served.serve(until: [reader])
        #expect(reader.received.last == UInt8(ascii: "\n"))
        #expect(sleeper.received.isEmpty)
        served.serve(until: [sleeper])
        #expect(sleeper.received.count == reader.received.count)
    }

    static let document = StatsDocument(
        of: Captured.configuration, workers: Captured.workers(), source: "host")

    private func makeServer(_ document: StatsDocument = document) throws -> Served {
        for _ in 0..<100 {
            let port = UInt16.random(in: 20_000..<30_000)
            if let listener = try? StatsListener(host: "127.0.0.1", port: port) {
                return Served(
                    server: StatsServer(on: listener, document: document), port: port)
            }
        }
        throw StatsListenError.socket(reason: "no port is free")
    }
}

private struct Served: ~Copyable {
    var server: StatsServer
    let port: UInt16

    /// Serves until everyone has seen the end of the stream, or a minute has passed.
    mutating func serve(until peers: [Peer]) {
        let end = ContinuousClock.now + .seconds(60)
        while peers.contains(where: { !$0.isAtEnd }), ContinuousClock.now < end {
            var descriptor = pollfd(fd: server.descriptor, events: Int16(POLLIN), revents: 0)
            let timeout = server.millisecondsToDeadline
            poll(&descriptor, 1, timeout < 0 ? 10 : min(timeout, 10))
            server.serve()
            for peer in peers { peer.receive() }
        }
    }
}

/// A client of the port that reads when it is told to.
private final class Peer {
    private let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    private(set) var received: [UInt8] = []
    private(set) var isAtEnd = false
    private(set) var wasReset = false

    init(port: UInt16, receiveBuffer: Int32? = nil) {
        if var receiveBuffer {
            setsockopt(
                descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer,
                socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(status == 0, "cannot connect: errno \(errno)")
    }

    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, 0) }
    }

    /// Takes what is there.
    func receive() {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !isAtEnd {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                received += buffer[..<count]
            } else if count == 0 || errno != EAGAIN {
                wasReset = count < 0
                isAtEnd = true
                close(descriptor)
            } else {
                return
            }
        }
    }

    deinit { if !isAtEnd { close(descriptor) } }
}
