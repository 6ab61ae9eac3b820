import Config

/// Why the proxy could not start.
struct StartError: Error, CustomStringConvertible {
    let description: String
}

/// Starts the proxy on a thread of its own and returns.
///
/// The thread ends when `stop` happens, and `ended` happens when it has ended, for whatever
/// reason; both outlive it.
func startProxy(
    _ configuration: Configuration, options: Options, log: Log, stop: borrowing Event,
    ended: borrowing Event
) throws(StartError) {
    throw StartError(description: "not linked yet")
}
