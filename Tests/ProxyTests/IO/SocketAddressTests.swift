import Glibc
import Testing

@testable import Proxy

@Suite struct SocketAddressTests {
    /// The bytes of an address as the kernel gets them.
    private func bytes(of address: SocketAddress) -> [UInt8] {
        address.withSockaddr { pointer, length in
            Array(UnsafeRawBufferPointer(start: pointer, count: Int(length)))
        }
    }

    @Test(arguments: [1, 2, 106, 107])
    func unixPathsUpToTheLimit(_ length: Int) throws {
        let path = String(repeating: "p", count: length)
        let address = try #require(SocketAddress(unixPath: path))
        #expect(address.isUnix)
        #expect(address.family == AF_UNIX)
        let expected = [UInt8(AF_UNIX), 0] + Array(path.utf8)
        let zeros = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_un>.size - expected.count)
        #expect(!zeros.isEmpty)
        #expect(bytes(of: address) == expected + zeros)
    }

    @Test(arguments: [0, 108, 109, 1000])
    func otherUnixPathsAreRefused(_ length: Int) {
        #expect(SocketAddress(unixPath: String(repeating: "p", count: length)) == nil)
    }

    /// The limit is of bytes, not of characters.
    @Test func unixPathsAreCountedInBytes() {
        #expect(SocketAddress(unixPath: String(repeating: "é", count: 53)) != nil)
        #expect(SocketAddress(unixPath: String(repeating: "é", count: 54)) == nil)
    }

    @Test(arguments: [1, 80, 6379, 22121, 65535] as [UInt16])
    func readsIPv4(_ port: UInt16) throws {
        let address = try first(of: "127.0.0.1", port: port)
        #expect(!address.isUnix)
        #expect(address.family == AF_INET)
        let expected =
            [UInt8(AF_INET), 0, UInt8(port >> 8), UInt8(port & 0xFF), 127, 0, 0, 1]
            + [UInt8](repeating: 0, count: 8)
        #expect(bytes(of: address) == expected)
    }

    @Test(arguments: [("::1", 1 as UInt8), ("::", 0), ("0:0:0:0:0:0:0:1", 1)])
    func readsIPv6(_ host: String, _ last: UInt8) throws {
        let address = try first(of: host, port: 0x1234)
        #expect(!address.isUnix)
        #expect(address.family == AF_INET6)
        let expected =
            [UInt8(AF_INET6), 0, 0x12, 0x34] + [UInt8](repeating: 0, count: 4 + 15) + [last]
            + [UInt8](repeating: 0, count: 4)
        #expect(bytes(of: address) == expected)
    }

    /// Names that no name server is asked for.
    @Test(arguments: [String(repeating: "a", count: 300), "a..b", "127.0.0.1.x\u{7F}"])
    func saysWhyANameDoesNotResolve(_ host: String) {
        guard case .failure(let error) = SocketAddress.resolve(host: host, port: 1) else {
            Issue.record("\(host) resolves")
            return
        }
        #expect(!error.text.isEmpty)
    }

    private func first(of host: String, port: UInt16) throws -> SocketAddress {
        try #require(try SocketAddress.resolve(host: host, port: port).get()[0])
    }

    // MARK: Several

    private func addresses(_ last: [Int]) throws -> SocketAddresses {
        var addresses = SocketAddresses()
        for number in last { addresses.append(try first(of: "127.0.0.\(number)", port: 1)) }
        return addresses
    }

    @Test func addressesAreInACircle() throws {
        let known = try addresses([1, 2, 3])
        for index in 0..<9 {
            #expect(known[index] == known[index % 3])
            #expect(known[index] != known[index + 1])
        }
        #expect(SocketAddresses()[0] == nil)
    }

    @Test func moreThanEightAreLeftOut() throws {
        #expect(try addresses(Array(1...20)).count == SocketAddresses.countMax)
    }

    /// Name servers give addresses in any order, and the one that works is to be used on.
    @Test func theAddressThatWorksIsPreferredAsLongAsItIsThere() throws {
        var known = try addresses([1, 2, 3])
        known.prefer(4)
        #expect(known[known.preferred] == (try first(of: "127.0.0.2", port: 1)))
        known.replace(with: try addresses([3, 1, 2]))
        #expect(known[known.preferred] == (try first(of: "127.0.0.2", port: 1)))
        known.replace(with: try addresses([9, 8]))
        #expect(known[known.preferred] == (try first(of: "127.0.0.9", port: 1)))
        known.replace(with: SocketAddresses())
        known.prefer(3)
        #expect(known.preferred == 0)
    }
}
