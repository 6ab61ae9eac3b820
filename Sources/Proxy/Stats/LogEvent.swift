/// Something rare that an operator wants to read of. Workers write events, as fixed-size records,
/// to a pipe; whoever owns the log reads them and finds the words.
package struct LogEvent: BitwiseCopyable, Sendable {
    package enum Kind: UInt8, BitwiseCopyable, CaseIterable, Sendable {
        /// A server connection failed; `errno` says how, 0 that the server ended it, and `code`
        /// which `Greeting` it had not answered.
        case serverFailed
        /// A server sent what is no reply to what it was asked, and so its connection failed.
        case stepLost
        case serverEjected, serverRecovered
        /// AUTH or SELECT of a new server connection was refused: `code` says which of the
        /// `Greeting`s, `text` is the server's own.
        case greetingRefused
        /// A connection was turned away because there are `count` already.
        case clientRefused
        /// The proxy ended a client's connection, for `reason`. `count` is what it had of that.
        case clientClosed
        /// The proxy ended, and with it the connections of `count` clients that were still there.
        case clientsCutOff
        /// Messages have taken `count` bytes, and clients are read one after another.
        case memoryShort
        /// The queue to a server is full and has not moved for a while.
        case serverStalled
        /// No connection could be accepted.
        case acceptFailed
        /// A server connection is open and greeted: requests can go on it.
        case serverConnected
        /// A server connection ended that nobody waited on; `errno` as for `serverFailed`.
        case serverEnded
        /// An ejected server did not answer; `errno` as for `serverFailed`.
        case probeFailed
        /// A client was refused the command `text`; `code` says for which `Refusal`, none if redis
        /// does not know it either.
        case commandRefused
        case clientAccepted
        /// A client's connection was closed in good order.
        case clientEnded
        /// A client's connection broke; `errno` says how.
        case clientFailed

        package var level: Level {
            switch self {
            case .stepLost, .greetingRefused, .acceptFailed: .error
            case .serverFailed, .serverEjected, .serverRecovered, .clientRefused, .clientClosed,
                .clientsCutOff, .memoryShort, .serverStalled:
                .warning
            case .serverConnected, .serverEnded, .probeFailed, .commandRefused: .info
            case .clientAccepted, .clientEnded, .clientFailed: .debug
            }
        }

        /// How many a second are told of one pool (or of one server, where failures are its own).
        /// What is asked for with a level of its own may take more lines.
        var perSecondMax: UInt32 {
            switch level {
            case .error, .warning: 1
            case .info, .debug: 100
            }
        }
    }

    /// From which log level on an event is shown, by twemproxy's numbers.
    package enum Level: UInt8, BitwiseCopyable, Sendable {
        case error = 1
        case warning = 4
        case info = 6
        case debug = 7
    }

    package let kind: Kind
    package let pool: UInt16
    /// Index in the pool's servers, where the event is about one.
    package let server: UInt16
    package let errno: Int32
    package let count: Int64
    package var reason: CloseReason?
    /// The client's socket, where the event is about one: it tells the lines of one client.
    package var socket: Int32 = -1
    package var peer = PeerAddress.unknown
    /// How many events of this kind went untold since the last one, to spare the log.
    package var untoldCount: UInt32 = 0
    /// One more than the number of which of a few things it is about, by the kind.
    package var code: UInt8 = 0
    package var text = ShortText()

    init(_ kind: Kind, pool: Int, server: Int = 0, errno: Int32 = 0, count: Int = 0) {
        self.kind = kind
        self.pool = UInt16(truncatingIfNeeded: pool)
        self.server = UInt16(truncatingIfNeeded: server)
        self.errno = errno
        self.count = Int64(count)
    }
}

/// How often something is told: some times a second, and then how many times more it happened.
struct LogLimit: BitwiseCopyable {
    private var secondEnd: UInt64 = 0
    private var toldCount: UInt32 = 0
    private var untoldCount: UInt32 = 0

    /// Whether one more may be told, `now` in nanoseconds. Returns how many were not, since the
    /// last that was; nil if this one is not to be told either.
    mutating func take(at now: UInt64, perSecond max: UInt32) -> UInt32? {
        if now >= secondEnd {
            secondEnd = now &+ 1_000_000_000
            toldCount = 0
        }
        guard toldCount < max else {
            untoldCount &+= 1
            return nil
        }
        toldCount &+= 1
        defer { untoldCount = 0 }
        return untoldCount
    }
}
