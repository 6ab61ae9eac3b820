import Foundation
import Glibc
import Testing

@testable import Admin

/// The statistics on a unix socket: `-a` with a path.
@Suite struct StatsSocketTests {
    private let folder = FileManager.default.temporaryDirectory
        .appending(path: "cashew-\(UUID().uuidString.prefix(8))").path

    init() throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
    }

    private var path: String { folder + "/stats.sock" }

    private func isThere(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path)
    }

    @Test func socketIsThereAsLongAsItsListener() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        do {
            let listener = try StatsListener(host: path, port: 1)
            #expect(isThere(path))
            #expect(listener.descriptor >= 0)
        }
        #expect(!isThere(path))
    }

    @Test(arguments: [true, false])
    func whatIsLeftThereIsReplaced(isSocket: Bool) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        if isSocket {
            let left = try StatsListener(host: path, port: 1)
            // Under another name it outlives its listener, as that of a killed process does.
            try FileManager.default.moveItem(atPath: path, toPath: path + ".left")
            _ = consume left
            try FileManager.default.moveItem(atPath: path + ".left", toPath: path)
        } else {
            #expect(FileManager.default.createFile(atPath: path, contents: nil))
        }
        let listener = try StatsListener(host: path, port: 1)
        let file = SocketFile(path: path)
        #expect(file != nil)
        _ = consume listener
        #expect(!isThere(path))
    }

    /// A proxy that is started by mistake takes nothing from the one that runs.
    @Test func socketThatIsServedIsLeftAlone() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = try StatsListener(host: path, port: 9)
        let error = #expect(throws: StatsListenError.self) {
            _ = try StatsListener(host: path, port: 9)
        }
        #expect(
            try #require(error).description.replacing(#/m \d+/#, with: "m 4")
                == "bind on m 4 to stats server addr '\(path):9' failed: Address already in use")
        #expect(isThere(path))
        _ = consume first
    }

    /// What another has put in its place stays when the listener goes.
    @Test func socketOfAnotherIsNotRemoved() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = try StatsListener(host: path, port: 1)
        try FileManager.default.removeItem(atPath: path)
        let second = try StatsListener(host: path, port: 1)
        _ = consume first
        #expect(isThere(path))
        _ = consume second
        #expect(!isThere(path))
    }

    @Test func pathsThatCannotBe() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let long = "/tmp/" + String(repeating: "a", count: 103)
        let error = #expect(throws: StatsListenError.self) {
            _ = try StatsListener(host: long, port: 1)
        }
        #expect(
            try #require(error).description
                == "path '\(long)' of the stats server cannot be used: "
                + "it has 108 bytes, and may have 107")
        let missing = #expect(throws: StatsListenError.self) {
            _ = try StatsListener(host: folder + "/none/s", port: 1)
        }
        #expect(try #require(missing).description.hasSuffix("No such file or directory"))
        let directory = #expect(throws: StatsListenError.self) {
            _ = try StatsListener(host: folder, port: 1)
        }
        #expect(try #require(directory).description.hasSuffix("Address already in use"))
        #expect(isThere(folder))
    }
}
