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
