import Testing

@testable import Config

/// The shape of a file: documents, YAML's styles, nesting, and what has no place in it.
@Suite struct StructureTests {
    @Test(arguments: [
        "p: {listen: 127.0.0.1:25001, servers: [127.0.0.1:25011:1 a]}\n",
        "{p: {listen: '127.0.0.1:25001', \"servers\": ['127.0.0.1:25011:1 a',]}}",
        "---\n" + pool(),
        "%YAML 1.1\n---\n" + pool() + "...\n",
        "\u{FEFF}" + pool(),
        pool().replacing("\n", with: "\r\n"),
        pool().replacing("\n", with: "\r"),
        String(pool().dropLast()),
        "# comment\n\n" + pool().replacing("\n", with: " # comment\n"),
        "? p\n: ? listen\n  : 127.0.0.1:25001\n  ? servers\n  : - 127.0.0.1:25011:1 a\n",
        "'p':\n  \"listen\": >-\n    127.0.0.1:25001\n  servers:\n  - |-\n"
            + "    127.0.0.1:25011:1 a\n",
    ])
    func everyStyleReadsTheSame(_ text: String) throws {
        #expect(try parse(text) == parse(pool()))
    }

    @Test func utf16ReadsTheSame() throws {
        var bytes: [UInt8] = [0xFF, 0xFE]
        for unit in pool(name: "日本").utf16 { bytes += [UInt8(unit & 0xFF), UInt8(unit >> 8)] }
        let configuration = try Configuration.parse(bytes, file: "conf/a.yml")
        #expect(try configuration == parse(pool(name: "日本")))
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var kind: ConfigurationError.Kind
        var line: Int32
        var column: Int32
        var wording: String
        var testDescription: String { text }

        init(
            _ text: String, _ kind: ConfigurationError.Kind, _ line: Int32, _ column: Int32,
            _ wording: String
        ) {
            self.text = text
            self.kind = kind
            self.line = line
            self.column = column
            self.wording = wording
        }
    }

    static func found(_ count: Int) -> String {
        "'conf/a.yml' must contain only 1 document; found \(count) documents"
    }

    static let noServers =
        "'conf/a.yml' missing sequence directive at depth 2: pool 'p' has no servers"

    @Test(arguments: [
        Case("", .documentCount, 1, 1, found(0)),
        Case("# x\n", .documentCount, 1, 1, found(0)),
        Case("  \n\n", .documentCount, 1, 1, found(0)),
        Case(pool() + "---\n" + pool(), .documentCount, 5, 1, found(2)),
        Case("--- \n--- \n--- \n", .documentCount, 2, 1, found(3)),
        Case("abc\n", .structure, 1, 1, "'conf/a.yml' has invalid empty \"key:\" at depth 0"),
        Case("---\n", .structure, 2, 1, "'conf/a.yml' has invalid empty \"key:\" at depth 0"),
        Case("{}\n", .structure, 1, 1, "'conf/a.yml' has invalid empty \"key:\" at depth 0"),
        Case(
            "? [a]\n: b\n", .structure, 1, 3, "'conf/a.yml' has invalid empty \"key:\" at depth 0"),
        Case("- a\n", .structure, 1, 1, "'conf/a.yml' has sequence at depth 0 instead of 2"),
        Case("p:\n - a\n", .structure, 2, 2, "'conf/a.yml' has sequence at depth 1 instead of 2"),
        Case("p: 1\n", .structure, 1, 4, "'conf/a.yml' has invalid mapping \"key:\" at depth 1"),
        Case("p:\n", .structure, 1, 3, "'conf/a.yml' has invalid mapping \"key:\" at depth 1"),
        Case(
            "p:\n  {a: b}: c\n", .structure, 2, 3,
            "'conf/a.yml' has invalid empty \"key:\" at depth 1"),
        Case(
            pool("timeout:", "  a: 1"), .structure, 4, 5,
            "'conf/a.yml' has a depth greater than 2"),
        Case(
            pool("timeout: [1]"), .structure, 3, 12,
            "'conf/a.yml' has more than one sequence directive"),
        Case(
            pool(servers: ["a: b"]), .structure, 4, 6, "'conf/a.yml' has a depth greater than 2"),
        Case(
            pool(servers: ["- a"]), .structure, 4, 6, "'conf/a.yml' has a depth greater than 2"),
        Case(
            "p:\n  servers: 127.0.0.1:1:1\n", .structure, 2, 12,
            "'conf/a.yml' missing sequence directive at depth 2"),
        Case(
            "p:\n  listen: a:1\n", .missingDirective, 1, 1, noServers),
        Case(
            "p:\n  servers: []\n", .missingDirective, 2, 12, noServers),
        Case(
            "\np:\n  servers: [127.0.0.1:1:1]\n", .missingDirective, 2, 1,
            "directive \"listen:\" is missing"),
        Case("p: {}\n", .missingDirective, 1, 1, "directive \"listen:\" is missing"),
        Case(
            pool("timeout: &a 4"), .disallowedToken, 3, 12, "anchor token (19) is disallowed"),
        Case(pool("timeout: !x 4"), .disallowedToken, 3, 12, "tag token (20) is disallowed"),
        Case(pool("timeout: !!int 4"), .disallowedToken, 3, 12, "tag token (20) is disallowed"),
        Case("*a : 1\n", .disallowedToken, 1, 1, "alias token (18) is disallowed"),
        Case("&a p: 1\n", .disallowedToken, 1, 1, "anchor token (19) is disallowed"),
        Case("p: &a {b: 1}\n", .disallowedToken, 1, 4, "anchor token (19) is disallowed"),
        Case("p: !!map {b: 1}\n", .disallowedToken, 1, 4, "tag token (20) is disallowed"),
        Case("p: *a\n", .disallowedToken, 1, 4, "alias token (18) is disallowed"),
        Case(
            pool(servers: ["*a"]), .disallowedToken, 4, 6, "alias token (18) is disallowed"),
    ])
    func refuses(_ row: Case) throws {
        let error = try #require(refusal(of: row.text))
        #expect(error.kind == row.kind)
        #expect(error.position == SourcePosition(line: row.line, column: row.column))
        #expect(error.wording == row.wording)
        #expect(!error.found.isEmpty)
        #expect(!error.expected.isEmpty)
    }

    @Test(arguments: ["\"\"", "\"a\\0b\""])
    func refusesAPoolName(_ name: String) throws {
        let error = try #require(refusal(of: pool(name: name)))
        #expect(error.kind == .structure)
        #expect(error.expected == "a pool name")
        #expect(error.position == SourcePosition(line: 1, column: 1))
    }

    @Test func deepNestingIsRefusedNotFollowed() throws {
        for opening in ["[", "{", "- ", "? ", "{a: "] {
            let deep = "p: \n " + String(repeating: opening, count: 1_000_000)
            let error = try #require(refusal(of: deep))
            #expect(error.kind == .structure)
            #expect(error.wording == "'conf/a.yml' has a depth greater than 2")
            #expect(error.position?.line == 2)
        }
    }
}
