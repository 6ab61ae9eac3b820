/// Something rare that an operator wants to read of. Workers write events, as fixed-size records,
/// to a pipe; whoever owns the log reads them and finds the words.
package struct LogEvent: BitwiseCopyable, Sendable {
    package enum Kind: UInt8, BitwiseCopyable, Sendable {
        /// A server connection failed; `errno` says how, 0 that the server ended it. `count` is how
        /// many failures of this server went unreported since the last event.
        case serverFailed
        case serverEjected, serverRecovered
        /// AUTH or SELECT of a new server connection was refused.
        case greetingRefused
        /// A connection was turned away because there are `count` already.
        case clientRefused
        /// A client was closed because it held `count` bytes.
        case clientOverLimit
        /// No connection could be accepted.
        case acceptFailed
    }

    package let kind: Kind
    package let pool: UInt16
    /// Index in the pool's servers, where the event is about one.
    package let server: UInt16
    package let errno: Int32
    package let count: Int64

    init(_ kind: Kind, pool: Int, server: Int = 0, errno: Int32 = 0, count: Int = 0) {
        self.kind = kind
        self.pool = UInt16(truncatingIfNeeded: pool)
        self.server = UInt16(truncatingIfNeeded: server)
        self.errno = errno
        self.count = Int64(count)
    }
}
