import Config

/// One pool at run time: its servers, how keys map to them, and what it allows.
struct Pool: ~Copyable {
    // First, for the reason that `Slab` gives.
    let servers: FixedArray<Server>

    let configuration: PoolConfiguration
    let protocolKind: ProtocolKind
    let listener: Socket
    /// Where its servers start among those of all pools.
    let firstServer: Int
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
    /// What a new server connection is sent first, one request each; and, last, what finds out
    /// whether an ejected server is back.
    let greetings: FixedArray<FixedBytes>
    let database: Int
    /// Whether the kernel finds out about clients that vanished; of servers it always does.
    let isKeptAlive: Bool
    let clientMax: Int
    /// Whether failing servers are taken out of the topology, after how many failures in a row, and
    /// how many nanoseconds later they are probed.
    let ejectsServers: Bool
    let failureLimit: Int
    let retryTimeout: UInt64
    var isAcceptPaused = false
    /// When trouble with its clients may be reported again.
    var nextReportAt: UInt64 = 0

    init(
        configuration: PoolConfiguration, listener: Socket, firstServer: Int, seed: UInt64,
        laneMax: Int
    ) {
        self.configuration = configuration
        protocolKind = configuration.protocolKind
        self.listener = listener
        self.firstServer = firstServer
        // A local: swiftc 6.3.1 miscompiles a `&&` on a property of what is being initialized.
        let retryTimeout = configuration.serverRetryTimeout.nanoseconds
        self.retryTimeout = retryTimeout
        // As in twemproxy, where a server comes back at the moment it leaves.
        ejectsServers = configuration.autoEjectHosts && retryTimeout > 0
        failureLimit = max(1, Int(configuration.serverFailureLimit))
        servers = FixedArray(count: configuration.servers.count) { index in
            Server(
                configuration.servers[index],
                laneCount: min(Int(configuration.serverConnections), laneMax))
        }
        topology = Topology(pool: configuration) { _ in true }
        random = SplitMix64(state: seed)
        timeout = configuration.timeout.map(\.nanoseconds) ?? .max
        needsPassword = configuration.redisAuth != nil
        password = FixedBytes(configuration.redisAuth ?? "")
        let greetings = configuration.greetings
        self.greetings = FixedArray(count: greetings.count) { FixedBytes(greetings[$0]) }
        isKeptAlive = configuration.tcpKeepalive
        database = Int(configuration.redisDatabase)
        let clientMax = configuration.clientConnections
        self.clientMax = clientMax > 0 ? Int(clientMax) : .max
        placeholderServer = Self.placeholderServer(of: topology)
    }

    /// Bytes that may wait on one of its server connections.
    ///
    /// - Parameter byteCount: What may wait for one server, unless the configuration says it.
    func queueMax(ofServer byteCount: Int) -> Int {
        (configuration.serverQueueBytes ?? byteCount) / Int(configuration.serverConnections)
    }

    /// Makes the topology anew of the servers that are live.
    mutating func didChangeHealth(isLive: (Int) -> Bool) {
        topology = Topology(pool: configuration, isLive: isLive)
        placeholderServer = Self.placeholderServer(of: topology)
    }

    /// The greeting that is answered next when so many of them, but for the probe's, are left.
    func greeting(left: Int) -> Greeting {
        if left == 0 { return .probe }
        return needsPassword && left == greetings.count &- 1 ? .password : .database
    }

    private static func placeholderServer(of topology: borrowing Topology) -> Int {
        var random = SplitMix64(state: 0)
        let key = Array("placeholder".utf8)
        return topology.server(for: key.span, random: &random)
    }
}

extension PoolConfiguration {
    /// AUTH strictly before SELECT, which a server that wants a password would refuse; then what
    /// any server that works answers, for probes.
    fileprivate var greetings: [String] {
        if protocolKind == .memcache { return ["version\r\n"] }
        var greetings: [String] = []
        if let redisAuth {
            let count = redisAuth.utf8.count
            greetings.append("*2\r\n$4\r\nAUTH\r\n$\(count)\r\n\(redisAuth)\r\n")
        }
        if redisDatabase > 0 {
            let digits = String(redisDatabase)
            greetings.append("*2\r\n$6\r\nSELECT\r\n$\(digits.utf8.count)\r\n\(digits)\r\n")
        }
        greetings.append("*1\r\n$4\r\nPING\r\n")
        return greetings
    }
}

extension Duration {
    /// - Precondition: Not negative, and less than 584 years.
    var nanoseconds: UInt64 {
        UInt64(components.seconds) * 1_000_000_000
            + UInt64(components.attoseconds / 1_000_000_000)
    }
}
