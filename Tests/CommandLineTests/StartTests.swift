import Foundation
import Testing

/// What happens between the command line and the proxy: log, pid file, daemon.
@Suite struct StartTests {
    static let missing = "/nonexistent/file"

    @Test func logFileThatCannotBeOpenedIsNamed() throws {
        let outcome = try Invocation.run("-o", Self.missing)
        let expected = "opening log file '\(Self.missing)' failed: No such file or directory\n"
        #expect(outcome == Outcome(output: "", errors: expected, status: 1))
    }

    @Test func failedStartIsLoggedFromStartToEnd() throws {
        let folder = try TemporaryFolder()
        let log = folder.path("log")
        let outcome = try Invocation.run("-c", Self.missing, "-o", log)
        #expect(outcome.status == 1)
        #expect(
            outcome.errors
                == "cashew: configuration file '\(Self.missing)' syntax is invalid\n")
        let lines = try LogLine.all(in: log)
        try #require(lines.count == 3)
        let start = #/^cashew-0\.1\.0 built for Linux \S+ \S+ started on pid \d+$/#
        #expect(lines[0].level == "notice")
        #expect(lines[0].message.contains(start))
        #expect(lines[1].level == "error")
        #expect(lines[1].message.hasPrefix("conf: "))
        #expect(lines[1].message.contains(Self.missing))
        #expect(lines[2].message == "cashew-0.1.0 done")
    }

    /// What counts is the level: 0 hides errors, 1 and more show them, and no level hides start
    /// and end.
    @Test(arguments: [("0", 2), ("1", 3), ("11", 3), ("99", 3)])
    func levelHidesErrors(level: String, count: Int) throws {
        let folder = try TemporaryFolder()
        let log = folder.path("log")
        _ = try Invocation.run("-c", Self.missing, "-o", log, "-v", level)
        #expect(try LogLine.all(in: log).count == count)
    }

    @Test func logFileIsAppendedTo() throws {
        let folder = try TemporaryFolder()
        let log = try folder.file("log", "[2026-11-22 08:35:15.658] notice before\n")
        _ = try Invocation.run("-c", Self.missing, "-o", log)
        #expect(try LogLine.all(in: log).map(\.message).first == "before")
        #expect(try LogLine.all(in: log).count == 4)
    }

    @Test func pidFileThatCannotBeOpenedIsNamed() throws {
        let folder = try TemporaryFolder()
        let log = folder.path("log")
        let outcome = try Invocation.run("-c", Self.missing, "-o", log, "-p", Self.missing)
        #expect(outcome.status == 1)
        #expect(
            try LogLine.all(in: log).map(\.message) == [
                "opening pid file '\(Self.missing)' failed: No such file or directory"
            ])
    }

    @Test func pidFileOfAProcessThatRunsIsLeftAlone() throws {
        let folder = try TemporaryFolder()
        let log = folder.path("log")
        let path = try folder.file("pid", "12345")
        let holder = try LockedFile(path)
        let outcome = try Invocation.run("-c", Self.missing, "-o", log, "-p", path)
        #expect(outcome.status == 1)
        #expect(
            try LogLine.all(in: log).map(\.message) == [
                "pid file '\(path)' is held by another process, which is running"
            ])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "12345")
        holder.release()
    }

    /// One that a killed process left is taken over; a start that fails removes its own.
    @Test(arguments: ["12345", nil])
    func pidFileIsRemovedWhenTheStartFails(left: String?) throws {
        let folder = try TemporaryFolder()
        let path = try left.map { try folder.file("pid", $0) } ?? folder.path("pid")
        let outcome = try Invocation.run(
            "-c", Self.missing, "-o", folder.path("log"), "-p", path)
        #expect(outcome.status == 1)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    /// As with nutcracker, whoever starts a daemon learns nothing of its failures.
    @Test func daemonLeavesAtOnceAndLogsWhatFollows() throws {
        let folder = try TemporaryFolder()
        let log = folder.path("log")
        let outcome = try Invocation.run("-d", "-c", Self.missing, "-o", log)
        #expect(outcome == Outcome(output: "", errors: "", status: 0))
        try eventually { try LogLine.all(in: log).last?.message == "cashew-0.1.0 done" }
    }
}
