/// Says what a completion is for, in the 64 bits that the kernel hands back.
///
///     63   56 55              32 31               0
///     purpose slot generation    slot index
struct Token: Hashable, BitwiseCopyable {
    let rawValue: UInt64

    enum Purpose: UInt8 {
        case ignored, wake, accept
        /// Another worker has accepted a client for this one.
        case handover
        /// For `UringRing` alone: some listener has a connection to accept.
        case acceptReady
        case clientReceive, clientSend, clientClose
        case serverConnect, serverReceive, serverSend, serverClose
    }

    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameter index: Of a listener, or 0.
    init(_ purpose: Purpose, index: UInt32 = 0) {
        rawValue = UInt64(purpose.rawValue) << 56 | UInt64(index)
    }

    init<Element: ~Copyable>(_ purpose: Purpose, _ handle: Handle<Element>) {
        assert(handle.generation <= handleGenerationMask)
        rawValue =
            UInt64(purpose.rawValue) << 56 | UInt64(handle.generation) << 32
            | UInt64(handle.index)
    }

    var purpose: Purpose {
        guard let purpose = Purpose(rawValue: UInt8(truncatingIfNeeded: rawValue >> 56)) else {
            preconditionFailure("a completion with an unknown token")
        }
        return purpose
    }

    var index: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

    func handle<Element: ~Copyable>(of _: Element.Type) -> Handle<Element> {
        Handle(
            index: index,
            generation: UInt32(truncatingIfNeeded: rawValue >> 32) & handleGenerationMask
        )
    }
}
