import Foundation

/// What a run of the program left: everything it printed, and how it ended.
struct Outcome: Equatable {
    var output: String
    var errors: String
    var status: Int32
}

/// The program under test: built beside the tests, and called by either of its names.
enum Invocation {
    /// Where the build puts the program: beside the bundle that runs now.
    static let cashew = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "cashew")

    /// The program it replaces, as Debian installs it.
    static let original = URL(filePath: "/usr/sbin/nutcracker")

    static var originalIsInstalled: Bool {
        FileManager.default.isExecutableFile(atPath: original.path)
    }

    /// Runs a program to its end.
    static func run(_ program: URL, _ arguments: [String]) throws -> Outcome {
        let process = Process()
        let (output, errors) = (Pipe(), Pipe())
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Everything printed fits a pipe, so reading one after the other cannot block.
        let outputText = try output.fileHandleForReading.readToEnd() ?? Data()
        let errorText = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Outcome(
            output: String(decoding: outputText, as: UTF8.self),
            errors: String(decoding: errorText, as: UTF8.self),
            status: process.terminationStatus)
    }

    static func run(_ arguments: String...) throws -> Outcome {
        try run(cashew, arguments)
    }
}

/// A folder of its own for a test, removed at its end.
struct TemporaryFolder: ~Copyable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "cashew-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    /// The path of a name inside.
    func path(_ name: String) -> String { url.appending(path: name).path }

    /// Writes a file and returns its path.
    func file(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: url.appending(path: name))
        return path(name)
    }

    /// The program under the name of the one it replaces.
    func nutcracker() throws -> URL {
        let link = url.appending(path: "nutcracker")
        try FileManager.default.createSymbolicLink(
            at: link, withDestinationURL: Invocation.cashew)
        return link
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}
