/// One line of `redisCommands`: `name arity handling split flags keys`, between blanks. Where the
/// handling is to refuse, the reason stands in place of the split.
///
/// The table is text because the compiler takes ten seconds for as many initializers, and a
/// line can be read and compared without it. A line that cannot be read traps: it is our own.
struct CommandRow {
    /// Where the name is in the text.
    let name: Range<Int>

    /// Where `|` is, if the name is that of a subcommand: after its container's.
    let bar: Int?

    private let arity: Int8
    private let handling: Command.Handling
    private let split: Command.Split
    /// If it is refused.
    private let refusal: Refusal?
    private let flags: Command.Flags
    private let keys: KeyPositions

    func command(id: UInt16) -> Command {
        if let refusal {
            return Command(id: id, arity: arity, flags: flags, keys: keys, refusal: refusal)
        }
        return Command(
            id: id, arity: arity, flags: flags, keys: keys, split: split, handling: handling)
    }
}

extension CommandRow {
    /// Reads rows from the text, one after another.
    struct Reader {
        private var position = 0
    }
}

extension CommandRow.Reader {
    func isAtEnd(of text: Span<UInt8>) -> Bool { position == text.count }

    mutating func next(in text: Span<UInt8>) -> CommandRow {
        let name = nextWord(in: text)
        let bar = name.first { text[$0] == UInt8(ascii: "|") }
        let arity = nextNumber(in: text)
        let handling = Command.Handling(text.extracting(nextWord(in: text)))
        let word = text.extracting(nextWord(in: text))
        let refusal = handling == .refused ? Refusal(word) : nil
        let split = handling == .refused ? .none : Command.Split(word)
        let flags = nextFlags(in: text)
        let keys = nextKeys(in: text)
        // The closing quotes end the last line.
        precondition(isAtEnd(of: text) || text[position] == UInt8(ascii: "\n"))
        if !isAtEnd(of: text) { position += 1 }
        return CommandRow(
            name: name, bar: bar, arity: arity, handling: handling, split: split,
            refusal: refusal, flags: flags, keys: keys)
    }

    /// Skips blanks; a word ends at a blank, a comma, or the end of the line.
    private mutating func nextWord(in text: Span<UInt8>) -> Range<Int> {
        while text[position] == UInt8(ascii: " ") { position += 1 }
        let start = position
        while position < text.count, text[position] > UInt8(ascii: " "),
            text[position] != UInt8(ascii: ",")
        {
            position += 1
        }
        precondition(position > start)
        return start..<position
    }

    private mutating func nextNumber(in text: Span<UInt8>) -> Int8 {
        guard let number = text.extracting(nextWord(in: text)).decimalNumber() else {
            preconditionFailure("not a number")
        }
        return Int8(number)
    }

    private mutating func nextFlags(in text: Span<UInt8>) -> Command.Flags {
        var flags = Command.Flags(text.extracting(nextWord(in: text)))
        while text[position] == UInt8(ascii: ",") {
            position += 1
            flags.formUnion(Command.Flags(text.extracting(nextWord(in: text))))
        }
        return flags
    }

    private mutating func nextKeys(in text: Span<UInt8>) -> KeyPositions {
        let word = text.extracting(nextWord(in: text))
        if word.isKeyword("NONE") { return .none }
        if word.isKeyword("STREAMS") { return .streams }
        if word.isKeyword("SORT") { return .sort }
        if word.isKeyword("MIGRATE") { return .migrate }
        let first = nextNumber(in: text)
        if word.isKeyword("STORED") { return .stored(options: UInt8(first)) }
        let second = nextNumber(in: text)
        if word.isKeyword("COUNTED") {
            return .counted(at: UInt8(first), destination: UInt8(second))
        }
        precondition(word.isKeyword("RANGE"))
        return .range(first: first, last: second, step: nextNumber(in: text))
    }
}

extension Command.Handling {
    fileprivate init(_ word: Span<UInt8>) {
        if word.isKeyword("FORWARD") {
            self = .forward
        } else if word.isKeyword("LOCAL") {
            self = .local
        } else if word.isKeyword("PLACEHOLDER") {
            self = .placeholder
        } else {
            precondition(word.isKeyword("REFUSED"))
            self = .refused
        }
    }
}

extension Command.Split {
    fileprivate init(_ word: Span<UInt8>) {
        if word.isKeyword("VALUES") {
            self = .values
        } else if word.isKeyword("PAIRS") {
            self = .pairs
        } else if word.isKeyword("SUM") {
            self = .sum
        } else {
            precondition(word.isDash)
            self = .none
        }
    }
}

extension Refusal {
    fileprivate init(_ word: Span<UInt8>) {
        if word.isKeyword("STOPS") {
            self = .stopsConnection
        } else if word.isKeyword("TURNS") {
            self = .changesConnection
        } else if word.isKeyword("SHARDS") {
            self = .needsAllServers
        } else {
            precondition(word.isKeyword("SERVER"))
            self = .isAboutServer
        }
    }
}

extension Command.Flags {
    fileprivate init(_ word: Span<UInt8>) {
        if word.isKeyword("READONLY") {
            self = .readonly
        } else if word.isKeyword("WRITE") {
            self = .write
        } else if word.isKeyword("BLOCKING") {
            self = .blocking
        } else if word.isKeyword("PUBSUB") {
            self = .pubsub
        } else if word.isKeyword("ADMIN") {
            self = .admin
        } else if word.isKeyword("CONTAINER") {
            self = .container
        } else if word.isKeyword("OPTIONALKEYS") {
            self = .optionalKeys
        } else {
            precondition(word.isDash)
            self = []
        }
    }
}

extension Span<UInt8> {
    fileprivate var isDash: Bool { count == 1 && self[0] == UInt8(ascii: "-") }
}
