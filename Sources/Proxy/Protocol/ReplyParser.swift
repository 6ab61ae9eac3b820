import Config

/// Finds the ends of replies, in the protocol of a pool.
struct ReplyParser: BitwiseCopyable {
    let protocolKind: ProtocolKind
    private var redis = RESPReplyParser()
    private var memcache = MemcacheReplyParser()

    init(_ protocolKind: ProtocolKind) {
        self.protocolKind = protocolKind
    }

    /// Of the reply that has begun, or ended last.
    @inline(__always)
    var kind: UInt8 {
        switch protocolKind {
        case .redis: redis.kind
        case .memcache: memcache.kind
        }
    }

    /// Whether the next byte starts a new reply.
    var isAtStart: Bool {
        switch protocolKind {
        case .redis: redis.isAtStart
        case .memcache: memcache.isAtStart
        }
    }

    /// Whether a reply of the wrong kind means that the next ones may be to other requests too. Of
    /// memcached's requests some have no reply, or none that is known beforehand.
    var mayLoseStep: Bool {
        switch protocolKind {
        case .redis: false
        case .memcache: true
        }
    }

    /// Consumes bytes up to the end of one reply.
    ///
    /// - Parameters:
    ///   - position: Where to start, and afterwards where the reply ended, or the count.
    ///   - stopsAtValues: Whether each value of a reply to memcached's `get` may be for another
    ///     request.
    @inline(__always)
    mutating func parse(
        _ bytes: Span<UInt8>, from position: inout Int, stopsAtValues: Bool
    ) -> ReplyOutcome {
        switch protocolKind {
        case .redis: redis.parse(bytes, from: &position)
        case .memcache: memcache.parse(bytes, from: &position, stopsAtValues: stopsAtValues)
        }
    }
}
