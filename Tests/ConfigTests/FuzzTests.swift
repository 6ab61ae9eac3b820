import Testing

@testable import Config

/// Files broken at random from one seed each: none crashes, every refusal makes sense, and every
/// acceptance holds the promises of the value types.
@Suite struct FuzzTests {
    static let corpus = [
        pool("redis: true", "redis_auth: \"s\\0\\n\"", "hash_tag: \"{}\"", "timeout: 400"),
        pool(
            name: "日本", listen: "/tmp/a 0660", servers: ["/tmp/b:1 \"x y\"", "a:1:2", "b:11211:1"]),
        "{p: {listen: '[::1]:1', servers: [\"a:1:1\", b:2:3 c]},"
            + " q: {listen: /a, servers: [c:1:1]}}",
        "---\np: &a\n  ? listen\n  : !!str x:1\n  servers: *a\n...\n---\n",
        "%YAML 1.1\n%TAG ! tag:x,2000:\n---\np: |\n  a\n   b\nq: >-\n  c\n",
    ]

    static let fragments = [
        "\n", "\r", "\t", " ", ":", "- ", "[", "]", "{", "}", ",", "\"", "'", "&a", "*a", "!t",
        "#", "---\n", "...\n", "|\n", ">", "%", "?", "\\", "\\x00", "\u{FEFF}", "é", "\u{301}",
        "2147483648", "0", "-1", "listen", "servers:\n", "true", "/", "  ", "\u{0}", "\u{85}",
    ]

    @Test(arguments: 0..<8) func noMutationCrashes(_ seed: UInt64) throws {
        var random = Seeded(seed: seed)
        var accepted = 0
        for _ in 0..<1000 {
            let bytes = Self.mutant(&random)
            guard let error = refusal(of: bytes) else {
                accepted += 1
                let configuration = try Configuration.parse(bytes, file: "conf/a.yml")
                for pool in configuration.pools { check(pool, bytes) }
                continue
            }
            check(error, bytes)
        }
        #expect(accepted > 0 && accepted < 1000)
    }

    private static func mutant(_ random: inout Seeded) -> [UInt8] {
        var bytes = Array(corpus.randomElement(using: &random)!.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let at = Int.random(in: 0...bytes.count, using: &random)
            let end = Int.random(in: at...min(at + 8, bytes.count), using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes.removeSubrange(at..<end)
            case 1: bytes.insert(.random(in: 0...255, using: &random), at: at)
            case 2: bytes.insert(contentsOf: bytes[at..<end], at: at)
            case 3: bytes.removeSubrange(end...)
            case 4 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            default:
                bytes.insert(contentsOf: fragments.randomElement(using: &random)!.utf8, at: at)
            }
        }
        return bytes
    }

    private func check(_ error: ConfigurationError, _ bytes: [UInt8]) {
        let lines = bytes.filter { $0 == 0x0A || $0 == 0x0D || $0 == 0x85 }.count + 1
        #expect(error.position.map { (1...lines).contains(Int($0.line)) } == true, "\(bytes)")
        #expect(error.position.map { $0.column >= 1 } == true, "\(bytes)")
        #expect(!error.found.isEmpty && !error.expected.isEmpty, "\(bytes)")
        let line = error.description
        #expect(
            line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control },
            "\(bytes)")
    }

    private func check(_ pool: PoolConfiguration, _ bytes: [UInt8]) {
        #expect(!pool.name.isEmpty, "\(bytes)")
        #expect(!pool.servers.isEmpty, "\(bytes)")
        #expect(pool.serverConnections >= 1, "\(bytes)")
        #expect(pool.redisAuth == nil || pool.protocolKind == .redis, "\(bytes)")
        #expect(pool.servers.allSatisfy { $0.weight >= 1 && !$0.name.isEmpty }, "\(bytes)")
        for (left, right) in zip(pool.servers, pool.servers.dropFirst()) {
            #expect(precedes(left.name, right.name), "\(bytes)")
        }
    }
}
