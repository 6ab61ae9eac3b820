/// What the proxy asks first on a new connection to a server.
package enum Greeting: UInt8, BitwiseCopyable, Sendable {
    case password, database
    /// What finds out whether an ejected server is back.
    case probe

    package var name: StaticString {
        switch self {
        case .password: "AUTH"
        case .database: "SELECT"
        case .probe: "the probe"
        }
    }
}
