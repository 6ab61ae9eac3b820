/// What the proxy knows of one redis command: its number of arguments, its keys, and what to do.
///
/// The facts are redis' own (`COMMAND` of redis-server 7.0); `handling` and `split` are the
/// proxy's policy. Both stand in `redisCommands`. A command is one word, so that it is found
/// with one load, travels in one register, and costs a request that remembers it eight bytes:
///
///     bit 0    16       24      32      40      48      56     59     61       63
///         id   arity    flags   keys: three numbers     kind   split  handling
///
/// A command that is refused is never split: in those bits it has why it is refused.
struct Command: BitwiseCopyable, Equatable {
    private let bits: UInt64

    init(
        id: UInt16, arity: Int8, flags: Flags, keys: KeyPositions, split: Split, handling: Handling
    ) {
        let first = UInt64(id) | UInt64(UInt8(bitPattern: arity)) << 16
        let second = UInt64(flags.rawValue) << 24 | UInt64(keys.packed) << 32
        bits = first | second | UInt64(split.rawValue) << 59 | UInt64(handling.rawValue) << 61
    }

    /// A command that is refused for a reason.
    init(id: UInt16, arity: Int8, flags: Flags, keys: KeyPositions, refusal: Refusal) {
        let refused = Command(
            id: id, arity: arity, flags: flags, keys: keys, split: .none, handling: .refused)
        bits = refused.bits | UInt64(refusal.rawValue) << 59
    }

    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt8

        static let readonly = Flags(rawValue: 1)
        static let write = Flags(rawValue: 2)
        static let blocking = Flags(rawValue: 4)
        static let pubsub = Flags(rawValue: 8)
        static let admin = Flags(rawValue: 16)

        /// The second argument names a subcommand, which has a `Command` of its own.
        static let container = Flags(rawValue: 32)

        /// Its count of keys may be zero: a script's, which then may run anywhere.
        static let optionalKeys = Flags(rawValue: 64)

        /// The container was known, but not what it should contain.
        static let unknownSubcommand = Flags(rawValue: 128)
    }

    /// How a request whose keys are on several servers becomes one request per server.
    enum Split: UInt8, BitwiseCopyable {
        /// It cannot: all keys must be on one server.
        case none

        /// Arguments are keys, replies are arrays with one value per key (MGET).
        case values

        /// Arguments are keys and values in turn, replies are `+OK` (MSET).
        case pairs

        /// Arguments are keys, replies are integers that add up (DEL).
        case sum
    }

    enum Handling: UInt8, BitwiseCopyable {
        /// To the server of its keys, or of key `placeholder` if it turns out to have none.
        case forward

        /// Answered by the proxy itself.
        case local

        /// To the server of key `placeholder`, as any server will do.
        case placeholder

        /// Answered with an error: wrong on a shared connection or across servers, or unknown.
        case refused
    }
}

extension Command {
    /// One more than the line of `redisCommands`; 0 if unknown. An index for counters.
    var id: UInt16 { UInt16(truncatingIfNeeded: bits) }

    /// How many arguments there must be, the name included; negative for "at least".
    var arity: Int8 { Int8(truncatingIfNeeded: bits >> 16) }

    var flags: Flags { Flags(rawValue: UInt8(truncatingIfNeeded: bits >> 24)) }

    var keys: KeyPositions { KeyPositions(packed: UInt32(truncatingIfNeeded: bits >> 32)) }

    /// The numbers of `keys` if that is a range: three shifts, where unpacking it branches.
    var keyRange: (first: Int, last: Int, step: Int)? {
        guard bits >> 56 & 7 == UInt64(KeyPositions.rangeKind) else { return nil }
        return (
            Int(Int8(truncatingIfNeeded: bits >> 32)), Int(Int8(truncatingIfNeeded: bits >> 40)),
            Int(Int8(truncatingIfNeeded: bits >> 48))
        )
    }

    /// `none` of a command that is refused.
    var split: Split {
        guard handling != .refused else { return .none }
        return switch bits >> 59 & 3 {
        case 0: .none
        case 1: .values
        case 2: .pairs
        default: .sum
        }
    }

    var handling: Handling {
        switch bits >> 61 & 3 {
        case 0: .forward
        case 1: .local
        case 2: .placeholder
        default: .refused
        }
    }

    /// Why a known command is refused; nil of one that is not, and of one that redis would not
    /// know either.
    var refusal: Refusal? {
        let isRedis = isKnown && !flags.contains(.unknownSubcommand)
        guard handling == .refused, isRedis else { return nil }
        return Refusal(rawValue: UInt8(truncatingIfNeeded: bits >> 59 & 3))
    }

    static var unknown: Command {
        Command(id: 0, arity: -1, flags: [], keys: .none, split: .none, handling: .refused)
    }

    var isKnown: Bool { id != 0 }

    /// Whether redis takes this command with so many arguments, the name included.
    func accepts(argumentCount: Int) -> Bool {
        arity < 0 ? argumentCount >= -Int(arity) : argumentCount == Int(arity)
    }

    /// What stands for a subcommand that this container does not have.
    ///
    /// A container that is refused as a whole stays so, and keeps redis' wording for an unknown
    /// command.
    func withUnknownSubcommand() -> Command {
        assert(flags.contains(.container))
        guard handling != .refused else { return self }
        return Command(
            id: id, arity: arity, flags: flags.union(.unknownSubcommand), keys: .none,
            split: .none, handling: .refused)
    }
}
