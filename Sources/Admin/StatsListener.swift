/// Why the statistics port cannot be opened, in the words of twemproxy's log.
package enum StatsListenError: Error, Equatable, CustomStringConvertible {
    case resolve(host: String, port: UInt16, reason: String)
    case path(String, reason: String)
    case socket(reason: String)
    case bind(descriptor: Int32, host: String, port: UInt16, reason: String)
    case listen(descriptor: Int32, host: String, port: UInt16, reason: String)

    package var description: String {
        switch self {
        case .resolve(let host, let port, let reason):
            "address resolution of node '\(host)' service '\(port)' failed: \(reason)"
        case .path(let path, let reason):
            "path '\(path)' of the stats server cannot be used: \(reason)"
        case .socket(let reason):
            "socket failed: \(reason)"
        case .bind(let descriptor, let host, let port, let reason):
            "bind on m \(descriptor) to stats server addr '\(host):\(port)' failed: \(reason)"
        case .listen(let descriptor, let host, let port, let reason):
            "listen on m \(descriptor) to stats server '\(host):\(port)' failed: \(reason)"
        }
    }
}

/// The statistics port before there is anything to tell: who connects waits until it is served.
package struct StatsListener: ~Copyable {
    let descriptor: Int32
    /// Watches it.
    let watcher: Watcher
    /// What stands for the socket among the files, if it is a unix socket.
    private let file: SocketFile?

    /// - Parameters:
    ///   - host: An address or a name, of whose addresses the first counts; or, if it starts with
    ///     a slash, the path of a unix socket, which replaces what is there. It is removed again
    ///     with the listener.
    ///   - port: Without effect on a unix socket.
    package init(host: String, port: UInt16) throws(StatsListenError) {
        let (descriptor, file) = try SystemSocket.listen(host: host, port: port)
        let watcher = Watcher()
        guard watcher.add(descriptor, .readable) else {
            file?.remove()
            SystemSocket.close(descriptor)
            throw .socket(reason: "no descriptor or memory is left")
        }
        self.descriptor = descriptor
        self.watcher = watcher
        self.file = file
    }

    deinit {
        file?.remove()
        SystemSocket.close(descriptor)
    }
}
