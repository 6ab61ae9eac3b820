import Config

/// Finds the ends of requests, in the protocol of a pool. What each protocol finds is different
/// enough that its own part of the worker asks for it.
struct RequestParser: BitwiseCopyable {
    let protocolKind: ProtocolKind
    var redis = RESPRequestParser()
    var memcache = MemcacheRequestParser()

    init(_ protocolKind: ProtocolKind) {
        self.protocolKind = protocolKind
    }
}
