import CLinux
import Glibc

/// Where a socket listens, as the kernel sees it: two spellings of one address are the same place,
/// and `0.0.0.0` overlaps with every other address of its port.
@safe
enum ListenPlace {
    /// Of IPv6 the address that stands for an IPv4 one is that.
    case ipv4(UInt32, port: UInt16)
    case ipv6(UInt64, UInt64, port: UInt16)
    /// The folder, by its device and number, and the name in it.
    case file(device: UInt64, folder: UInt64, name: String)

    /// Why there is no such place.
    enum Problem: Error, Equatable {
        case unresolved(reason: String)
        /// The machine has another address, or none of this family.
        case notLocal(reason: String)
        case noFolder(reason: String)
        case isFolder
    }

    /// Looks up the name of a host, and asks whether an address is one of this machine.
    init(_ socket: SocketAddress) throws(Problem) {
        try Self.checkIsLocal(socket)
        let bytes = unsafe withUnsafeBytes(of: socket.storage) { unsafe Array($0) }
        let port = UInt16(Self.number(bytes[2..<4]))
        if socket.family == AF_INET {
            self = .ipv4(UInt32(Self.number(bytes[4..<8])), port: port)
            return
        }
        let (first, second) = (Self.number(bytes[8..<16]), Self.number(bytes[16..<24]))
        if first == 0, second >> 32 == 0xFFFF {
            self = .ipv4(UInt32(second & 0xFFFF_FFFF), port: port)
        } else {
            self = .ipv6(first, second, port: port)
        }
    }

    init(host: String, port: UInt16) throws(Problem) {
        switch SocketAddress.resolve(host: host, port: port) {
        case .failure(let error): throw .unresolved(reason: error.text)
        case .success(let addresses):
            guard let first = addresses[0] else { throw .unresolved(reason: "no address") }
            try self.init(first)
        }
    }

    /// - Parameter path: Absolute.
    init(path: String) throws(Problem) {
        var status = stat()
        guard unsafe stat(path, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR else {
            throw .isFolder
        }
        let bytes = Array(path.utf8)
        let nameStart = (bytes.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        // With the slash at its end, which only a folder may have.
        let folder = String(decoding: bytes[..<nameStart], as: UTF8.self)
        guard unsafe stat(folder, &status) == 0 else {
            throw unsafe .noFolder(reason: String(cString: strerror(errno)))
        }
        self = .file(
            device: UInt64(status.st_dev), folder: UInt64(status.st_ino),
            name: String(decoding: bytes[nameStart...], as: UTF8.self))
    }

    /// Whether only one of the two can be listened on, or one would take the other's clients.
    func overlaps(_ other: ListenPlace) -> Bool {
        switch (self, other) {
        case (.file(let device, let folder, let name), .file(let device2, let folder2, let name2)):
            device == device2 && folder == folder2 && name == name2
        case (.ipv4(let left, let port), .ipv4(let right, let port2)):
            port == port2 && (left == right || left == 0 || right == 0)
        case (.ipv6(let left, let left2, let port), .ipv6(let right, let right2, let port2)):
            port == port2
                && ((left, left2) == (right, right2) || left | left2 == 0 || right | right2 == 0)
        case (.ipv4(_, let port), .ipv6(let first, let second, let port2)),
            (.ipv6(let first, let second, let port), .ipv4(_, let port2)):
            port == port2 && first | second == 0 && Self.ipv6TakesIPv4
        default: false
        }
    }

    /// Whether a socket on `::` gets the clients of IPv4 too, which is the kernel's default.
    private static var ipv6TakesIPv4: Bool {
        let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var isOnly: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let status = unsafe getsockopt(
            descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &isOnly, &length)
        return status == 0 && isOnly == 0
    }

    /// Binds to a port that is free: whether the port itself is taken does not count here.
    private static func checkIsLocal(_ address: SocketAddress) throws(Problem) {
        let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else {
            throw unsafe .notLocal(reason: String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        let status = unsafe address.withPort(0).withSockaddr { unsafe bind(descriptor, $0, $1) }
        guard status == 0 || errno != EADDRNOTAVAIL else {
            throw unsafe .notLocal(reason: String(cString: strerror(EADDRNOTAVAIL)))
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
