import Config

/// Finds the ends of requests, in the protocol of a pool. What each protocol finds is different
/// enough that its own part of the worker asks for it.
struct RequestParser: BitwiseCopyable {
    var redis = RESPRequestParser()
    var memcache = MemcacheRequestParser()
    /// Looks at the same bytes before the parsers do, until it knows that they are for them.
    var opening: Opening
    // Last, where the one before leaves room: there is one for each idle client.
    let protocolKind: ProtocolKind

    /// Bytes still to come of the part of a request that is arriving, as far as it has said.
    var announcedCount: Int {
        switch protocolKind {
        case .redis: redis.announcedCount
        case .memcache: memcache.announcedCount
        }
    }

    init(_ protocolKind: ProtocolKind) {
        self.protocolKind = protocolKind
        opening =
            switch protocolKind {
            case .redis: .redis
            case .memcache: .memcache
            }
    }
}
