import Config
import Proxy

/// Starts the proxy on a thread of its own and returns.
///
/// The thread ends when `stop` happens. When it has ended, for whatever reason, `ended` happens.
func startProxy(
    _ configuration: Configuration, options: Options, log: Log, stop: Event, ended: Event
) throws(ServeError) -> Serving {
    try serve(
        configuration, options: ServeOptions(), stop: stop.descriptor, ended: ended.descriptor)
}
