import Glibc
import Testing

@testable import Config

/// What an operator reads: one line that says where, what, and what instead.
@Suite struct ErrorTests {
    @Test(arguments: [
        (
            "alpha:\n  listen: 127.0.0.1:1\n  servers: [127.0.0.1:2:1]\n  timeout: 4s\n",
            "conf/a.yml:4:12: pool \"alpha\", key \"timeout\": found \"4s\", expected a number of"
                + " milliseconds between 0 and 2147483647 (directive \"timeout\" is not a number)"
        ),
        (
            pool("timeuot: 4"),
            "conf/a.yml:3:3: pool \"p\", key \"timeuot\": found \"timeuot\", expected one of"
                + " listen, hash, hash_tag, distribution, timeout, backlog, client_connections,"
                + " redis, redis_auth, redis_db, preconnect, tcpkeepalive, reuseport,"
                + " auto_eject_hosts, server_connections, server_queue_bytes, server_retry_timeout,"
                + " server_failure_limit, servers; did you mean \"timeout\"?"
                + " (directive \"timeuot\" is unknown)"
        ),
        (
            pool("redis: yes"),
            "conf/a.yml:3:10: pool \"p\", key \"redis\": found \"yes\", expected \"true\" or"
                + " \"false\" (directive \"redis\" is not \"true\" or \"false\")"
        ),
        (
            pool("hash: fnv1a-64"),
            "conf/a.yml:3:9: pool \"p\", key \"hash\": found \"fnv1a-64\", expected one of"
                + " one_at_a_time, md5, crc16, crc32, crc32a, fnv1_64, fnv1a_64, fnv1_32, fnv1a_32,"
                + " hsieh, murmur, jenkins; did you mean \"fnv1a_64\"?"
                + " (directive \"hash\" is not a valid hash)"
        ),
        (
            pool("timeout: 1", "backlog: 5", "timeout: 2"),
            "conf/a.yml:5:3: pool \"p\", key \"timeout\": found \"timeout\", expected it once in a"
                + " pool; it stands on line 3 already (directive \"timeout\" is a duplicate)"
        ),
        (
            "p:\n  listen: 127.0.0.1:1\n",
            "conf/a.yml:1:1: pool \"p\", key \"servers\": found no server, expected a list of"
                + " \"host:port:weight [name]\" or \"/path:weight [name]\""
                + " ('conf/a.yml' missing sequence directive at depth 2: pool 'p' has no servers)"
        ),
        (
            "p:\n\tlisten: x\n",
            "conf/a.yml:2:1: found a tab, expected blanks"
                + " (failed (err 3) to get the next yaml document)"
        ),
        (
            "p:\n  listen: a:1\n  timeout:4\n  servers: []\n",
            "conf/a.yml:3:3: found a line without \": \", expected \"key: value\", with a blank"
                + " after the colon (failed (err 3) to get the next yaml document)"
        ),
        (
            "p:\n  listen: \"a:1\n\n",
            "conf/a.yml:4:1: found unexpected end of stream (while scanning a quoted scalar"
                + " that starts on line 2), expected valid YAML"
                + " (failed (err 3) to get the next yaml document)"
        ),
        (
            "p:\n  a: b: c\n",
            "conf/a.yml:2:7: found invalid YAML: mapping values are not allowed in this context,"
                + " expected valid YAML (failed (err 3) to get the next yaml document)"
        ),
        (
            "p:\n  servers: [a:1:1\n  listen: b:1\n",
            "conf/a.yml:3:9: found something else (while parsing a flow sequence that starts on"
                + " line 2), expected ',' or ']' (failed (err 4) to get the next yaml document)"
        ),
        (
            "p: \u{1}\n",
            "conf/a.yml:1:4: found the control character 0x1, expected UTF-8 text"
                + " (failed (err 2) to get the next yaml document)"
        ),
        (
            "",
            "conf/a.yml:1:1: found no document, expected exactly one"
                + " ('conf/a.yml' must contain only 1 document; found 0 documents)"
        ),
    ])
    func readsLikeThis(_ text: String, _ line: String) throws {
        let description = try #require(refusal(of: text)).description
        #expect(description == line)
    }

    @Test func aPoolOrKeyIsNamedOnlyWhereTheErrorIsInIt() throws {
        let afterPool = try #require(refusal(of: pool() + "[a]: b\n"))
        #expect(afterPool.position == SourcePosition(line: 5, column: 1))
        #expect(afterPool.pool == nil)
        let afterKey = try #require(refusal(of: pool("timeout: 1", "[a]: b")))
        #expect(afterKey.position == SourcePosition(line: 4, column: 3))
        #expect(afterKey.pool == "p")
        #expect(afterKey.key == nil)
    }

    @Test func columnsCountCharacters() throws {
        let flow = "{\u{1F600}\u{E9}: {timeout: x}}"
        #expect(
            try #require(refusal(of: flow)).position == SourcePosition(line: 1, column: 16))
    }

    @Test(arguments: [
        (Array("p:\n # é".utf8) + [0xFF, 0x0A], Int32(2), Int32(5), "0xFF"),
        ([0xEF, 0xBB, 0xBF] + Array("p:\r\n # ".utf8) + [0xC3, 0x0A], 2, 5, "octet"),
        (Array("p: a\rq: ".utf8) + [0xED, 0xA0, 0x80], 2, 4, "0xD800"),
        (Array("p: a\n\nq: ".utf8) + [0x01], 3, 4, "0x1"),
        ([0x00], 1, 1, "0x0"),
        ([0xEF, 0xBB, 0xBF] + Array("p: ".utf8) + [0xFE], 1, 4, "0xFE"),
    ])
    func invalidTextHasAPosition(
        _ bytes: [UInt8], _ line: Int32, _ column: Int32, _ found: String
    ) throws {
        let error = try #require(refusal(of: bytes))
        #expect(error.kind == .invalidText)
        #expect(error.position == SourcePosition(line: line, column: column))
        #expect(error.found.contains(found))
        #expect(error.wording == "failed (err 2) to get the next yaml document")
    }

    @Test func aHostileFileCannotForgeOrFloodTheLog() throws {
        let long = String(repeating: "x", count: 100_000)
        for key in ["\"a\\nb\\r\\e[31m\\N\\L\"", long] {
            for text in [pool("\(key): 1"), pool(name: key), pool("hash: \(key)")] {
                let text = text.replacing("127.0.0.1:25001", with: "bad")
                let line = try #require(refusal(of: text)).description
                #expect(line.utf8.count < 1500)
                #expect(
                    line.unicodeScalars.allSatisfy {
                        $0.properties.generalCategory != .control && $0 != "\u{2028}"
                    })
            }
        }
        #expect(quoted("a\nb\t\u{1B}\u{2028}") == "\"a\\nb\\t\\u{1b}\\u{2028}\"")
    }

    @Test func aMissingFileIsSaidSo() {
        let path = "/proc/self/no-such-file.yml"
        let error = #expect(throws: ConfigurationError.self) {
            try Configuration.load(path: path)
        }
        #expect(error?.kind == .unreadable)
        #expect(error?.position == nil)
        #expect(
            error?.description
                == "\(path): failed to open configuration '\(path)': No such file or directory")
    }

    @Test func aFolderIsNotAFile() {
        let error = #expect(throws: ConfigurationError.self) {
            try Configuration.load(path: "/proc/self")
        }
        #expect(error?.kind == .unreadable)
        #expect(error?.found == "Is a directory")
    }

    @Test(.enabled(if: getuid() != 0)) func aForbiddenFileIsSaidSo() {
        let error = #expect(throws: ConfigurationError.self) {
            try Configuration.load(path: "/proc/1/environ")
        }
        #expect(error?.found == "Permission denied")
    }

    @Test func anEndlessFileIsRefused() {
        let error = #expect(throws: ConfigurationError.self) {
            try Configuration.load(path: "/dev/zero")
        }
        #expect(error?.kind == .tooLarge)
        #expect(
            error?.description
                == "/dev/zero: found more than 16777216 bytes, expected a configuration file")
    }
}
