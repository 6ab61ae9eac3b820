import CLinux
import Glibc

// What the statistics port asks of Linux and libc, each thing as one function that takes and
// returns Swift values. This is the only file of the target that says `unsafe`.

// MARK: - Host

/// The name of this host, or `unknown`.
package func hostName() -> String {
    var name = [UInt8](repeating: 0, count: 256)
    let status = unsafe name.withUnsafeMutableBytes { memory -> Int32 in
        guard let start = unsafe memory.bindMemory(to: CChar.self).baseAddress else { return -1 }
        // The last byte stays 0 when the name is cut.
        return unsafe gethostname(start, memory.count - 1)
    }
    return status == 0 ? String(decoding: name.prefix { $0 != 0 }, as: UTF8.self) : "unknown"
}

/// Seconds since 1970.
func secondsSince1970() -> Int {
    time(nil)
}

// MARK: - Sockets

enum SystemSocket {
    /// A bound, listening, non-blocking socket, and its file if it is a unix socket.
    ///
    /// - Parameter host: An address or a name, of whose addresses the first counts, or a path.
    static func listen(
        host: String, port: UInt16
    ) throws(StatsListenError) -> (descriptor: Int32, file: SocketFile?) {
        if host.utf8.first == UInt8(ascii: "/") { return try listen(path: host, port: port) }
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE
        var found: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(host, String(port), &hints, &found)
        guard status == 0, let first = unsafe found else {
            let reason = unsafe String(cString: gai_strerror(status))
            throw .resolve(host: host, port: port, reason: reason)
        }
        defer { unsafe freeaddrinfo(first) }
        let descriptor = try open(unsafe first.pointee.ai_family)
        var one: Int32 = 1
        _ = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        let place = Place(host: host, port: port)
        try unsafe bind(
            descriptor, to: first.pointee.ai_addr, first.pointee.ai_addrlen, of: place)
        try listen(descriptor, of: place)
        return (descriptor, nil)
    }

    /// A socket that nobody listens on is replaced: a process that was killed has left it.
    private static func listen(
        path: String, port: UInt16
    ) throws(StatsListenError) -> (descriptor: Int32, file: SocketFile?) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .path(path, reason: "it has \(bytes.count) bytes, and may have 107")
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let place = Place(host: path, port: port)
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let descriptor = try open(AF_UNIX)
        try unsafe withUnsafePointer(to: &address) { pointer throws(StatsListenError) in
            let plain = unsafe UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
            // Another proxy, which is not to lose its statistics to one started by mistake.
            let status = unsafe connect(descriptor, plain, length)
            guard status != 0, errno != EAGAIN else {
                close(descriptor)
                let reason = unsafe String(cString: strerror(EADDRINUSE))
                throw .bind(descriptor: descriptor, host: path, port: port, reason: reason)
            }
            unsafe unlink(path)
            try unsafe bind(descriptor, to: plain, length, of: place)
        }
        let file = SocketFile(path: path)
        do throws(StatsListenError) { try listen(descriptor, of: place) } catch {
            file?.remove()
            throw error
        }
        return (descriptor, file)
    }

    /// Where a socket listens, for errors.
    private struct Place {
        let host: String
        let port: UInt16
    }

    private static func open(_ family: Int32) throws(StatsListenError) -> Int32 {
        let type =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw .socket(reason: lastError()) }
        return descriptor
    }

    /// Closes the socket when that fails.
    private static func bind(
        _ descriptor: Int32, to address: UnsafePointer<sockaddr>?, _ length: socklen_t,
        of place: Place
    ) throws(StatsListenError) {
        guard unsafe Glibc.bind(descriptor, address, length) == 0 else {
            defer { close(descriptor) }
            throw .bind(
                descriptor: descriptor, host: place.host, port: place.port, reason: lastError())
        }
    }

    /// Closes the socket when that fails.
    private static func listen(_ descriptor: Int32, of place: Place) throws(StatsListenError) {
        guard Glibc.listen(descriptor, SOMAXCONN) == 0 else {
            defer { close(descriptor) }
            throw .listen(
                descriptor: descriptor, host: place.host, port: place.port, reason: lastError())
        }
    }

    enum Accepted {
        case client(Int32)
        /// Nobody waits.
        case nobody
        /// The client has gone again. Somebody else may wait.
        case gone
        /// No descriptor or no memory is left; whoever waits still does.
        case exhausted
    }

    /// Takes the next client.
    static func accept(_ listener: Int32) -> Accepted {
        let descriptor = Glibc.accept(listener, nil, nil)
        if descriptor >= 0 { return .client(descriptor) }
        switch errno {
        case EAGAIN: return .nobody
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
        default: return .gone
        }
    }

    enum Received {
        /// At least one.
        case bytes(ArraySlice<UInt8>)
        /// Nothing yet.
        case nothing
        /// Nothing will ever come: the client has finished sending, or has gone.
        case end
    }

    /// Takes what has arrived, no more than `countMax` bytes of it.
    static func receive(from descriptor: Int32, countMax: Int) -> Received {
        var bytes = [UInt8](repeating: 0, count: countMax)
        let count = unsafe bytes.withUnsafeMutableBytes { memory in
            unsafe recv(descriptor, memory.baseAddress, memory.count, Int32(MSG_DONTWAIT))
        }
        if count > 0 { return .bytes(bytes[..<count]) }
        return count < 0 && (errno == EAGAIN || errno == EINTR) ? .nothing : .end
    }

    /// Hands bytes to the kernel, as many as it takes at once. Nil when the client has gone.
    static func send(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Int? {
        let count = unsafe bytes.withUnsafeBytes { memory in
            unsafe Glibc.send(
                descriptor, memory.baseAddress, memory.count,
                Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
        if count >= 0 { return count }
        return errno == EAGAIN || errno == EINTR ? 0 : nil
    }

    /// Says that nothing more will be sent.
    static func finishSending(_ descriptor: Int32) {
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    static func close(_ descriptor: Int32) {
        _ = Glibc.close(descriptor)
    }

    private static func lastError() -> String {
        unsafe String(cString: strerror(errno))
    }
}

/// The file that stands for a unix socket.
struct SocketFile: Sendable {
    let path: String
    private let device: dev_t
    private let number: ino_t

    /// Nil when there is none.
    init?(path: String) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        self.path = path
        device = status.st_dev
        number = status.st_ino
    }

    /// Removes it, unless another has taken its place.
    func remove() {
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_dev == device, status.st_ino == number
        else { return }
        unsafe unlink(path)
    }
}

// MARK: - Readiness

/// A set of descriptors to watch, which is one descriptor itself (epoll).
struct Watcher: ~Copyable {
    /// Readable when one of those watched is ready.
    let descriptor: Int32

    enum Interest {
        case readable, writable, none

        fileprivate var events: UInt32 {
            switch self {
            case .readable: EPOLLIN.rawValue
            case .writable: EPOLLOUT.rawValue
            case .none: 0
            }
        }
    }

    /// When no descriptor or no memory is left, nothing can be added.
    init() {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    }

    /// Starts to watch a descriptor. False when that is impossible.
    func add(_ other: Int32, _ interest: Interest) -> Bool {
        control(EPOLL_CTL_ADD, other, interest) == 0
    }

    /// Changes what is awaited of a descriptor that is watched.
    func change(_ other: Int32, to interest: Interest) {
        let status = control(EPOLL_CTL_MOD, other, interest)
        precondition(status == 0, "epoll_ctl: a descriptor is not watched")
    }

    private func control(_ operation: Int32, _ other: Int32, _ interest: Interest) -> Int32 {
        var event = unsafe epoll_event()
        unsafe event.events = interest.events
        unsafe event.data.fd = other
        return unsafe epoll_ctl(descriptor, operation, other, &event)
    }

    /// Those that are ready now, `countMax` of them at most. Closed ones are watched no more.
    func ready(countMax: Int) -> [Int32] {
        var events = unsafe [epoll_event](repeating: epoll_event(), count: countMax)
        let count = unsafe epoll_wait(descriptor, &events, Int32(countMax), 0)
        return unsafe events.prefix(max(0, Int(count))).map { unsafe $0.data.fd }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }
}
