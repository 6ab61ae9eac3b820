import Config

/// One pool at run time: its servers, how keys map to them, and what it allows.
struct Pool: ~Copyable {
    let configuration: PoolConfiguration
    let listener: Socket
    let servers: FixedArray<Server>
    /// Replaced as a whole when the set of live servers changes.
    var topology: Topology
    /// Draws for the random distribution.
    var random: SplitMix64
    /// Nanoseconds a request may wait for its reply; `.max` is for ever.
    let timeout: UInt64
    /// The server of twemproxy's key `placeholder`, for commands that have no key.
    var placeholderServer: Int
    /// What clients must send with AUTH, if `needsPassword`.
    let password: FixedBytes
    let needsPassword: Bool
    /// What a new server connection is sent first, one request each.
    let greetings: FixedArray<FixedBytes>
    let database: Int
    let clientMax: UInt32
    var clientCount: UInt32 = 0
    var isAcceptPaused = false

    init(configuration: PoolConfiguration, listener: Socket, seed: UInt64) {
        self.configuration = configuration
        self.listener = listener
        servers = FixedArray(count: configuration.servers.count) { index in
            Server(
                configuration.servers[index],
                connectionMax: Int(configuration.serverConnections))
        }
        topology = Topology(pool: configuration) { _ in true }
        random = SplitMix64(state: seed)
        timeout = configuration.timeout.map(\.nanoseconds) ?? .max
        needsPassword = configuration.redisAuth != nil
        password = FixedBytes(configuration.redisAuth ?? "")
        let greetings = configuration.greetings
        self.greetings = FixedArray(count: greetings.count) { FixedBytes(greetings[$0]) }
        database = Int(configuration.redisDatabase)
        let clientMax = configuration.clientConnections
        self.clientMax = clientMax > 0 ? UInt32(clientMax) : .max
        placeholderServer = Self.placeholderServer(of: topology)
    }

    private static func placeholderServer(of topology: borrowing Topology) -> Int {
        var random = SplitMix64(state: 0)
        let key = Array("placeholder".utf8)
        return topology.server(for: key.span, random: &random)
    }
}

extension PoolConfiguration {
    /// AUTH strictly before SELECT, which a server that wants a password would refuse.
    fileprivate var greetings: [String] {
        var greetings: [String] = []
        if let redisAuth {
            let count = redisAuth.utf8.count
            greetings.append("*2\r\n$4\r\nAUTH\r\n$\(count)\r\n\(redisAuth)\r\n")
        }
        if redisDatabase > 0 {
            let digits = String(redisDatabase)
            greetings.append("*2\r\n$6\r\nSELECT\r\n$\(digits.utf8.count)\r\n\(digits)\r\n")
        }
        return greetings
    }
}

/// One server at run time: where it is, and the connections to it, in the order of their use.
struct Server: ~Copyable {
    let configuration: ServerConfiguration
    /// nil when the name does not resolve.
    var address: SocketAddress?
    private let connections: FixedArray<Handle<ServerConnection>>
    private(set) var connectionCount = 0
    /// The connection that was chosen least recently.
    private var nextConnection = 0

    init(_ configuration: ServerConfiguration, connectionMax: Int) {
        self.configuration = configuration
        connections = FixedArray(count: connectionMax) { _ in .none }
        address =
            switch configuration.address {
            case .unix(let path): SocketAddress(unixPath: path)
            case .tcp(let host, let port): try? SocketAddress.resolve(host: host, port: port).get()
            }
    }

    /// Whether the next request opens a connection: twemproxy opens all it may before it uses one
    /// a second time.
    var wantsConnection: Bool { connectionCount < connections.count }

    mutating func didOpen(_ connection: Handle<ServerConnection>) {
        precondition(wantsConnection)
        // The new one is the most recently chosen: it goes right before the next.
        var index = connectionCount
        while index > nextConnection {
            connections[index] = connections[index - 1]
            index -= 1
        }
        connections[nextConnection] = connection
        connectionCount += 1
        nextConnection = (nextConnection + 1) % connectionCount
    }

    /// - Precondition: There is a connection.
    mutating func chooseConnection() -> Handle<ServerConnection> {
        assert(connectionCount > 0)
        let chosen = connections[nextConnection]
        nextConnection &+= 1
        if nextConnection == connectionCount { nextConnection = 0 }
        return chosen
    }

    mutating func didClose(_ connection: Handle<ServerConnection>) {
        var found = 0
        while found < connectionCount, connections[found] != connection { found += 1 }
        guard found < connectionCount else { return }
        connectionCount -= 1
        for index in found..<connectionCount { connections[index] = connections[index + 1] }
        if nextConnection > found { nextConnection -= 1 }
        if nextConnection >= connectionCount { nextConnection = 0 }
    }
}

extension Duration {
    /// - Precondition: Not negative, and less than 584 years.
    var nanoseconds: UInt64 {
        UInt64(components.seconds) * 1_000_000_000
            + UInt64(components.attoseconds / 1_000_000_000)
    }
}
