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
        /// A client was handed to another worker, or could not be.
        case handed
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

    /// Of a hand-over: the socket, in place of a slot, and its pool and the worker it is for.
    ///
    /// - Parameter worker: Less than 256.
    init(handed socket: Socket, pool: UInt16, worker: Int) {
        assert(worker < 256)
        rawValue =
            UInt64(Purpose.handed.rawValue) << 56 | UInt64(pool) << 40 | UInt64(worker) << 32
            | UInt64(UInt32(bitPattern: socket.descriptor))
    }

    var handed: (socket: Socket, pool: Int, worker: Int) {
        (
            Socket(descriptor: Int32(bitPattern: index)),
            Int(UInt16(truncatingIfNeeded: rawValue >> 40)),
            Int(UInt8(truncatingIfNeeded: rawValue >> 32))
        )
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
