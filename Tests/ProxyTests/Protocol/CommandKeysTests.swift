import Foundation
import Testing

@testable import Proxy

/// Key positions against what a real redis-server said of the same requests.
struct CommandKeysTests {
    let table = CommandTableBox()

    /// See Tests/Scripts/make-redis-commands.py.
    struct Recording: Decodable {
        struct Request: Decodable, Sendable {
            let arguments: [String]

            /// What COMMAND GETKEYS answered, with `error` if it found none.
            let keys: [String]?
            let error: String?

            /// What redis answered to the request itself.
            let refused: String?
        }

        let requests: [Request]
    }

    static func recorded() throws -> [Recording.Request] {
        let url = try #require(
            Bundle.module.url(
                forResource: "command-keys", withExtension: "json", subdirectory: "Vectors"))
        return try JSONDecoder().decode(Recording.self, from: Data(contentsOf: url)).requests
    }

    @Test func agreesWithGetKeys() throws {
        let requests = try Self.recorded().filter { $0.refused == nil }
        #expect(requests.count >= 60)
        for recorded in requests {
            let request = CommandRequest(recorded.arguments)
            switch table.resolve(request) {
            case .keys(let keys):
                let named = (0..<keys.count).map { recorded.arguments[keys[$0]] }
                #expect(named.sorted() == recorded.keys?.sorted(), "\(recorded.arguments)")
                let contained = recorded.arguments.indices.filter { keys.contains($0) }
                #expect(contained == (0..<keys.count).map { keys[$0] }.sorted())
            case .none:
                #expect(recorded.keys ?? [] == [], "\(recorded.arguments)")
            case .invalid, .blocking:
                Issue.record("\(recorded.arguments): \(table.resolve(request))")
            }
        }
    }

    @Test func whatRedisRefusesIsInvalid() throws {
        let requests = try Self.recorded().filter { $0.refused != nil }
        #expect(requests.count >= 25)
        for recorded in requests {
            let request = CommandRequest(recorded.arguments)
            guard case .invalid(let near) = table.resolve(request) else {
                Issue.record("\(recorded.arguments): \(table.resolve(request))")
                continue
            }
            #expect(near < recorded.arguments.count)
            // The vectors call keys k1, k2, … or dest.
            let key = near == 0 ? nil : recorded.arguments[near]
            #expect(key == nil || key == "dest" || key == "k1", "\(recorded.arguments)")
        }
    }

    @Test(arguments: [
        ("GET", 0), ("SET k1", 1), ("MSET k1 v1 k2", 1), ("RENAME k1", 1), ("BITOP AND", 0),
        ("BITOP AND dest", 2), ("EVAL script", 0), ("EVAL script x", 0), ("EVAL script x k1", 3),
        ("ZUNION", 0), ("ZUNION 2 k1", 2), ("ZUNIONSTORE dest 2 k1", 1), ("SORT", 0),
        ("GEORADIUS k1 15", 1), ("XREAD STREAMS k1 k2 0", 2), ("XREAD STREAMS", 0),
        ("XREADGROUP GROUP g c COUNT 1 STREAMS", 0), ("XREADGROUP GROUP g STREAMS k1 0 1", 0),
        ("OBJECT ENCODING", 0), ("XGROUP DESTROY k1", 2), ("MIGRATE host port k1", 3),
        ("MIGRATE host port", 0), ("EVAL script 184467440737095516170 k1", 3),
        ("EVAL script 1_ k1", 3), ("EVAL script - k1", 3), ("EVAL script -0 k1", 3),
        ("EVAL script 00 k1", 3), ("EVAL script 11111111111111111111111111111111111111 k1", 3),
    ])
    func aRequestRedisWillRefuseGoesNearAKey(request: String, near: Int) {
        #expect(table.resolve(CommandRequest(request)) == .invalid(near: near))
    }

    @Test(arguments: [
        "XREAD BLOCK 0 STREAMS k1 0", "xread count 1 block 100 streams k1 k2 0 0",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS k1 >", "XREAD BLOCK 0 STREAMS k1 k2 0",
        "XREAD BLOCK 0 COUNT 1", "XREADGROUP GROUP g c NOACK BLOCK 5 COUNT 1 STREAMS k1 >",
    ])
    func theOptionBlockIsReported(request: String) {
        #expect(table.resolve(CommandRequest(request)) == .blocking)
    }

    /// Redis compares words with strcasecmp(3), to which a zero is the end.
    @Test(arguments: ["BLOCK\0", "block\0x", "Block\0" + String(repeating: "x", count: 90)])
    func aZeroEndsTheOptionBlock(option: String) {
        let request = CommandRequest(["XREAD", option, "0", "STREAMS", "k1", "$"])
        #expect(table.resolve(request) == .blocking)
        let hidden = CommandRequest(["XREAD", "COUNT\0", "1", option, "0", "STREAMS\0", "k1", "$"])
        #expect(table.resolve(hidden) == .blocking)
    }

    @Test(arguments: ["BLOCKS", "BLOC", "BLOC\0K", "\0BLOCK"])
    func aWordThatIsNotBlockIsNot(option: String) {
        let request = CommandRequest(["XREAD", option, "STREAMS", "k1", "$"])
        #expect(table.resolve(request) == .keys(ResolvedKeys(first: 3, last: 3)))
    }

    @Test(arguments: ["STORE\0", "store\0x", "STORE"])
    func aZeroEndsTheOptionOfADestination(option: String) {
        let sorted = ResolvedKeys(first: 1, last: 1, extra: 3)
        #expect(table.resolve(CommandRequest(["SORT", "k1", option, "b"])) == .keys(sorted))
        let near = ResolvedKeys(first: 1, last: 1, extra: 7)
        let request = CommandRequest(["GEORADIUS", "k1", "1", "2", "9", "km", option, "b"])
        #expect(table.resolve(request) == .keys(near))
        let skipped = CommandRequest(["SORT", "k1", "BY\0", option, "GET\0x", option, "ASC"])
        #expect(table.resolve(skipped) == .keys(ResolvedKeys(first: 1, last: 1)))
    }

    @Test(arguments: [("AUTH2\0x", 6, 9), ("AUTH2", 6, 9), ("AUTH\0", 6, 8)])
    func aZeroEndsTheOptionsOfMigrate(option: String, at: Int, keys: Int) {
        var words = ["MIGRATE", "host", "1", "", "0", "9", option]
        while words.count < keys { words.append("keys") }
        let request = CommandRequest(words + ["KEYS\0x", "k1", "k2"])
        #expect(
            table.resolve(request) == .keys(ResolvedKeys(first: keys + 1, last: keys + 2)))
    }

    @Test(arguments: [
        "XREADGROUP GROUP block c STREAMS k1 >", "XREADGROUP GROUP g block STREAMS k1 >",
        "XREAD COUNT block STREAMS k1 0", "XREAD STREAMS block 0",
    ])
    func blockAsAnythingElseIsNot(request: String) {
        if case .keys = table.resolve(CommandRequest(request)) { return }
        Issue.record("\(table.resolve(CommandRequest(request)))")
    }

    /// The destination is the last one, and a word is an option only where redis reads options.
    @Test(arguments: [
        ("GEORADIUS k1 15 37 9 km STORE a STOREDIST b", 9),
        ("GEORADIUS k1 15 37 9 km STOREDIST a STORE b", 9),
        ("GEORADIUS k1 15 37 9 km STORE store", 7), ("GEORADIUS k1 15 37 9 km STORE", 0),
        ("GEORADIUSBYMEMBER k1 store 9 km ASC", 0), ("SORT k1 STORE a STORE b", 5),
        ("SORT k1 STORE by STORE b", 5), ("SORT k1 GET store STORE b", 5),
        ("SORT store ALPHA", 0), ("SORT k1 LIMIT store 1", 0), ("SORT k1 STORE", 0),
        ("sort k1 sTORE b", 3),
    ])
    func findsTheDestination(request: String, destination: Int) {
        let expected = ResolvedKeys(first: 1, last: 1, extra: destination)
        #expect(table.resolve(CommandRequest(request)) == .keys(expected))
    }

    @Test func migrateWithoutKeysIsInvalid() {
        let request = CommandRequest(["MIGRATE", "host", "1", "", "0", "9", "COPY"])
        #expect(table.resolve(request) == .invalid(near: 0))
    }

    @Test func scriptsWithoutKeysRunAnywhere() {
        for name in "EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO".words {
            #expect(table.resolve(CommandRequest("\(name) x 0 a1")) == .none)
        }
        #expect(table.resolve(CommandRequest("BLMPOP 0 0 k1 LEFT")) == .invalid(near: 3))
    }

    /// A source that says so when it is read.
    struct Unreadable: ArgumentSource {
        func withArgument<Result>(_ index: Int, _ body: (Span<UInt8>) -> Result) -> Result {
            Issue.record("read argument \(index)")
            let nothing: [UInt8] = []
            return body(nothing.span)
        }
    }

    @Test func rangesAreResolvedWithoutReading() {
        for name in "\(redisCommands)".split(separator: "\n").map({ $0.prefix { $0 != " " } }) {
            let parts = name.split(separator: "|").map(String.init)
            let command = table.find(CommandRequest(parts))
            switch command.keys {
            case .none, .range: break
            case .counted, .streams, .sort, .stored, .migrate: continue
            }
            for count in 1...9 {
                let resolution = command.resolveKeys(of: Unreadable(), argumentCount: count)
                if case .keys = resolution {
                    #expect(command.accepts(argumentCount: count))
                }
            }
        }
    }

    @Test func keysOfAMillionArguments() {
        let mget = table.find("MGET").resolveKeys(of: Unreadable(), argumentCount: 1_048_577)
        #expect(mget == .keys(ResolvedKeys(first: 1, last: 1_048_576)))
        let mset = table.find("MSET").resolveKeys(of: Unreadable(), argumentCount: 1_048_577)
        #expect(mset == .keys(ResolvedKeys(first: 1, last: 1_048_575, step: 2)))
    }

    @Test func resolvedKeysCountAndContain() {
        let pairs = ResolvedKeys(first: 1, last: 5, step: 2)
        #expect(pairs.count == 3)
        #expect((0..<3).map { pairs[$0] } == [1, 3, 5])
        #expect((0..<8).filter { pairs.contains($0) } == [1, 3, 5])
        let stored = ResolvedKeys(first: 3, last: 4, extra: 1)
        #expect(stored.count == 3)
        #expect((0..<3).map { stored[$0] } == [3, 4, 1])
        #expect((0..<8).filter { stored.contains($0) } == [1, 3, 4])
        let one = ResolvedKeys(first: 1, last: 1)
        #expect(one.count == 1)
        #expect((0..<8).filter { one.contains($0) } == [1])
    }
}
