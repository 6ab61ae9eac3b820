@testable import Proxy

/// One TCP connection between the proxy and a peer.
final class Link {
    enum Peer {
        case client(any Client)
        case server(SimulatedServer)
    }

    /// Why nothing comes any more, once everything before it has been received.
    enum End {
        case finished
        case reset
    }

    let descriptor: Int32
    let peer: Peer
    var isConnected: Bool
    var toProxy = ByteQueue()
    var toPeer = ByteQueue()
    var end: End?
    /// The peer takes bytes from the kernel; else they stay there, up to `window`.
    var isPeerReading = true
    var window = 0
    /// A fault of the peer's touched this connection, so requests on it may fail.
    var isFaulty = false
    /// The proxy has asked to close it, and the kernel has done so.
    var isClosing = false
    var isClosed = false

    /// The ring that may use it; nil while it is handed from one to another.
    var owner: RingSide?
    /// Its worker has begun to receive from it.
    var isServed = false
    /// How many bytes that worker has seen, and of those when it began to end.
    var deliveredCount = 0
    var deliveredAtDrain: Int?

    /// The socket buffer of either side, in bytes.
    static let capacity = 100_000

    init(descriptor: Int32, peer: Peer, isConnected: Bool, owner: RingSide) {
        self.owner = owner
        self.descriptor = descriptor
        self.peer = peer
        self.isConnected = isConnected
    }

    var isReset: Bool {
        if case .reset = end { true } else { false }
    }

    /// Whether the peer can still write.
    var isOpenForPeer: Bool { isConnected && end == nil && !isClosing }

    var isClient: Bool {
        if case .client = peer { true } else { false }
    }

    func reset() {
        end = .reset
        toPeer.removeAll()
    }
}

extension Link: CustomStringConvertible {
    var description: String {
        let name =
            switch peer {
            case .client(let client): client.description
            case .server(let server): server.description
            }
        return "link \(descriptor) to \(name), \(toProxy.count) bytes to the proxy, "
            + "\(toPeer.count) to the peer, end \(end.debugDescription)"
    }
}
