/// Why a command of redis' is not passed on.
package enum Refusal: UInt8, BitwiseCopyable, Sendable {
    /// It may not answer for a long time, and what other clients ask for waits behind it.
    case stopsConnection

    /// It changes what the connection is, which is that of other clients too.
    case changesConnection

    /// One server of many would be asked, for what is on all of them.
    case needsAllServers

    /// It is about a server, or takes a key away from where it hashes.
    case isAboutServer

    /// What follows "not supported through the proxy, ".
    package var text: StaticString {
        switch self {
        case .stopsConnection: "it would stop a connection that clients share"
        case .changesConnection: "it would change a connection that clients share"
        case .needsAllServers: "it would reach one server of many"
        case .isAboutServer: "it is about a server, or moves keys away from where they hash"
        }
    }
}
