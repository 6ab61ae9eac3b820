/// Finds commands by name, in any mix of cases, at the first look and without allocating.
///
/// A name is hashed as words, with bit 5 of every byte cleared so that cases do not matter; a
/// seed that spreads all known names without a collision comes with the names. Clearing bit 5
/// also maps bytes that are not letters onto each other (`{` and `[`), so the comparison that
/// decides does it only where the known name has a letter.
struct CommandTable: ~Copyable {
    /// Index into `entries` by hash; 0, which is no command, in most slots.
    private let slots: FixedArray<UInt16>

    /// By `Command.id`.
    private let entries: FixedArray<Entry>

    private static let slotBits: UInt64 = 13

    /// One cache line. Not private: swiftc 6.3.1 crashes when a test owns a noncopyable value
    /// whose stored properties have types that are.
    struct Entry {
        var words = NameWords()

        /// Which bits of `words` must be equal: all but bit 5 of letters.
        var mask = NameWords()

        /// Of the name, without its container's.
        var count: UInt16 = 0

        /// `Command.id` of the container, or 0.
        var container: UInt16 = 0

        /// Where the name, a subcommand's with its container, starts in `redisCommands`.
        var nameStart: UInt32 = 0

        var command = Command.unknown
    }

    /// Built once per worker, at start.
    init() {
        slots = FixedArray(count: 1 << Int(Self.slotBits)) { _ in 0 }
        entries = FixedArray(count: redisCommandCount &+ 1) { _ in Entry() }
        redisCommands.withUTF8Span { text in
            var reader = CommandRow.Reader()
            for id in 1...redisCommandCount {
                insert(reader.next(in: text), id: UInt16(id), text: text)
            }
            precondition(reader.isAtEnd(of: text))
        }
    }
}

extension CommandTable {
    /// The command of a name, or `Command.unknown`.
    func find(_ name: Span<UInt8>) -> Command {
        find(name, container: 0)
    }

    /// The command of a subcommand's name, in a container found before.
    func find(_ name: Span<UInt8>, in container: Command) -> Command {
        assert(container.flags.contains(.container))
        let command = find(name, container: container.id)
        return command.isKnown ? command : container.withUnknownSubcommand()
    }

    /// The command of a whole request: the subcommand if its name is that of a container. A
    /// container's name alone finds the container.
    func find<Source: ArgumentSource & ~Copyable & ~Escapable>(
        in arguments: borrowing Source, argumentCount: Int
    ) -> Command {
        assert(argumentCount > 0)
        let command = arguments.withArgument(0) { find($0) }
        guard command.flags.contains(.container), argumentCount > 1 else { return command }
        return arguments.withArgument(1) { find($0, in: command) }
    }

    /// The full name in small letters, as redis writes it in errors: `get`, `object|encoding`.
    ///
    /// - Precondition: `command.isKnown`.
    func withName<Result>(of command: Command, _ body: (Span<UInt8>) -> Result) -> Result {
        precondition(command.isKnown)
        let start = Int(entries[Int(command.id)].nameStart)
        return redisCommands.withUTF8Span { text in
            var end = start
            while text[end] != UInt8(ascii: " ") { end += 1 }
            return body(text.extracting(start..<end))
        }
    }

    private func find(_ name: Span<UInt8>, container: UInt16) -> Command {
        guard name.count > 0, name.count <= NameWords.countMax else { return .unknown }
        let words = name.nameWords()
        let count = UInt16(truncatingIfNeeded: name.count)
        let entry = Int(slots[Self.slot(of: words, count: count, container: container)])
        guard entries[entry].isFound(words, count: count, container: container) else {
            return .unknown
        }
        return entries[entry].command
    }

    /// The generator has the same function, to find the seed.
    private static func slot(of words: NameWords, count: UInt16, container: UInt16) -> Int {
        let fold: UInt64 = 0xDFDF_DFDF_DFDF_DFDF
        let last = words.last & fold
        let mixed = (words.first & fold) ^ (last << 29 | last >> 35)
        let input = mixed &+ (UInt64(count) | UInt64(container) << 8)
        return Int(truncatingIfNeeded: (input &* redisCommandSeed) >> (64 &- slotBits))
    }
}

extension CommandTable.Entry {
    /// Whether this is the entry of a name, which is not empty: the entry of no command is.
    func isFound(_ name: NameWords, count: UInt16, container: UInt16) -> Bool {
        var difference = (name.first ^ words.first) & mask.first
        difference |= (name.last ^ words.last) & mask.last
        difference |= UInt64(count ^ self.count) | UInt64(container ^ self.container)
        guard difference == 0 else { return false }
        return count <= 16 || (name.middle ^ words.middle) & mask.middle == 0
    }
}

extension CommandTable {
    /// - Precondition: The container of a subcommand has been inserted, and no name is there
    ///   twice or hashes like another.
    private func insert(_ row: CommandRow, id: UInt16, text: Span<UInt8>) {
        var entry = Entry()
        entry.nameStart = UInt32(row.name.lowerBound)
        var start = row.name.lowerBound
        if let bar = row.bar {
            entry.container = find(text.extracting(start..<bar)).id
            precondition(entry.container != 0)
            start = bar + 1
        }
        entry.count = UInt16(row.name.upperBound - start)
        entry.words = text.extracting(start..<row.name.upperBound).nameWords()
        entry.mask = entry.words.comparisonMask()
        entry.command = row.command(id: id)
        let slot = Self.slot(
            of: entry.words, count: entry.count, container: entry.container)
        precondition(slots[slot] == 0)
        slots[slot] = id
        entries[Int(id)] = entry
    }
}

extension NameWords {
    /// All bits but bit 5 of bytes that are letters.
    func comparisonMask() -> NameWords {
        NameWords(
            first: Self.comparisonMask(first), middle: Self.comparisonMask(middle),
            last: Self.comparisonMask(last))
    }

    private static func comparisonMask(_ word: UInt64) -> UInt64 {
        var mask = UInt64.max
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            let capital = UInt8(truncatingIfNeeded: word >> shift) & 0xDF
            if capital >= UInt8(ascii: "A"), capital <= UInt8(ascii: "Z") {
                mask &= ~(0x20 << shift)
            }
        }
        return mask
    }
}
