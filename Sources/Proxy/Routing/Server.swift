import Config

/// One server at run time: the connections to it.
///
/// They stand in lanes, of which there are `server_connections`. Clients that have nothing in
/// flight take the lanes in turn, and stay on theirs as long as they have: what a client asks of
/// one server goes on one connection, and so in its order.
struct Server: ~Copyable {
    let configuration: ServerConfiguration
    let name: FixedBytes
    private var lanes: SparseArray<Handle<ServerConnection>>
    /// How many connections there are; a lane may be without one, or have that of another.
    private(set) var connectionCount = 0
    /// The lane that was taken least recently.
    private(set) var nextLane = 0

    /// - Parameter laneCount: At least 1, at most 65,536.
    init(_ configuration: ServerConfiguration, laneCount: Int) {
        self.configuration = configuration
        name = FixedBytes(configuration.name)
        lanes = SparseArray(capacity: laneCount, filler: .none)
    }

    var hasOneLane: Bool { lanes.capacity == 1 }

    /// The lane of the next client: twemproxy opens all connections it may before it uses one a
    /// second time.
    mutating func takeLane() -> Int {
        let lane = nextLane
        nextLane &+= 1
        if nextLane >= lanes.capacity { nextLane = 0 }
        return lane
    }

    /// `none` if the lane has none.
    func connection(in lane: Int) -> Handle<ServerConnection> {
        lane < lanes.count ? lanes[lane] : .none
    }

    mutating func didOpen(_ connection: Handle<ServerConnection>, in lane: Int) {
        assert(self.connection(in: lane).isNone)
        lanes.set(connection, at: lane)
        connectionCount += 1
    }

    /// Gives a lane the connection of the next that has one, because no more can be opened. It
    /// keeps it, so that its clients' requests stay in order. `none` if there is no connection.
    mutating func shareConnection(with lane: Int) -> Handle<ServerConnection> {
        guard connectionCount > 0 else { return .none }
        for step in 1...lanes.capacity {
            let other = connection(in: (lane + step) % lanes.capacity)
            guard !other.isNone else { continue }
            lanes.set(other, at: lane)
            return other
        }
        return .none
    }

    mutating func didClose(_ connection: Handle<ServerConnection>) {
        var isFound = false
        for lane in 0..<lanes.count where lanes[lane] == connection {
            lanes.set(.none, at: lane)
            isFound = true
        }
        if isFound { connectionCount -= 1 }
    }
}
