import Glibc

/// What goes wrong while a listening socket is made, in the words of twemproxy's log.
struct ListenError: Error {
    let text: String
}

/// The calls that make a socket, outside the loop.
enum Sockets {
    /// A bound and listening socket. TCP_NODELAY is set on it because accepted sockets inherit it.
    ///
    /// - Parameter permissions: Of a unix socket's file; nil leaves what the umask gives.
    static func listen(
        on address: SocketAddress, backlog: Int32, unixPath: String?, permissions: UInt16?
    ) throws(ListenError) -> Socket {
        let type =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.family, type, 0)
        guard descriptor >= 0 else { throw failure("socket") }
        if let unixPath {
            unsafe unlink(unixPath)
        } else {
            set(descriptor, Int32(SOL_SOCKET), SO_REUSEADDR)
            set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
        }
        do throws(ListenError) {
            let bound = unsafe address.withSockaddr { unsafe bind(descriptor, $0, $1) }
            guard bound == 0 else { throw failure("bind") }
            if let unixPath, let permissions, permissions != 0 {
                guard unsafe chmod(unixPath, mode_t(permissions)) == 0 else {
                    throw failure("chmod")
                }
            }
            guard Glibc.listen(descriptor, backlog) == 0 else { throw failure("listen") }
        } catch {
            _ = Glibc.close(descriptor)
            throw error
        }
        return Socket(descriptor: descriptor)
    }

    /// A socket for a server connection. It stays in blocking mode, as io_uring waits by itself.
    static func open(for address: borrowing SocketAddress) -> Result<Socket, SystemError> {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, type, 0)
        guard descriptor >= 0 else { return .failure(SystemError(errno: errno)) }
        if !address.isUnix {
            set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
            keepAlive(descriptor)
        }
        return .success(Socket(descriptor: descriptor))
    }

    static func close(_ socket: Socket) {
        _ = Glibc.close(socket.descriptor)
    }

    static func set(
        _ descriptor: Int32, _ level: Int32, _ option: Int32, to value: Int32 = 1
    ) {
        var value = value
        _ = unsafe setsockopt(
            descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Has the kernel end an idle connection to a server that is out of reach for about ten
    /// seconds, so that no request finds it so: firewalls and translators of addresses forget
    /// connections without a word.
    private static func keepAlive(_ descriptor: Int32) {
        set(descriptor, Int32(SOL_SOCKET), SO_KEEPALIVE)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, to: 5)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, to: 2)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, to: 3)
    }

    private static func failure(_ call: String) -> ListenError {
        unsafe ListenError(text: "\(call) failed: \(String(cString: strerror(errno)))")
    }
}
