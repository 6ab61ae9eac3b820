import Foundation
import Testing

/// `-t`, on which init scripts rely before they restart the program.
@Suite struct ConfigurationTestTests {
    static let good = """
        alpha:
          listen: 127.0.0.1:25301
          redis: true
          servers:
           - 127.0.0.1:6379:1

        """

    @Test(arguments: ["-t", "--test-conf"])
    func usableFileIsOk(flag: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("good.yml", Self.good)
        let outcome = try Invocation.run(flag, "-c", path)
        let expected = "cashew: configuration file '\(path)' syntax is ok\n"
        #expect(outcome == Outcome(output: "", errors: expected, status: 0))
    }

    @Test func oldNamePrefixesTheAnswer() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("good.yml", Self.good)
        let outcome = try Invocation.run(folder.nutcracker(), ["-t", "-c", path])
        let expected = "nutcracker: configuration file '\(path)' syntax is ok\n"
        #expect(outcome == Outcome(output: "", errors: expected, status: 0))
    }

    @Test(arguments: ["alpha:\n  bogus: 1\n", "", "alpha: [", "alpha:\n  listen: x\n"])
    func brokenFileIsExplainedInOneLine(text: String) throws {
        let folder = try TemporaryFolder()
        try expectInvalid(try folder.file("broken.yml", text))
    }

    /// What a file cannot be served with on this machine: the second line of a pool `a`, and what
    /// is said of it. `DIR` is a folder.
    static let unservable: [(listen: String, said: String)] = [
        ("${LISTEN}:32121", "found host \"${LISTEN}\", expected a host name or an address; vari"),
        ("'{{ host }}:32121'", "found host \"{{ host }}\""),
        ("<host>:32121", "variables are not replaced"),
        ("$HOST:32121", "variables are not replaced"),
        ("a,b:32121", "found host \"a,b\""),
        ("no.such.host.invalid:32121", "\"no.such.host.invalid:32121\", which does not resolve"),
        ("256.1.1.1:32121", "which does not resolve"),
        ("203.0.113.1:32121", "which is no address of this machine"),
        ("DIR/none/s", "is in no folder that there is: No such file or directory"),
        ("DIR/file/s", "is in no folder that there is: Not a directory"),
        ("DIR", "which is a folder"),
        ("/tmp/\(String(repeating: "s", count: 103))", "found a path of 108 bytes"),
        ("127.0.0.1:22222", "where the statistics are (\"0.0.0.0:22222\")"),
        // Written differently from those of the other pools.
        ("0.0.0.0:25302", "where pool \"other\" listens as \"127.0.0.1:25302\""),
        ("127.1:25302", "where pool \"other\" listens as \"127.0.0.1:25302\""),
        ("'[::ffff:127.0.0.1]:25302'", "where pool \"other\" listens"),
        ("DIR/./s", "where pool \"path\" listens as"),
        ("DIR//s", "where pool \"path\" listens as"),
    ]

    /// The start fails in the same words. A file that passes the test can be served.
    @Test(arguments: unservable)
    func whatCannotBeServedFailsTheTestAndTheStart(listen: String, said: String) throws {
        let folder = try TemporaryFolder()
        _ = try folder.file("file", "")
        let directory = folder.url.path
        let text = """
            path: {listen: \(directory)/s, servers: ["127.0.0.1:1:1"]}
            other: {listen: "127.0.0.1:25302", servers: ["127.0.0.1:1:1"]}
            the_last:
              listen: \(listen.replacing("DIR", with: directory))
              servers: ["127.0.0.1:1:1"]

            """
        let path = try folder.file("c.yml", text)
        let tested = try Invocation.run("-t", "-c", path)
        #expect(tested.status == 1)
        let line = String(tested.errors.split(separator: "\n").first ?? "")
        #expect(line.hasPrefix("cashew: \(path):4:"), "\(line)")
        #expect(line.contains(said), "\(line)")
        let log = folder.path("log")
        let started = try Invocation.run("-c", path, "-o", log)
        #expect(started.status == 1)
        let messages = try LogLine.all(in: log).map(\.message)
        #expect(messages.contains("conf: " + line.dropFirst("cashew: ".count)), "\(messages)")
    }

    @Test(arguments: [
        (["-a", "no.such.host.invalid"], "which does not resolve"),
        (["-a", "/nonexistent/s"], "is in no folder that there is"),
        (["-a", "/tmp"], "which is a folder"),
    ])
    func statisticsThatCannotBeServedFailTheTest(arguments: [String], said: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("good.yml", Self.good)
        let outcome = try Invocation.run(Invocation.cashew, ["-t", "-c", path] + arguments)
        #expect(outcome.status == 1)
        #expect(outcome.errors.hasPrefix("cashew: the statistics cannot be on \""))
        #expect(outcome.errors.contains(said))
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }

    /// Another port for the statistics is enough.
    @Test func statisticsElsewhere() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("c.yml", Self.good.replacing("25301", with: "22222"))
        #expect(try Invocation.run("-t", "-c", path).status == 1)
        #expect(try Invocation.run("-t", "-c", path, "-s", "22223").status == 0)
        #expect(try Invocation.run("-t", "-c", path, "-a", folder.path("s")).status == 0)
    }

    @Test func missingFileIsExplainedInOneLine() throws {
        let folder = try TemporaryFolder()
        try expectInvalid(folder.path("missing.yml"))
    }

    /// Two lines: why, with the name of the file, then nutcracker's own.
    private func expectInvalid(_ path: String) throws {
        let outcome = try Invocation.run("-t", "-c", path)
        let lines = outcome.errors.split(separator: "\n", omittingEmptySubsequences: false)
        try #require(lines.count == 3)
        #expect(lines[0].hasPrefix("cashew: "))
        #expect(lines[0].contains(path))
        #expect(lines[1] == "cashew: configuration file '\(path)' syntax is invalid")
        #expect(lines[2] == "")
        #expect(outcome.output == "")
        #expect(outcome.status == 1)
    }
}
