import Foundation
import Glibc
import Testing

@testable import Proxy

@Suite struct ListenPlaceTests {
    private static let hosts = [
        "0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1", "::ffff:127.0.0.1", "localhost", "127.1",
        "2130706433",
    ]

    /// The rule is the kernel's own, which is asked for every pair of addresses.
    @Test(arguments: hosts, hosts)
    func placesOverlapIfTheKernelGivesOnlyOne(first: String, second: String) throws {
        let port = try freePort()
        let places = try [first, second].map { try ListenPlace(host: $0, port: port) }
        #expect(places[0].overlaps(places[1]) == !canListen(first, second, port: port))
        #expect(places[1].overlaps(places[0]) == places[0].overlaps(places[1]))
        let elsewhere = try ListenPlace(host: second, port: port ^ 1)
        #expect(!places[0].overlaps(elsewhere))
    }

    @Test func spellingsOfOnePathAreOnePlace() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "cashew-\(UUID().uuidString.prefix(8))").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(
            atPath: folder + "/in", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/link", withDestinationPath: "in")
        let place = try ListenPlace(path: folder + "/in/s")
        for spelling in ["/in/s", "//in/s", "/in/../in/s", "/./in/./s", "/in///s", "/link/s"] {
            #expect(place.overlaps(try ListenPlace(path: folder + spelling)), "\(spelling)")
        }
        for other in ["/in/t", "/s", "/in/S", "/in/s2"] {
            #expect(!place.overlaps(try ListenPlace(path: folder + other)), "\(other)")
        }
        #expect(!place.overlaps(try ListenPlace(host: "127.0.0.1", port: 1)))
    }

    @Test(arguments: [
        ("/", ListenPlace.Problem.isFolder), ("/tmp", .isFolder), ("/tmp/", .isFolder),
        ("/nonexistent/s", .noFolder(reason: "No such file or directory")),
        ("/nonexistent/", .noFolder(reason: "No such file or directory")),
        ("/etc/passwd/s", .noFolder(reason: "Not a directory")),
    ])
    func pathsThatCannotBe(path: String, problem: ListenPlace.Problem) {
        #expect(throws: problem) { _ = try ListenPlace(path: path) }
    }

    @Test func addressesThatCannotBe() {
        // RFC 5737 keeps this one free for documents.
        #expect(
            throws: ListenPlace.Problem.notLocal(reason: "Cannot assign requested address")
        ) { _ = try ListenPlace(host: "203.0.113.1", port: 1) }
        let error = #expect(throws: ListenPlace.Problem.self) {
            _ = try ListenPlace(host: "no.such.host.invalid", port: 1)
        }
        guard case .unresolved(let reason) = error else { return #expect(Bool(false)) }
        #expect(!reason.isEmpty)
    }

    private func freePort() throws -> UInt16 {
        for _ in 0..<100 {
            let port = UInt16.random(in: 10_000..<20_000)
            if canListen("::", nil, port: port), canListen("::", nil, port: port ^ 1) {
                return port
            }
        }
        throw SystemError(errno: EADDRINUSE)
    }

    /// Whether both can be listened on at once.
    private func canListen(_ first: String, _ second: String?, port: UInt16) -> Bool {
        var sockets: [Socket] = []
        defer { for socket in sockets { Sockets.close(socket) } }
        for host in [first, second].compactMap({ $0 }) {
            guard case .success(let found) = SocketAddress.resolve(host: host, port: port),
                let address = found[0],
                let socket = try? Sockets.listen(
                    on: address, backlog: 1, unixPath: nil, permissions: nil)
            else { return false }
            sockets.append(socket)
        }
        return true
    }
}
