import Synchronization

/// How much is logged: nutcracker's twelve levels, of which a message uses four.
///
/// As in a release build of nutcracker, errors show from level 1 on and warnings from 4.
enum LogLevel: Int, Sendable {
    /// Shown whatever the level is: start, stop, and signals.
    case always = 0
    case error = 1
    case warning = 4
    case notice = 5
    case info = 6
    case debug = 7

    static let highest = 11

    var name: StaticString {
        switch self {
        case .always, .notice: "notice"
        case .error: "error"
        case .warning: "warning"
        case .info: "info"
        case .debug: "debug"
        }
    }
}

/// Writes one line, with one write(2), for each message. Any thread may use it.
///
/// A line reads `[2026-11-22 08:35:15.658] level message`, in local time. The descriptor keeps
/// its number for as long as the process lives: `reopen()` puts the new file under it, so no
/// other thread ever writes to a closed one.
final class Log: Sendable {
    /// Empty is stderr.
    let path: String
    private let descriptor: Int32
    private let currentLevel: Atomic<Int>

    /// The longest line, in bytes: what a pipe takes whole (PIPE_BUF), so that two processes
    /// that share one do not mix their lines.
    static let lineSizeMax = 4096

    /// - Parameter level: 0 to 11.
    init(path: String, level: Int) throws(SystemError) {
        self.path = path
        descriptor = path.isEmpty ? standardError : try openForAppending(path)
        currentLevel = Atomic(level)
    }

    func write(_ level: LogLevel, _ message: String) {
        guard level.rawValue <= currentLevel.load(ordering: .relaxed) else { return }
        let line = Array("[\(localTimestamp())] \(level.name) ".utf8) + printable(message)
        writeAll(line.prefix(Self.lineSizeMax - 1) + [UInt8(ascii: "\n")], to: descriptor)
    }

    var level: Int { currentLevel.load(ordering: .relaxed) }

    /// Moves the level by one, within its limits, and returns it.
    func step(by step: Int) -> Int {
        let stepped = min(max(level + step, 0), LogLevel.highest)
        currentLevel.store(stepped, ordering: .relaxed)
        return stepped
    }

    /// Opens the file again by its name, for log rotation. When that fails the old file stays.
    func reopen() {
        guard !path.isEmpty else { return }
        do {
            try replace(descriptor, with: openForAppending(path))
        } catch {
            write(.error, "opening log file '\(path)' failed: \(error)")
        }
    }

    /// Control bytes as `\xNN`: what a client sent must not start a line of its own.
    private func printable(_ message: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in message.utf8 {
            if byte >= 0x20 && byte != 0x7F {
                bytes.append(byte)
            } else {
                let digits = String(byte, radix: 16)
                bytes += Array((digits.utf8.count == 1 ? "\\x0" : "\\x").utf8) + digits.utf8
            }
        }
        return bytes
    }
}
