/// What a configuration file says, checked and with every default filled in.
///
/// Plain values: nothing here is resolved, opened, or hashed.
package struct Configuration: Sendable, Equatable {
    /// Sorted by name, shorter names first, then byte by byte: twemproxy's order of listeners and
    /// of the stats document.
    package var pools: [PoolConfiguration]

    package init(pools: [PoolConfiguration]) {
        self.pools = pools
    }
}

/// One pool: a listener, the servers behind it, and how keys map to them.
package struct PoolConfiguration: Sendable, Equatable {
    package var name: String
    package var listen: ListenAddress
    package var protocolKind = ProtocolKind.memcache
    package var hash = HashFunction.fnv1a_64
    package var hashTag: HashTag?
    package var distribution = Distribution.ketama
    /// How long a request may wait for its reply; nil is for ever.
    package var timeout: Duration?
    /// The listen(2) argument.
    package var backlog: Int32 = 512
    /// The most clients at once; 0 is as many as descriptors allow.
    package var clientConnections: Int32 = 0
    package var redisAuth: String?
    package var redisDatabase: Int32 = 0
    package var preconnect = false
    package var tcpKeepalive = false
    package var autoEjectHosts = false
    /// Connections to each server, at least 1.
    package var serverConnections: Int32 = 1
    /// Bytes that may wait to be sent to a server; nil is a share of the memory.
    package var serverQueueBytes: Int?
    package var serverRetryTimeout = Duration.milliseconds(30_000)
    package var serverFailureLimit: Int32 = 2
    /// Sorted by name, shorter names first, then byte by byte. A server's position here is its
    /// index everywhere. Never empty, and no two share a name.
    package var servers: [ServerConfiguration]

    package init(name: String, listen: ListenAddress, servers: [ServerConfiguration]) {
        self.name = name
        self.listen = listen
        self.servers = servers
    }
}

package struct ServerConfiguration: Sendable, Equatable {
    /// What ketama hashes and the stats document shows: spec'd by twemproxy as the explicit name,
    /// else the host alone for port 11211, else `host:port`, else the socket's path and a colon.
    package var name: String
    package var address: ServerAddress
    /// At least 1.
    package var weight: Int32

    package init(name: String, address: ServerAddress, weight: Int32) {
        self.name = name
        self.address = address
        self.weight = weight
    }
}

package enum ProtocolKind: Sendable, Equatable, BitwiseCopyable {
    case redis, memcache
}

package enum ServerAddress: Sendable, Equatable {
    case tcp(host: String, port: UInt16)
    case unix(path: String)
}

package enum ListenAddress: Sendable, Equatable {
    case tcp(host: String, port: UInt16)
    /// `permissions` is nil when the file keeps what the umask gives it.
    case unix(path: String, permissions: UInt16?)
}

/// The two bytes around the part of a key that is hashed.
package struct HashTag: BitwiseCopyable, Sendable, Equatable {
    package var open: UInt8
    package var close: UInt8

    package init(open: UInt8, close: UInt8) {
        self.open = open
        self.close = close
    }
}

/// The key hashes of twemproxy, by the names its configuration gives them.
package enum HashFunction: String, BitwiseCopyable, CaseIterable, Sendable {
    case oneAtATime = "one_at_a_time"
    case md5, crc16, crc32, crc32a
    case fnv1_64, fnv1a_64, fnv1_32, fnv1a_32
    case hsieh, murmur, jenkins
}

package enum Distribution: String, CaseIterable, Sendable {
    case ketama, modula, random
}
