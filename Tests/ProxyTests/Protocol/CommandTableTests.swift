import Testing

@testable import Proxy

/// Looks names up as they are, and as they should not be found.
struct CommandTableTests {
    let table = CommandTableBox()

    /// `Command.id` by name in small letters: what a lookup must agree with.
    let ids: [[UInt8]: UInt16]
    let names: [String]

    init() {
        let rows = "\(redisCommands)".split(separator: "\n")
        names = rows.map { String($0.prefix { $0 != " " }) }
        let numbered = zip(names, 1...).filter { !$0.0.contains("|") }
        ids = Dictionary(uniqueKeysWithValues: numbered.map { (Array($0.utf8), UInt16($1)) })
    }

    @Test func everyCommandAndSubcommandOfRedis7IsThere() {
        #expect(names.count == redisCommandCount)
        #expect(ids.count == 240)
        #expect(names.count - ids.count == 126)
    }

    @Test func findsEveryCommandInAnyMixOfCases() {
        for (name, id) in ids {
            #expect(table.find(name).id == id)
            #expect(table.find(name.map(uppercase)).id == id)
            for capital in 0..<4 {
                let mixed = name.enumerated().map { index, byte in
                    index & 3 == capital ? uppercase(byte) : byte
                }
                #expect(table.find(mixed).id == id, "\(mixed)")
            }
        }
    }

    @Test func findsEverySubcommandInAnyMixOfCases() {
        for (name, id) in zip(names, UInt16(1)...) where name.contains("|") {
            let parts = name.split(separator: "|").map(String.init)
            #expect(table.find(CommandRequest(parts)).id == id)
            #expect(table.find(CommandRequest(parts.map { $0.uppercased() })).id == id)
            #expect(table.find(CommandRequest([parts[0], mixedCase(parts[1]), "x"])).id == id)
            #expect(table.name(of: table.find(CommandRequest(parts))) == name)
        }
    }

    @Test func namesAreRedisOwn() {
        for (name, id) in ids {
            let found = table.find(name)
            #expect(found.id == id)
            #expect(Array(table.name(of: found).utf8) == name)
        }
    }

    @Test func findsNothingOneBitAway() {
        for name in ids.keys {
            for index in name.indices {
                for bit in 0..<8 {
                    var changed = name
                    changed[index] ^= 1 << bit
                    expectSameAsDictionary(changed)
                }
            }
        }
    }

    @Test(arguments: ["get", "mget", "zrange", "restore-asking", "georadiusbymember_ro"])
    func findsNothingOneByteAway(name: String) {
        let bytes = Array(name.utf8)
        for index in bytes.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = bytes
                changed[index] = byte
                expectSameAsDictionary(changed)
            }
        }
    }

    @Test func findsNothingCutOrExtended() {
        for name in ids.keys {
            for count in name.indices { expectSameAsDictionary(Array(name.prefix(count))) }
            for start in 1..<name.count { expectSameAsDictionary(Array(name[start...])) }
            for byte in [0, 0x0D, 0x20, 0x2D, 0x5F, 0x61, 0x73, 0x7C, 0xFF] as [UInt8] {
                expectSameAsDictionary(name + [byte])
                expectSameAsDictionary([byte] + name)
            }
            expectSameAsDictionary(name + name)
            expectSameAsDictionary(Array(name.reversed()))
        }
    }

    @Test(arguments: [
        "g%t", "{et", "[et", "get\0", "\0get", "get ", "ge", "gett", "GE\u{14}", "@et", "`et",
        "BITFIELD\u{7F}RO", "bitfield-ro", "restore\u{0D}asking", "restore_asking", "ttl\u{7F}",
        "object|encoding", "OBJECT|ENCODING", "config|get", "object\\encoding", "", "|", "-",
    ])
    func isNotFooledBy(name: String) {
        #expect(table.find(name) == Command.unknown)
    }

    @Test(arguments: [22, 23, 24, 25, 31, 32, 33, 1000])
    func longNamesAreUnknown(count: Int) {
        #expect(table.find([UInt8](repeating: 0x61, count: count)) == Command.unknown)
        let extended = Array("georadiusbymember_ro".utf8) + [UInt8](repeating: 0, count: count - 20)
        #expect(table.find(extended) == Command.unknown)
    }

    @Test func aContainerAloneIsFoundItself() {
        let object = table.find(CommandRequest("OBJECT"))
        #expect(table.name(of: object) == "object")
        #expect(object.handling == .placeholder)
        #expect(!object.accepts(argumentCount: 1))
        #expect(table.name(of: table.find(CommandRequest("COMMAND"))) == "command")
        #expect(table.find(CommandRequest("COMMAND")).accepts(argumentCount: 1))
    }

    @Test(arguments: ["OBJECT", "XGROUP", "XINFO", "MEMORY", "COMMAND"])
    func anUnknownSubcommandIsRefusedAndSaysSo(container: String) {
        let found = table.find(CommandRequest("\(container) nonsense key"))
        #expect(found.handling == .refused)
        #expect(found.flags.contains(.unknownSubcommand))
        #expect(found.keys == .none)
        #expect(found.id == table.find(container).id)
        #expect(table.find(CommandRequest([container, ""])).flags.contains(.unknownSubcommand))
    }

    @Test func anUnknownSubcommandOfARefusedContainerIsTheContainer() {
        #expect(table.find(CommandRequest("CONFIG nonsense")) == table.find("config"))
        #expect(table.find("config").handling == .refused)
    }

    @Test func aSubcommandIsFoundInItsOwnContainerOnly() {
        #expect(table.find(CommandRequest("XINFO ENCODING k")).flags.contains(.unknownSubcommand))
        #expect(table.find(CommandRequest("MEMORY STREAM k")).flags.contains(.unknownSubcommand))
        #expect(table.find("encoding") == Command.unknown)
        #expect(table.find(CommandRequest("GET ENCODING")) == table.find("get"))
    }

    /// Names that are equal as words, in the entry that a hash, by chance, may lead to.
    @Test func anEntryIsNotFoundByAnotherLengthOrContainer() {
        let name = Array("gtt".utf8)
        var entry = CommandTable.Entry()
        entry.words = name.span.nameWords()
        entry.mask = entry.words.comparisonMask()
        entry.count = 3
        entry.container = 7
        let shorter = Array("gt".utf8)
        #expect(shorter.span.nameWords() == entry.words)
        let words = entry.words
        #expect(entry.isFound(words, count: 3, container: 7))
        #expect(!entry.isFound(words, count: 2, container: 7))
        #expect(!entry.isFound(words, count: 3, container: 6))
        #expect(!entry.isFound(words, count: 3, container: 0))
    }

    @Test func aCommandIsOneWordAndAnEntryOneCacheLine() {
        #expect(MemoryLayout<Command>.size == 8)
        #expect(MemoryLayout<CommandTable.Entry>.stride == 64)
    }

    private func expectSameAsDictionary(_ name: [UInt8]) {
        let expected = ids[name.map(lowercase)] ?? 0
        let found = table.find(name).id
        if found != expected { Issue.record("\(name): found \(found), not \(expected)") }
    }

    private func mixedCase(_ name: String) -> String {
        String(name.prefix(1)).uppercased() + name.dropFirst()
    }

    private func uppercase(_ byte: UInt8) -> UInt8 {
        byte >= 0x61 && byte <= 0x7A ? byte - 0x20 : byte
    }

    private func lowercase(_ byte: UInt8) -> UInt8 {
        byte >= 0x41 && byte <= 0x5A ? byte + 0x20 : byte
    }
}
