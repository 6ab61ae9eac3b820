import Glibc
import Testing

@testable import Proxy

@Suite struct PeerAddressTests {
    @Test(arguments: ["127.0.0.1", "::1"])
    func clientOfAnAddress(host: String) throws {
        let listener = try listen(host)
        defer { close(listener) }
        let (client, accepted) = try connect(to: listener)
        defer { close(client) }
        defer { close(accepted) }
        let port = name(of: client).port
        let shown = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        #expect(PeerAddress(of: Socket(descriptor: accepted)).text == shown)
    }

    /// A listener on `::` takes IPv4 clients too, which are shown as what they are.
    @Test func mappedAddress() throws {
        let listener = try listen("::")
        defer { close(listener) }
        let port = name(of: listener).port
        let address = try #require(SocketAddress(numericHost: "127.0.0.1", port: port))
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(client) }
        #expect(address.withSockaddr { Glibc.connect(client, $0, $1) } == 0)
        let accepted = accept(listener, nil, nil)
        defer { close(accepted) }
        let own = name(of: client).port
        #expect(PeerAddress(of: Socket(descriptor: accepted)).text == "127.0.0.1:\(own)")
    }

    @Test func clientOfAUnixSocket() {
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { ends.forEach { close($0) } }
        let address = PeerAddress(of: Socket(descriptor: ends[0]))
        #expect(address.text == "process \(getpid()) of user \(getuid())")
    }

    @Test func peerThatIsNone() {
        let lonely = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(lonely) }
        #expect(PeerAddress(of: Socket(descriptor: lonely)).text == nil)
        #expect(PeerAddress(of: Socket(descriptor: -1)) == .unknown)
    }

    private func listen(_ host: String) throws -> Int32 {
        let address = try #require(SocketAddress(numericHost: host, port: 0))
        let socket = try Sockets.listen(
            on: address, backlog: 8, unixPath: nil, permissions: nil)
        _ = fcntl(socket.descriptor, F_SETFL, 0)
        return socket.descriptor
    }

    private func connect(to listener: Int32) throws -> (client: Int32, accepted: Int32) {
        let place = name(of: listener)
        let address = try #require(SocketAddress(numericHost: place.host, port: place.port))
        let client = socket(address.family, Int32(SOCK_STREAM.rawValue), 0)
        #expect(address.withSockaddr { Glibc.connect(client, $0, $1) } == 0)
        return (client, accept(listener, nil, nil))
    }

    private func name(of socket: Int32) -> (host: String, port: UInt16) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var host = [CChar](repeating: 0, count: 64)
        var port = [CChar](repeating: 0, count: 16)
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = getsockname(socket, address, &length)
                let flags = NI_NUMERICHOST | NI_NUMERICSERV
                getnameinfo(address, length, &host, 64, &port, 16, flags)
            }
        }
        return (text(host), UInt16(text(port)) ?? 0)
    }

    private func text(_ characters: [CChar]) -> String {
        String(
            decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
