import Glibc
import Testing

@testable import Config

private let nutcracker = "/usr/sbin/nutcracker"

/// twemproxy itself is the judge: what it accepts must load here, or an operator's file breaks on
/// the day of the switch.
@Suite(.enabled(if: access(nutcracker, X_OK) == 0))
struct NutcrackerTests {
    /// Refused on purpose although nutcracker takes them: it wraps numbers around, starts with
    /// servers and sockets that can never work, and reads names only up to a NUL.
    static func isRefusedOnPurpose(_ error: ConfigurationError) -> Bool {
        switch error.kind {
        case .duplicateListen: error.found.hasPrefix("\"/")
        case .invalidValue:
            error.found.hasPrefix("a path of ") || error.found.hasPrefix("host \"")
                || error.found.hasPrefix("a blank at the end") || error.found.contains("\\u{0}")
                || error.found.contains(/[0-9]{10}/)
        default: error.kind == .structure && error.found.contains("\\u{0}")
        }
    }

    @Test(arguments: 0..<4) func whatItAcceptsLoads(_ seed: UInt64) throws {
        var random = Seeded(seed: seed)
        let path = "/tmp/cashew-config-\(getpid())-\(seed).yml"
        defer { unlink(path) }
        var accepted = 0
        for _ in 0..<100 {
            let text = Self.file(&random)
            try Self.write(text, to: path)
            guard try Self.accepts(path) else { continue }
            accepted += 1
            if let error = refusal(of: text), !Self.isRefusedOnPurpose(error) {
                Issue.record("\(error)\n\(text)")
            }
        }
        #expect(accepted > 10)
    }

    /// A file of one or two pools, most of it right, the rest what people get wrong.
    private static func file(_ random: inout Seeded) -> String {
        func pick(_ choices: [String]) -> String { choices.randomElement(using: &random)! }
        func pick(_ right: [String], orRarely odd: [String]) -> String {
            pick(Int.random(in: 0..<12, using: &random) == 0 ? odd : right)
        }
        var text = pick(["", "", "# comment\n", "\n", "\u{FEFF}"])
        for name in ["p", pick(["", "q", "my pool", "é", "'#'"], orRarely: ["\"\"", "p"])]
        where name != "" {
            text += "\(name):\(pick(["", " ", " # c"]))\n"
            text += "  listen: \(pick(listens, orRarely: oddListens))\n"
            var left = lines
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let line = left.remove(at: .random(in: 0..<left.count, using: &random))
                text += "  \(pick([line], orRarely: [pick(keys) + ": " + pick(values)]))\n"
            }
            text += "  servers:\n"
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let quote = pick(["", "'"])
                let place = pick(places, orRarely: oddPlaces)
                let rest = pick(weights, orRarely: oddWeights) + pick(names, orRarely: oddNames)
                text += "   - \(quote)\(place):\(rest)\(quote)\n"
            }
        }
        return pick([text, text, text.replacing("\n", with: "\r\n"), String(text.dropLast())])
    }

    static let listens = [
        "127.0.0.1:25091", "127.0.0.1:25092", "'::1:25093'", "127.0.0.1:025094", "/tmp/x",
        "/tmp/x 0666", "/tmp/x 8", "/tmp/x 0x1", "'/tmp/x '", "/tmp/x y 0600", "/tmp/x -0",
        "/tmp/x +7", "/tmp/x:1", "/tmp/x 07 # c", "localhost:25095", "/",
    ]
    static let oddListens = ["127.0.0.1:4294992388", "127.0.0.1", "/tmp/x 7777", ":1", "/tmp/x -7"]
    static let lines = [
        "hash: md5", "hash_tag: \"{}\"", "distribution: 'modula'", "timeout: 400", "backlog: 007",
        "redis: true", "redis_db: >-\n    1", "preconnect: false", "tcpkeepalive:  true",
        "auto_eject_hosts: 'true' # c", "server_connections: 2", "server_retry_timeout: \"0\"",
        "server_failure_limit: 2147483647", "client_connections: 0", "? timeout\n  : 5",
    ]
    static let keys = [
        "hash", "hash_tag", "distribution", "timeout", "redis", "redis_auth", "preconnect",
        "server_connections", "Timeout",
    ]
    static let values = [
        "1", "true", "0", "ketama", "ab", "4294967297", "-1", "é", "x y", "\"a\\0\"", "yes",
        "!x 1", "@", "~", "null",
    ]
    static let places = [
        "127.0.0.1:1", "127.0.0.1:11211", "localhost:2", "a:065535", "/tmp/s", "h-1.example:7",
        "/", "é:1",
    ]
    static let oddPlaces = [
        "::1:3", "[::1]:1", "/tmp/s t", "a b:1", "a:0", "x", ":1", "/s:1", "a:4294967297",
    ]
    static let weights = ["1", "01", "2", "2147483647"]
    static let oddWeights = ["0", "", "x", "4294967298"]
    static let names = [
        "", "", " a", " b", " a:b", " \"c\"", " é", " a#b", " -", " a\u{301}", " a,b",
    ]
    static let oddNames = [" 'c'", " \"c d\"", "  e", " ", "\ta", " a #c", " a b", " {a}"]

    private static func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        let bytes = Array(text.utf8)
        try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    /// Whether `nutcracker -t` exits with 0.
    private static func accepts(_ path: String) throws -> Bool {
        var process: pid_t = 0
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var arguments: [UnsafeMutablePointer<CChar>?] = []
        for text in [nutcracker, "-t", "-c", path] { arguments.append(strdup(text)) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        try #require(posix_spawn(&process, nutcracker, &actions, nil, arguments, nil) == 0)
        var status: Int32 = 0
        try #require(waitpid(process, &status, 0) == process)
        return status == 0
    }
}
