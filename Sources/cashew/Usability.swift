import Config
import Proxy

/// Reads the configuration for a start, or for the test whether there can be one: also checks
/// that this machine can listen where its pools and the statistics should be.
func loadUsable(_ options: Options) throws(ConfigurationError) -> Configuration {
    try Configuration.load(path: options.configurationPath) { configuration in
        configuration.listenProblem(besides: options.statsListen)
    }
}

/// Says what is about to be served: a start that goes on without an error line serves it.
func announce(_ configuration: Configuration, _ options: Options, in log: Log) {
    let servers = configuration.pools.reduce(0) { $0 + $1.servers.count }
    log.write(
        .notice,
        "configuration file '\(options.configurationPath)': \(configuration.pools.count) pools, "
            + "\(servers) servers; \(options.workerCount.map(Int.init) ?? coreCount()) workers, "
            + "\(options.memoryMax) MiB of message memory, "
            + "statistics on '\(options.statsListen.text)'")
    for pool in configuration.pools {
        let protocolName = pool.protocolKind == .redis ? "redis" : "memcache"
        log.write(
            .notice,
            "pool '\(pool.name)' on '\(pool.listen.text)': \(protocolName), "
                + "\(pool.servers.count) servers, \(pool.distribution.rawValue) of "
                + "\(pool.hash.rawValue)"
        )
    }
    guard configuration.pools.contains(where: { $0.redisAuth != nil }),
        isReadableByOthers(options.configurationPath)
    else { return }
    log.write(
        .warning,
        "configuration file '\(options.configurationPath)' holds a password and may be read by "
            + "every user: chmod o-r")
}
