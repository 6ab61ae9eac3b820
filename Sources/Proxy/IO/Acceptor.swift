import CLinux
import Glibc

/// Accepts connections of all listeners of a ring, when the ring says that there are some.
///
/// The ring does not hold the listeners themselves, only an epoll descriptor that watches them:
/// what a ring holds is closed some milliseconds after its process was killed, and as long the
/// ports could not be listened on again.
@safe
struct Acceptor: ~Copyable {
    let descriptor: Int32
    /// Whether the ring watches the descriptor.
    var isWatched = false
    /// Whether there may be something to accept.
    var isReady = false

    init() {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    }

    deinit {
        close(descriptor)
    }

    /// Watches a listener until an accept fails.
    ///
    /// - Parameter token: An `.accept`.
    mutating func add(_ listener: Socket, token: Token) {
        var event = unsafe epoll_event()
        unsafe event.events = EPOLLIN.rawValue
        unsafe event.data.u64 =
            UInt64(UInt32(bitPattern: listener.descriptor)) << 32 | UInt64(token.index)
        let status = unsafe epoll_ctl(descriptor, EPOLL_CTL_ADD, listener.descriptor, &event)
        precondition(status == 0, "epoll_ctl: a listener cannot be watched")
        isReady = true
    }

    /// Closes a listener.
    mutating func remove(_ listener: Socket) {
        _ = epoll_ctl(descriptor, EPOLL_CTL_DEL, listener.descriptor, nil)
        close(listener.descriptor)
    }

    /// Accepts one connection; nil when there is none left.
    mutating func next() -> Completion? {
        var event = unsafe epoll_event()
        while unsafe epoll_wait(descriptor, &event, 1, 0) == 1 {
            let place = unsafe event.data.u64
            let listener = Int32(truncatingIfNeeded: place >> 32)
            let token = Token(.accept, index: UInt32(truncatingIfNeeded: place))
            let accepted = accept(listener, nil, nil)
            if accepted >= 0 { return Completion(token: token, result: accepted, isMore: true) }
            let failure = errno
            // The client may have gone again: that is nobody's failure.
            if failure == EAGAIN || failure == ECONNABORTED || failure == EINTR { continue }
            _ = epoll_ctl(descriptor, EPOLL_CTL_DEL, listener, nil)
            return Completion(token: token, result: -failure)
        }
        isReady = false
        return nil
    }
}
