/// Which arguments of a command are keys. The name is argument 0, as in redis.
enum KeyPositions: BitwiseCopyable, Equatable {
    case none

    /// Every `step`th (1 or 2) from `first` to `last`; a negative `last` counts from the end (-1
    /// is the last argument).
    case range(first: Int8, last: Int8, step: Int8)

    /// As many as argument `at` says, from the next one on; `destination` is one more, or 0.
    case counted(at: UInt8, destination: UInt8)

    /// XREAD, XREADGROUP: the first half of what follows STREAMS.
    case streams

    /// SORT: argument 1, and what follows STORE.
    case sort

    /// GEORADIUS, GEORADIUSBYMEMBER: argument 1, and what follows STORE or STOREDIST, looked
    /// for in the options, which start at `options`.
    case stored(options: UInt8)

    /// MIGRATE: argument 3, or, if that is empty, everything after KEYS.
    case migrate
}

extension KeyPositions {
    static let rangeKind: UInt32 = 1

    /// The associated numbers from the lowest byte on, the kind in three bits above them. The
    /// highest five bits are not used and ignored.
    var packed: UInt32 {
        switch self {
        case .none: 0
        case .range(let first, let last, let step):
            Self.rangeKind << 24 | Self.pack(first, last, step)
        case .counted(let at, let destination):
            2 << 24 | UInt32(at) | UInt32(destination) << 8
        case .streams: 3 << 24
        case .sort: 4 << 24
        case .stored(let options): 5 << 24 | UInt32(options)
        case .migrate: 6 << 24
        }
    }

    init(packed: UInt32) {
        let first = UInt8(truncatingIfNeeded: packed)
        let second = UInt8(truncatingIfNeeded: packed >> 8)
        switch packed >> 24 & 7 {
        case Self.rangeKind:
            self = .range(
                first: Int8(bitPattern: first), last: Int8(bitPattern: second),
                step: Int8(truncatingIfNeeded: packed >> 16))
        case 2: self = .counted(at: first, destination: second)
        case 3: self = .streams
        case 4: self = .sort
        case 5: self = .stored(options: first)
        case 6: self = .migrate
        default: self = .none
        }
    }

    private static func pack(_ first: Int8, _ second: Int8, _ third: Int8) -> UInt32 {
        let low = UInt32(UInt8(bitPattern: first)) | UInt32(UInt8(bitPattern: second)) << 8
        return low | UInt32(UInt8(bitPattern: third)) << 16
    }
}

/// The arguments of one request, as `Command` reads them.
protocol ArgumentSource: ~Copyable, ~Escapable {
    /// Calls `body` with the bytes of an argument, `index` 0 being the name.
    ///
    /// No name, keyword or number is longer than 32 bytes, so a source may show no more of an
    /// argument than its first 32 (from anywhere: an argument need not lie in one piece).
    func withArgument<Result>(_ index: Int, _ body: (Span<UInt8>) -> Result) -> Result
}

/// The arguments of one request that are keys: every `step`th (1 or 2) from `first` to `last`,
/// and `extra` unless it is 0.
struct ResolvedKeys: BitwiseCopyable, Equatable {
    let first: UInt32

    /// A key itself: `first` plus a multiple of `step`.
    let last: UInt32

    let step: UInt32
    let extra: UInt32

    /// - Precondition: `0 < first <= last`, a multiple of `step` apart; `step` is 1 or 2.
    init(first: Int, last: Int, step: Int = 1, extra: Int = 0) {
        assert(first > 0)
        assert(last >= first)
        assert(step == 1 || step == 2)
        assert((last &- first) & (step &- 1) == 0)
        self.first = UInt32(truncatingIfNeeded: first)
        self.last = UInt32(truncatingIfNeeded: last)
        self.step = UInt32(truncatingIfNeeded: step)
        self.extra = UInt32(truncatingIfNeeded: extra)
    }

    var count: Int { rangeCount &+ (extra == 0 ? 0 : 1) }

    /// The argument index of a key, in argument order but for `extra`, which is the last one.
    ///
    /// - Precondition: `0 <= key < count`.
    subscript(key: Int) -> Int {
        assert(key >= 0)
        assert(key < count)
        return key < rangeCount ? Int(first) &+ key &* Int(step) : Int(extra)
    }

    func contains(_ index: Int) -> Bool {
        if extra != 0, index == Int(extra) { return true }
        guard index >= Int(first), index <= Int(last) else { return false }
        return (index &- Int(first)) & (Int(step) &- 1) == 0
    }

    /// A step of 1 or 2 less one is the number of bits to shift by.
    private var rangeCount: Int { Int((last &- first) >> (step &- 1)) &+ 1 }
}

/// What looking for the keys of one request found.
enum KeyResolution: BitwiseCopyable, Equatable {
    /// No argument is a key, and any server will do.
    case none

    case keys(ResolvedKeys)

    /// Redis will refuse this request, for the number of its arguments or for what they say, so
    /// any server can word the error: that of argument `near`, probably a key, or if it is 0
    /// that of key `placeholder`.
    case invalid(near: Int)

    /// The option BLOCK makes it wait, which a shared connection must not.
    case blocking
}

extension Command {
    /// Finds the keys of a request of this command. Most commands have a range of them, and read
    /// no argument for it.
    ///
    /// - Parameter argumentCount: With the name, so at least 1.
    func resolveKeys<Source: ArgumentSource & ~Copyable & ~Escapable>(
        of arguments: borrowing Source, argumentCount: Int
    ) -> KeyResolution {
        assert(argumentCount > 0)
        guard let range = keyRange, accepts(argumentCount: argumentCount) else {
            return resolveUnusualKeys(of: arguments, argumentCount)
        }
        let last = range.last < 0 ? argumentCount &+ range.last : range.last
        // A range to the end must hold whole steps: MSET with a key but no value is refused.
        guard last >= range.first, last < argumentCount,
            (last &- range.first &+ 1) & (range.step &- 1) == 0
        else { return .invalid(near: probableKey(argumentCount: argumentCount)) }
        return .keys(
            ResolvedKeys(first: range.first, last: last &- range.step &+ 1, step: range.step))
    }

    private func resolveUnusualKeys<Source: ArgumentSource & ~Copyable & ~Escapable>(
        of arguments: borrowing Source, _ argumentCount: Int
    ) -> KeyResolution {
        let keys = keys
        guard accepts(argumentCount: argumentCount) else {
            return keys == .none ? .none : .invalid(near: probableKey(argumentCount: argumentCount))
        }
        switch keys {
        case .none:
            return .none
        case .range:
            preconditionFailure("a range is not unusual")
        case .counted(let at, let destination):
            return resolveCounted(
                at: Int(at), destination: Int(destination), of: arguments, argumentCount)
        case .streams:
            return resolveStreams(of: arguments, argumentCount)
        case .sort:
            return resolveSort(of: arguments, argumentCount)
        case .stored(let options):
            return resolveStored(options: Int(options), of: arguments, argumentCount)
        case .migrate:
            return resolveMigrate(of: arguments, argumentCount)
        }
    }

    /// The first argument that would be a key if the request were valid, or 0 if there is none.
    private func probableKey(argumentCount: Int) -> Int {
        let index: Int
        switch keys {
        case .none, .streams: index = 0
        case .range(let first, _, _): index = Int(first)
        case .counted(let at, 0): index = Int(at) &+ 1
        case .counted(_, let destination): index = Int(destination)
        case .sort, .stored: index = 1
        case .migrate: index = 3
        }
        return index < argumentCount ? index : 0
    }

    private func resolveCounted<Source: ArgumentSource & ~Copyable & ~Escapable>(
        at: Int, destination: Int, of arguments: borrowing Source, _ argumentCount: Int
    ) -> KeyResolution {
        let first = at &+ 1
        let count = arguments.withArgument(at) { $0.decimalNumber() }
        if count == 0, flags.contains(.optionalKeys) { return .none }
        guard let count, count > 0, count <= argumentCount &- first else {
            return .invalid(near: probableKey(argumentCount: argumentCount))
        }
        return .keys(ResolvedKeys(first: first, last: at &+ count, extra: destination))
    }
}
