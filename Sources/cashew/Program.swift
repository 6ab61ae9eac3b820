import Proxy

/// Who the program is: its name by how it was called, its version, and the defaults that go
/// with the name.
///
/// Called as `nutcracker`, through a link, it takes the place of Debian's package: the same
/// default files and the same prefix on error lines.
struct Program: Sendable, Equatable {
    let name: String
    let configurationPath: String
    /// Empty is stderr.
    let logPath: String
    /// Empty is no file. Written only with `-d`, unless the operator names one.
    let pidPath: String

    static let version = "cashew-\(releaseNumber)"
    static let eventBackend = "io_uring"

    static let cashew = Program(
        name: "cashew",
        configurationPath: "/etc/cashew/cashew.yml",
        logPath: "",
        pidPath: "")

    /// What `nutcracker -h` of Debian 12's nutcracker 0.5.0+dfsg-2 names as its defaults.
    static let nutcracker = Program(
        name: "nutcracker",
        configurationPath: "/etc/nutcracker/nutcracker.yml",
        logPath: "/var/log/nutcracker/nutcracker.log",
        pidPath: "/run/nutcracker/nutcracker.pid")

    /// - Parameter path: The first word of the command line.
    static func called(_ path: String) -> Program {
        let last = path.split(separator: "/").last
        return last == "nutcracker" ? .nutcracker : .cashew
    }
}
