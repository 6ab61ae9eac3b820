/// Why the proxy itself ends a client's connection. Each end is counted, per pool and reason
/// (`PoolCounters.clientsClosed`), and told to the log with the client's address.
///
/// What a client does of its own accord, such as QUIT or closing its socket, is none.
package enum CloseReason: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    // Limits.

    /// It did not read its replies, though it may not write more, or others wait for it to read.
    case notReading
    /// It held the most memory when memory was at its limit.
    case memoryLimit

    /// It did not authenticate in time, or sent too many or too long arguments before.
    case authenticationTime, unauthenticatedCount, unauthenticatedLength

    // What cannot be completed.

    /// The server of a reply that was being passed on failed in the middle of it.
    case brokenReply
    /// The proxy ends, and the client's requests were not answered in time.
    case shutdown

    // What is no request, in redis' protocol.

    case argumentCount, bulkLength, argumentStart, argumentEnd, unbalancedQuotes
    case requestSize, inlineSize

    // The same, in memcached's.

    case lineLength, binaryProtocol, hypertext

    // What is of another protocol altogether, in either.

    case tls, proxyHeader, ssh, mail, dictionary, redisProtocol, memcacheProtocol

    // What the proxy cannot do.

    /// It does not expect the replies that it would get.
    case replyMode

    package static var count: Int { allCases.count }
}

extension ForeignProtocol {
    package var closeReason: CloseReason {
        switch self {
        case .tls: .tls
        case .proxyHeader: .proxyHeader
        case .ssh: .ssh
        case .hypertext: .hypertext
        case .mail: .mail
        case .dictionary: .dictionary
        case .redis: .redisProtocol
        case .memcache: .memcacheProtocol
        case .memcacheBinary: .binaryProtocol
        }
    }
}
