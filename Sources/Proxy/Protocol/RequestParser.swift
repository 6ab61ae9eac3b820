import Config

/// Finds the ends of requests, in the protocol of a pool. What each protocol finds is different
/// enough that its own part of the worker asks for it.
struct RequestParser: BitwiseCopyable {
    var redis = RESPRequestParser()
    var memcache = MemcacheRequestParser()
    // Last, where the one before leaves room: there is one for each idle client.
    let protocolKind: ProtocolKind

    init(_ protocolKind: ProtocolKind) {
        self.protocolKind = protocolKind
    }
}
