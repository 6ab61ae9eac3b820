import Glibc

/// Who is at the other end of a client's socket, small enough for the record of an event.
package struct PeerAddress: BitwiseCopyable, Hashable, Sendable {
    private enum Kind: UInt8, BitwiseCopyable {
        case unknown, ipv4, ipv6, process
    }

    private let kind: Kind
    /// Of an address in digits.
    private let port: UInt16
    /// The bytes of an address, in the order of the network; or a process's id and user.
    private let first: UInt64
    private let second: UInt64

    private init(_ kind: Kind, port: UInt16 = 0, _ first: UInt64 = 0, _ second: UInt64 = 0) {
        self.kind = kind
        self.port = port
        self.first = first
        self.second = second
    }

    /// Of a socket whose peer has gone already.
    package static var unknown: PeerAddress { PeerAddress(.unknown) }

    package init(ofDescriptor descriptor: Int32) {
        self.init(of: Socket(descriptor: descriptor))
    }

    /// Asks the kernel, with one system call or two.
    init(of socket: Socket) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutableBytes(of: &storage) { memory in
            unsafe memory.bindMemory(to: sockaddr.self).baseAddress.map {
                unsafe getpeername(socket.descriptor, $0, &length)
            }
        }
        guard status == 0 else {
            self = .unknown
            return
        }
        switch Int32(storage.ss_family) {
        case AF_INET: self = unsafe withUnsafeBytes(of: storage, Self.ipv4)
        case AF_INET6: self = unsafe withUnsafeBytes(of: storage, Self.ipv6)
        case AF_UNIX: self = Self.process(behind: socket)
        default: self = .unknown
        }
    }

    private static func ipv4(_ memory: UnsafeRawBufferPointer) -> PeerAddress {
        let address = unsafe memory.loadUnaligned(as: sockaddr_in.self)
        return PeerAddress(
            .ipv4, port: UInt16(bigEndian: address.sin_port),
            UInt64(UInt32(bigEndian: address.sin_addr.s_addr)))
    }

    private static func ipv6(_ memory: UnsafeRawBufferPointer) -> PeerAddress {
        let address = unsafe memory.loadUnaligned(as: sockaddr_in6.self)
        let halves = unsafe withUnsafeBytes(of: address.sin6_addr) { bytes in
            unsafe (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        return PeerAddress(
            .ipv6, port: UInt16(bigEndian: address.sin6_port), halves.0, halves.1)
    }

    /// The client of a unix socket has no address, but is known by its process.
    private static func process(behind socket: Socket) -> PeerAddress {
        // struct ucred, which glibc shows to GNU sources only.
        var credentials: (process: Int32, user: UInt32, group: UInt32) = (0, 0, 0)
        var length = socklen_t(MemoryLayout.size(ofValue: credentials))
        let status = unsafe getsockopt(
            socket.descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
        guard status == 0 else { return .unknown }
        return PeerAddress(
            .process, UInt64(UInt32(bitPattern: credentials.process)), UInt64(credentials.user))
    }
}

extension PeerAddress {
    /// `127.0.0.1:4711`, `[::1]:4711`, or `process 4711 of user 1000`; nil when it is not known.
    package var text: String? {
        switch kind {
        case .unknown: nil
        case .process: "process \(first) of user \(second)"
        case .ipv4: Self.text(UInt32(truncatingIfNeeded: first)) + ":\(port)"
        // An IPv4 client of a listener on `::`.
        case .ipv6 where first == 0 && second >> 32 == 0xFFFF:
            Self.text(UInt32(truncatingIfNeeded: second)) + ":\(port)"
        case .ipv6: "[\(Self.text(first, second))]:\(port)"
        }
    }

    private static func text(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 0xFF).\(address >> 8 & 0xFF).\(address & 0xFF)"
    }

    /// As inet_ntop(3) writes it (RFC 5952).
    private static func text(_ first: UInt64, _ second: UInt64) -> String {
        var address = in6_addr()
        unsafe withUnsafeMutableBytes(of: &address) { bytes in
            unsafe bytes.storeBytes(of: first.bigEndian, as: UInt64.self)
            unsafe bytes.storeBytes(of: second.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard unsafe inet_ntop(AF_INET6, &address, &text, socklen_t(text.count)) != nil else {
            return ""
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
