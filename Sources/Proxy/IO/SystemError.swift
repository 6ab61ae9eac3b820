import Glibc

/// An errno, with the text that twemproxy puts into its error replies.
struct SystemError: Error, Hashable, BitwiseCopyable {
    let errno: Int32

    /// The server ended the connection in good order: no error to the system, but one to whoever
    /// waits for a reply. twemproxy's text for it is `unknown`.
    static var endOfStream: SystemError { SystemError(errno: 0) }
    static var timedOut: SystemError { SystemError(errno: ETIMEDOUT) }
    static var connectionRefused: SystemError { SystemError(errno: ECONNREFUSED) }
    static var hostDown: SystemError { SystemError(errno: EHOSTDOWN) }
    /// A reply that is none, or one that nobody asked for.
    static var invalidReply: SystemError { SystemError(errno: EINVAL) }
    static var tooManyRequests: SystemError { SystemError(errno: EBUSY) }

    static var noDescriptor: SystemError { SystemError(errno: EMFILE) }

    /// Whether it is this process that lacks something.
    var isOwn: Bool {
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM
    }

    static var outOfMemory: Int32 { ENOMEM }
    static var noBuffers: Int32 { -ENOBUFS }
    static var cancelled: Int32 { -ECANCELED }
}

extension SystemError {
    var text: String {
        unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
    }
}

extension MbufPool {
    /// Adds the text of an error as strerror(3) gives it.
    mutating func append(textOf error: SystemError, to chain: inout MbufChain) {
        guard error != .endOfStream, let text = unsafe strerror(error.errno) else {
            append("unknown", to: &chain)
            return
        }
        unsafe append(
            UnsafeRawBufferPointer(start: text, count: strlen(text))
                .assumingMemoryBound(to: UInt8.self).span, to: &chain)
    }
}
