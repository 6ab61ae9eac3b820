import Glibc
import Testing

@testable import Admin

/// A client's connection, event by event, at made-up times.
@Suite struct StatsClientTests {
    static let start = ContinuousClock.now
    static let document = Array("{\"service\":1}\n".utf8)

    @Test func silentOneGetsTheBareDocumentAfterAMoment() {
        var pair = Pair()
        pair.advance(.milliseconds(0))
        pair.advance(.milliseconds(19))
        #expect(pair.received().isEmpty)
        pair.advance(.milliseconds(20))
        #expect(pair.received() == Self.document)
        #expect(!pair.client.isClosed)
        pair.closePeer()
        pair.advance(.milliseconds(21))
        #expect(pair.client.isClosed)
    }

    @Test func halfClosedOneIsAnsweredAtOnce() {
        var pair = Pair()
        pair.finishPeer()
        pair.advance(.zero)
        #expect(pair.received() == Self.document)
        #expect(pair.client.isClosed)
    }

    @Test func httpIsAnsweredAtOnce() {
        var pair = Pair()
        pair.send("GET / HTTP/1.1\r\n\r\n")
        pair.advance(.zero)
        #expect(String(decoding: pair.received(), as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test func requestMayComeInPieces() {
        var pair = Pair()
        for (index, piece) in ["GE", "T / HTT", "P/1.1\r\nHost: a\r", "\n\r"].enumerated() {
            pair.send(piece)
            pair.advance(.milliseconds(100 * index))
            #expect(pair.received().isEmpty)
        }
        pair.send("\n")
        pair.advance(.milliseconds(900))
        #expect(String(decoding: pair.received(), as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test(arguments: [("GET /", false), ("GET / HTTP/1.1\r\nHost:", true)])
    func halfARequestIsAnsweredInTheEnd(half: String, isHTTP: Bool) {
        var pair = Pair()
        pair.send(half)
        pair.advance(.zero)
        pair.advance(.milliseconds(999))
        #expect(pair.received().isEmpty)
        pair.advance(.milliseconds(1000))
        let text = pair.received()
        #expect(text.starts(with: "HTTP/1.1 200 OK\r\n".utf8) == isHTTP)
        #expect(text.suffix(Self.document.count) == Self.document[...])
    }

    /// One byte now and then does not keep the connection.
    @Test func tricklingRequestEndsInTime() {
        var pair = Pair()
        for moment in stride(from: 0, to: 1000, by: 100) {
            pair.send("A")
            pair.advance(.milliseconds(moment))
        }
        #expect(pair.client.deadline == Self.start + .seconds(1))
    }

    @Test func slowReaderGetsAllWhileItReads() {
        let document = [UInt8](repeating: 0x61, count: 4 << 20)
        var pair = Pair(document: document)
        pair.advance(.milliseconds(20))
        #expect(pair.client.interest == .writable)
        var (count, moment) = (0, Duration.milliseconds(20))
        while !pair.client.isClosed {
            let piece = pair.received()
            count += piece.count
            if case .draining = pair.client.phase, piece.isEmpty { pair.closePeer() }
            moment += .seconds(4)
            pair.advance(moment)
        }
        #expect(count == document.count)
    }

    @Test func oneWhoNeverReadsIsClosed() {
        var pair = Pair(document: [UInt8](repeating: 0x61, count: 4 << 20))
        pair.advance(.milliseconds(20))
        pair.advance(.milliseconds(5019))
        #expect(!pair.client.isClosed)
        pair.advance(.milliseconds(5020))
        #expect(pair.client.isClosed)
    }

    @Test func oneWhoNeverClosesIsClosed() {
        var pair = Pair()
        pair.advance(.milliseconds(20))
        pair.send("more")
        pair.advance(.milliseconds(5019))
        #expect(!pair.client.isClosed)
        pair.advance(.milliseconds(5020))
        #expect(pair.client.isClosed)
        #expect(pair.received() == Self.document)
    }

    @Test func oneWhoHasGoneIsClosed() {
        var pair = Pair()
        pair.closePeer()
        pair.advance(.zero)
        #expect(pair.client.isClosed)
    }

    @Test(arguments: ["", "GET /"])
    func oneWhoMustMakeWayIsAnsweredFirst(sent: String) {
        var pair = Pair()
        pair.send(sent)
        pair.advance(.zero)
        pair.finish(.milliseconds(1))
        #expect(pair.client.isClosed)
        #expect(pair.received() == Self.document)
    }
}

/// A client's connection and the end that the test holds.
private struct Pair: ~Copyable {
    var client: StatsClient
    private let document: [UInt8]
    private var peer: Int32

    init(document: [UInt8] = StatsClientTests.document) {
        var ends: [Int32] = [0, 0]
        let status = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        precondition(status == 0)
        client = StatsClient(descriptor: ends[0], at: StatsClientTests.start)
        peer = ends[1]
        self.document = document
    }

    mutating func advance(_ time: Duration) {
        client.advance(at: StatsClientTests.start + time) { document }
    }

    mutating func finish(_ time: Duration) {
        client.finish(at: StatsClientTests.start + time) { document }
    }

    func send(_ text: String) {
        Array(text.utf8).withUnsafeBytes { _ = Glibc.send(peer, $0.baseAddress, $0.count, 0) }
    }

    /// Everything that can be read without waiting.
    func received() -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(peer, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return all }
            all += buffer[..<count]
        }
    }

    func finishPeer() { _ = shutdown(peer, Int32(SHUT_WR)) }

    mutating func closePeer() {
        close(peer)
        peer = -1
    }

    deinit { if peer >= 0 { close(peer) } }
}
