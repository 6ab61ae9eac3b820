import Config
import Proxy

extension Options {
    /// How many workers a proxy has that is started with these options.
    var proxyWorkerCount: Int { workerCount.map(Int.init) ?? coreCount() }
}

/// Starts the proxy on threads of its own and returns.
///
/// They end when `stop` happens. When they have ended, for whatever reason, `ended` happens.
func startProxy(
    _ configuration: Configuration, options: Options, logLevel: Int, stop: Event, ended: Event
) throws(ServeError) -> Serving {
    var serveOptions = ServeOptions()
    serveOptions.workerCount = options.proxyWorkerCount
    serveOptions.memoryMax = Int(options.memoryMax) << 20
    serveOptions.shutdownTimeout = .seconds(Int64(options.shutdownTimeout))
    serveOptions.logLevel = UInt8(clamping: logLevel)
    return try serve(
        configuration, options: serveOptions, stop: stop.descriptor, ended: ended.descriptor)
}
