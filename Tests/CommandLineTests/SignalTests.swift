import Foundation
import Glibc
import Testing

/// A proxy that runs, and what signals make of it. It listens in a folder of its own.
@Suite struct SignalTests {
    @Test(arguments: [SIGINT, SIGTERM])
    func isEndedBy(signal: Int32) throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(in: folder)
        #expect(program.id == program.process.processIdentifier)
        kill(program.id, signal)
        program.process.waitUntilExit()
        #expect(program.process.terminationReason == .exit)
        #expect(program.process.terminationStatus == 0)
        #expect(!FileManager.default.fileExists(atPath: program.pidPath))
        let name = signal == SIGINT ? "SIGINT" : "SIGTERM"
        #expect(
            try program.messages().suffix(2) == [
                "signal \(signal) (\(name)) received, exiting", "cashew-0.1.0 done",
            ])
    }

    @Test func levelMovesByOneWithinItsLimits() throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(in: folder, "-v", "10")
        for level in [11, 11, 10] {
            let signal = level == 10 ? SIGTTOU : SIGTTIN
            let count = try program.messages().count
            kill(program.id, signal)
            try eventually { try program.messages().count == count + 2 }
            let expected =
                signal == SIGTTIN
                ? ["signal 21 (SIGTTIN) received, up logging level", "up log level to \(level)"]
                : [
                    "signal 22 (SIGTTOU) received, down logging level",
                    "down log level to \(level)",
                ]
            #expect(try program.messages().suffix(2) == expected)
        }
        program.end()
    }

    /// What logrotate does: move the file away, then ask for a new one.
    @Test func logIsReopened() throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(in: folder)
        try FileManager.default.moveItem(atPath: program.logPath, toPath: folder.path("old"))
        kill(program.id, SIGHUP)
        try eventually { FileManager.default.fileExists(atPath: program.logPath) }
        program.end()
        #expect(
            try LogLine.all(in: folder.path("old")).last?.message
                == "signal 1 (SIGHUP) received, reopening log file")
        #expect(
            try program.messages() == [
                "signal 15 (SIGTERM) received, exiting", "cashew-0.1.0 done",
            ])
    }

    @Test(arguments: [(SIGUSR1, "signal 10 (SIGUSR1)"), (SIGUSR2, "signal 12 (SIGUSR2)")])
    func userSignalsAreOnlyLogged(signal: Int32, text: String) throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(in: folder)
        kill(program.id, signal)
        try eventually { try program.messages().last == "\(text) received" }
        #expect(program.process.isRunning)
        program.end()
    }

    @Test func daemonHasASessionOfItsOwnAndItsIdInThePidFile() throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(in: folder, "-d")
        program.process.waitUntilExit()
        #expect(program.process.terminationStatus == 0)
        let id = program.id
        #expect(id != program.process.processIdentifier)
        #expect(getsid(id) != getsid(0))
        #expect(getsid(id) != id)
        for descriptor in 0...2 {
            let target = try FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/\(id)/fd/\(descriptor)")
            #expect(target == "/dev/null")
        }
        kill(id, SIGTERM)
        try eventually { !FileManager.default.fileExists(atPath: program.pidPath) }
        try eventually { try program.messages().last == "cashew-0.1.0 done" }
    }
}

/// The program with a configuration that works, started and ready.
final class RunningProgram {
    let process: Process
    let logPath: String
    let pidPath: String
    /// Of the proxy, which is not the one that was started when that made a daemon.
    private(set) var id: Int32 = 0

    init(in folder: borrowing TemporaryFolder, _ arguments: String...) throws {
        logPath = folder.path("log")
        pidPath = folder.path("pid")
        let configuration = try folder.file(
            "cashew.yml",
            """
            alpha:
              listen: \(folder.path("socket"))
              redis: true
              servers:
               - \(folder.path("server")):1

            """)
        process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments =
            ["-c", Self.closeAndRun, Invocation.cashew.path, "-c", configuration, "-o", logPath]
            + ["-p", pidPath, "-a", "127.0.0.1", "-s", String(freePort())] + arguments
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let socket = folder.path("socket")
        try eventually { FileManager.default.fileExists(atPath: socket) }
        id = try #require(Int32(String(contentsOfFile: pidPath, encoding: .utf8)))
    }

    /// Foundation learns from a descriptor that a process has ended, when everyone who has
    /// inherited it is gone. A daemon would hold it open.
    private static let closeAndRun = """
        for descriptor in /proc/$$/fd/*; do
            descriptor=${descriptor##*/}
            [ "$descriptor" -le 2 ] || eval "exec $descriptor>&-"
        done
        exec "$0" "$@"
        """

    func messages() throws -> [String] { try LogLine.all(in: logPath).map(\.message) }

    func end() {
        kill(process.processIdentifier, SIGTERM)
        process.waitUntilExit()
    }

    /// Nothing outlives its test, whatever went wrong in it.
    deinit {
        if process.isRunning || FileManager.default.fileExists(atPath: pidPath) {
            kill(id > 0 ? id : process.processIdentifier, SIGKILL)
        }
    }
}
