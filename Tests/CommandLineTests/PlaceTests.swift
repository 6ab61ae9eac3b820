import Foundation
import Testing

/// `--where`: the server of a key, without a proxy that runs.
@Suite struct PlaceTests {
    static let twoPools = """
        beta:
          listen: 127.0.0.1:25601
          redis: true
          hash: md5
          distribution: random
          servers:
           - 127.0.0.1:6379:1
           - /tmp/a.sock:2 second
        alpha:
          listen: 127.0.0.1:25602
          redis: true
          hash: fnv1a_32
          hash_tag: "{}"
          distribution: modula
          servers:
           - 127.0.0.1:6379:1 one
           - ::1:6380:1 two

        """

    /// The FNV-1a of "a" is published: 0xe40c292c, which is even, and the first server's. md5's
    /// hash is the first four bytes of `printf 'x{a}y' | md5sum`, the lowest first.
    @Test func textHasABlockForEveryPool() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("two.yml", Self.twoPools)
        let outcome = try Invocation.run("--where", "x{a}y", "-c", path, "--where=\n")
        let expected = """
            key x{a}y
              pool    beta
              hash    74914970 0x04771c9a (md5)
              server  any of 2, at random
              pool    alpha
              hash    3826002220 0xe40c292c (fnv1a_32)
              tag     a
              server  one 127.0.0.1:6379

            """
        #expect(outcome.output.hasPrefix(expected))
        #expect(outcome.output.dropFirst(expected.count).hasPrefix("key ?\n"))
        #expect(outcome.errors == "")
        #expect(outcome.status == 0)
    }

    /// Bytes that are no UTF-8 are hashed as they are.
    @Test func keyNeedNotBeText() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("two.yml", Self.twoPools)
        let outcome = try Invocation.run(
            URL(filePath: "/bin/sh"),
            [
                "-c", "exec \"$0\" --json -c \"$1\" --where \"$(printf '\\377')\"",
                Invocation.cashew.path, path,
            ])
        let answer = try PlaceAnswer(outcome.output)
        #expect(answer.configuration == path)
        #expect(answer.keys.map(\.key_hex) == ["ff"])
        // twemproxy extends the sign: (0x811c9dc5 ^ 0xffffffff) * 0x01000193
        #expect(answer.keys[0].pools[1].hash == 0xF9F3_A14E)
        #expect(answer.keys[0].pools[1].hash_hex == "0xf9f3a14e")
        #expect(answer.keys[0].pools[1].tag == nil)
        #expect(answer.keys[0].pools[0].server == nil)
        #expect(answer.keys[0].pools[0].distribution == "random")
    }

    /// What nutcracker did with the same keys and servers.
    @Test(arguments: try Golden.load().cases.filter(\.ejected.isEmpty).enumerated().map(\.self))
    func agreesWithNutcracker(number: Int, golden: Golden.Case) throws {
        let folder = try TemporaryFolder()
        let keys = try Golden.load().textKeys
        let hashes = golden.chosen.keys.sorted()
        let hash = hashes[number % hashes.count]
        let chosen = try #require(golden.chosen[hash])
        let path = try folder.file("golden.yml", golden.configuration(hash: hash))
        let outcome = try Invocation.run(
            Invocation.cashew,
            ["-c", path, "--json"] + keys.map { "--where=\($0.key)" })
        let answer = try PlaceAnswer(outcome.output)
        #expect(answer.keys.map(\.key) == keys.map(\.key))
        #expect(
            answer.keys.map { $0.pools[0].server?.name }
                == keys.map { golden.sorted_names[chosen[$0.index]] })
    }

    @Test(arguments: [["--where", "x"], ["--json", "--where", "x"]])
    func unusableConfigurationIsExplained(arguments: [String]) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("broken.yml", "alpha:\n  bogus: 1\n")
        let outcome = try Invocation.run(Invocation.cashew, arguments + ["-c", path])
        #expect(outcome.output == "")
        #expect(outcome.errors.hasPrefix("cashew: \(path):2:3: "))
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(outcome.status == 1)
    }
}

struct ServerAnswer: Decodable, Equatable {
    let name: String
    let address: String
    let weight: Int
}

/// What `--where --json` prints.
struct PlaceAnswer: Decodable {
    let configuration: String
    let keys: [Key]

    struct Key: Decodable {
        let key: String
        let key_hex: String
        let pools: [Place]
    }

    struct Place: Decodable {
        let pool: String
        let distribution: String
        let hash_function: String
        let hash: UInt32
        let hash_hex: String
        let tag: String?
        let server: ServerAnswer?
    }

    init(_ text: String) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(text.utf8))
    }
}

/// The placements that were taken from nutcracker itself: Tests/ProxyTests/Vectors.
struct Golden: Decodable {
    let keys_hex: [String]
    let cases: [Case]

    struct Case: Decodable, CustomTestStringConvertible {
        let name: String
        let distribution: String
        let servers: [String]
        let extra: [String: String]
        let ejected: [String]
        let sorted_names: [String]
        let chosen: [String: [Int]]

        var testDescription: String { "\(name), \(distribution)" }

        func configuration(hash: String) -> String {
            """
            golden:
              listen: 127.0.0.1:25603
              hash: \(hash)
              distribution: \(distribution)
            \(extra.map { "  \($0.key): \($0.value)\n" }.joined())  servers:
            \(servers.map { "   - \($0)\n" }.joined())
            """
        }
    }

    static func load() throws -> Golden {
        let url = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../ProxyTests/Vectors/distribution-vectors.json")
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: url))
    }

    /// The keys that a command line can hold as text, with their place in the file.
    var textKeys: [(index: Int, key: String)] {
        keys_hex.enumerated().compactMap { index, hex in
            let digits = hex.compactMap(\.hexDigitValue)
            let bytes = stride(from: 0, to: digits.count - 1, by: 2).map {
                UInt8(digits[$0] << 4 | digits[$0 + 1])
            }
            guard let key = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
                return nil
            }
            return (index, key)
        }
    }
}
