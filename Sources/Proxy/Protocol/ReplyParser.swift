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

    /// What replies to the proxy's own requests may be: to AUTH, SELECT and PING, or to `version`.
    var kindOfGreetings: UInt8 {
        switch protocolKind {
        case .redis: UInt8(ascii: "+")
        case .memcache: MemcacheReplyClass.version.rawValue
        }
    }

    /// Whether the next byte starts a new reply.
    var isAtStart: Bool {
        switch protocolKind {
        case .redis: redis.isAtStart
        case .memcache: memcache.isAtStart
        }
    }

    /// Of the value whose header was read last, where its key is from the start of that.
    var keyOfValue: Range<Int> { memcache.keyOfValue }

    /// Consumes bytes up to the end of one reply.
    ///
    /// - Parameters:
    ///   - position: Where to start, and afterwards where the reply ended, or the count.
    ///   - expectedKind: What the reply may be. For redis the marker that it starts with if it is
    ///     no error, or any; for memcache a `MemcacheReplyClass`.
    @inline(__always)
    mutating func parse(
        _ bytes: Span<UInt8>, from position: inout Int, expecting expectedKind: UInt8
    ) -> ReplyOutcome {
        switch protocolKind {
        case .redis: redis.parse(bytes, from: &position, expecting: expectedKind)
        case .memcache:
            memcache.parse(
                bytes, from: &position,
                expecting: MemcacheReplyWords(expectedKind: expectedKind))
        }
    }
}
