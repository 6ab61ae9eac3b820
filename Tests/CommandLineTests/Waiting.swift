import Foundation
import Glibc
import Testing

/// A line of the log: `[2026-11-22 08:35:15.658] level message`.
struct LogLine: Equatable {
    let level: String
    let message: String

    /// Every line of a file, each of which must have the form. None where there is no file yet.
    static func all(in path: String) throws -> [LogLine] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        let form = #/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] (\w+) (.*)$/#
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            let match = try #require(try form.wholeMatch(in: $0), "\($0)")
            return LogLine(level: String(match.output.1), message: String(match.output.2))
        }
    }
}

struct TimedOut: Error {}

/// Waits up to ten seconds for something to become true.
func eventually(_ condition: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw TimedOut() }
        usleep(5_000)
    }
}

/// A port of 127.0.0.1 that nothing listens on now.
func freePort() -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            _ = bind(descriptor, generic, size)
            _ = getsockname(descriptor, generic, &size)
        }
    }
    return UInt16(bigEndian: address.sin_port)
}

/// A file that this process has locked, as a running proxy locks its pid file.
struct LockedFile {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    }

    func release() { close(descriptor) }
}
