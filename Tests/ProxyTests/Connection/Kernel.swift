@testable import Proxy

/// What the kernel has of a connection, as far as its actions tell. An action that makes no sense
/// at that point is a fault.
struct Kernel {
    enum Operation: Hashable {
        case connect, receive, send
    }

    var inFlight: Set<Operation> = []
    var cancelled: Set<Operation> = []
    var isClosed = false
    private(set) var faults: [String] = []

    mutating func begin(_ operation: Operation) {
        if isClosed { faults.append("\(operation) after close") }
        if !inFlight.insert(operation).inserted { faults.append("two of \(operation)") }
    }

    mutating func cancel(_ operation: Operation) {
        if isClosed { faults.append("cancels \(operation) after close") }
        if !inFlight.contains(operation) { faults.append("cancels no \(operation)") }
        if !cancelled.insert(operation).inserted { faults.append("cancels \(operation) twice") }
    }

    mutating func shutDown() {
        if isClosed { faults.append("shuts down after close") }
        if inFlight.contains(.send) { faults.append("shuts down in the middle of a send") }
    }

    mutating func close() {
        if isClosed { faults.append("closes twice") }
        if !inFlight.isEmpty { faults.append("closes while \(inFlight) in flight") }
        isClosed = true
    }

    /// Returns false when there is no such operation to complete.
    mutating func complete(_ operation: Operation) -> Bool {
        cancelled.remove(operation)
        return inFlight.remove(operation) != nil
    }
}

/// Runs every sequence of events up to a length, except those that start with an impossible one.
///
/// - Parameter isPossible: Runs one, and returns whether all its events can happen.
func forEverySequence<Event>(
    of events: [Event], upTo length: Int, _ isPossible: ([Event]) -> Bool
) {
    var sequence: [Event] = []
    func extend() {
        guard isPossible(sequence), sequence.count < length else { return }
        for event in events {
            sequence.append(event)
            extend()
            sequence.removeLast()
        }
    }
    extend()
}

extension ServerConnection {
    /// One that is being connected.
    init(
        socket: Socket, pool: Int, server: Int, place: Int, openedAt: UInt64, isProbe: Bool
    ) {
        self.init(
            pool: pool, server: server, place: place, openedAt: openedAt, isProbe: isProbe)
        didBeginConnect(socket, address: 0)
    }
}
