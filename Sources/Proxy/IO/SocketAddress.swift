import Glibc

/// Where to connect or to listen: an IPv4, IPv6 or unix-domain address, as the kernel wants it.
@safe
struct SocketAddress: BitwiseCopyable {
    /// Big enough for any address, and aligned for it.
    private(set) var storage: sockaddr_storage
    private(set) var length: socklen_t

    /// The longest path that fits an address, without its terminating zero.
    static let unixPathMax = 107

    var family: Int32 { Int32(storage.ss_family) }

    var isUnix: Bool { family == AF_UNIX }

    /// - Returns: nil when the path is empty or longer than `unixPathMax`.
    init?(unixPath path: String) {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count <= Self.unixPathMax else { return nil }
        storage = sockaddr_storage()
        length = 0
        unsafe withUnsafeMutableBytes(of: &storage) { memory in
            unsafe memory.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
            let start = MemoryLayout<sa_family_t>.size
            for (index, byte) in bytes.enumerated() { unsafe memory[start + index] = byte }
        }
        length = socklen_t(MemoryLayout<sockaddr_un>.size)
    }

    /// - Returns: nil when the host is no IPv4 or IPv6 address in digits.
    init?(numericHost host: String, port: UInt16) {
        guard
            case .success(let found) = Self.find(host, port: port, flags: AI_NUMERICHOST),
            let address = found[0]
        else { return nil }
        self = address
    }

    /// Looks a host up, which may ask a name server and take seconds.
    static func resolve(host: String, port: UInt16) -> Result<SocketAddresses, ResolveError> {
        find(host, port: port, flags: 0)
    }

    private static func find(
        _ host: String, port: UInt16, flags: Int32
    ) -> Result<SocketAddresses, ResolveError> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = flags
        var found: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(host, String(port), &hints, &found)
        guard status == 0 else {
            return unsafe .failure(ResolveError(text: String(cString: gai_strerror(status))))
        }
        defer { unsafe freeaddrinfo(found) }
        var addresses = SocketAddresses()
        var next = unsafe found
        while let entry = unsafe next {
            unsafe addresses.append(
                SocketAddress(copying: entry.pointee.ai_addr, length: entry.pointee.ai_addrlen))
            unsafe next = entry.pointee.ai_next
        }
        return .success(addresses)
    }

    /// The same, at another port. An IPv4 or IPv6 address only.
    func withPort(_ port: UInt16) -> SocketAddress {
        var address = self
        unsafe withUnsafeMutableBytes(of: &address.storage) { memory in
            // The port stands at the same place in both.
            unsafe memory.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
        }
        return address
    }

    struct ResolveError: Error {
        let text: String
    }

    private init(copying address: UnsafePointer<sockaddr>, length: socklen_t) {
        storage = sockaddr_storage()
        self.length = length
        unsafe withUnsafeMutableBytes(of: &storage) { memory in
            unsafe memory.copyMemory(
                from: UnsafeRawBufferPointer(start: address, count: Int(length)))
        }
    }

    func withSockaddr<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
        unsafe withUnsafePointer(to: storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe body(address, length)
            }
        }
    }
}

extension SocketAddress: Equatable {
    static func == (one: SocketAddress, other: SocketAddress) -> Bool {
        guard one.length == other.length else { return false }
        return unsafe one.withSockaddr { first, length in
            unsafe other.withSockaddr { second, _ in
                unsafe memcmp(first, second, Int(length)) == 0
            }
        }
    }
}
