import Config
import Proxy

/// Starts the proxy on threads of its own and returns.
///
/// They end when `stop` happens. When they have ended, for whatever reason, `ended` happens.
func startProxy(
    _ configuration: Configuration, options: Options, logLevel: Int, stop: Event, ended: Event
) throws(ServeError) -> Serving {
    var serveOptions = ServeOptions()
    serveOptions.workerCount = options.workerCount.map(Int.init) ?? coreCount()
    serveOptions.memoryMax = Int(options.memoryMax) << 20
    serveOptions.shutdownTimeout = .seconds(Int64(options.shutdownTimeout))
    serveOptions.logLevel = UInt8(clamping: logLevel)
    return try serve(
        configuration, options: serveOptions, stop: stop.descriptor, ended: ended.descriptor)
}
