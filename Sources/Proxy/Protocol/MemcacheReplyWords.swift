/// Kinds of lines that a memcached reply starts with, and the set of those that one may.
///
/// They are told by the first word; of `CLIENT_ERROR` by the first bytes of its text too.
struct MemcacheReplyWords: OptionSet, BitwiseCopyable {
    let rawValue: UInt32

    static let value = Self(rawValue: 1 << 0)
    static let end = Self(rawValue: 1 << 1)
    static let stored = Self(rawValue: 1 << 2)
    static let notStored = Self(rawValue: 1 << 3)
    static let exists = Self(rawValue: 1 << 4)
    static let notFound = Self(rawValue: 1 << 5)
    static let deleted = Self(rawValue: 1 << 6)
    static let touched = Self(rawValue: 1 << 7)
    static let number = Self(rawValue: 1 << 8)
    static let ok = Self(rawValue: 1 << 9)
    static let version = Self(rawValue: 1 << 10)
    static let statistic = Self(rawValue: 1 << 11)

    // Of meta commands. Up to 1.6.11 `OK` stands for `HD`, with flags behind it as well.
    static let metaValue = Self(rawValue: 1 << 12)
    static let metaDone = Self(rawValue: 1 << 13)
    static let metaMiss = Self(rawValue: 1 << 14)
    static let metaNotFound = Self(rawValue: 1 << 15)
    static let metaNotStored = Self(rawValue: 1 << 16)
    static let metaExists = Self(rawValue: 1 << 17)
    static let metaDebug = Self(rawValue: 1 << 18)
    static let barrier = Self(rawValue: 1 << 19)

    static let serverError = Self(rawValue: 1 << 20)

    /// `CLIENT_ERROR bad data chunk`
    static let badDataChunk = Self(rawValue: 1 << 21)
    /// `CLIENT_ERROR cannot increment or decrement non-numeric value`
    static let notNumeric = Self(rawValue: 1 << 22)
    /// `CLIENT_ERROR invalid numeric delta argument`
    static let badDelta = Self(rawValue: 1 << 23)
    /// `CLIENT_ERROR invalid exptime argument`
    static let badExpiry = Self(rawValue: 1 << 24)
    /// `CLIENT_ERROR flush_all not allowed`
    static let notAllowed = Self(rawValue: 1 << 25)
    /// `CLIENT_ERROR unauthenticated`, and what else a server says that wants a password first.
    static let unauthenticated = Self(rawValue: 1 << 26)
    /// Other texts of `CLIENT_ERROR`.
    static let otherClientError = Self(rawValue: 1 << 27)

    /// `ERROR`, `CLIENT_ERROR bad command line format` and `CLIENT_ERROR line too long`: the server
    /// has not understood what the proxy had checked, and so has not read what it was sent.
    static let misunderstood = Self(rawValue: 1 << 31)
}

extension MemcacheReplyWords {
    /// Every request may meet with these.
    private static let always: Self = [.serverError, .unauthenticated]

    init(_ expected: MemcacheReplyClass) {
        switch expected {
        case .value, .values: self = [.value, .end, .badExpiry]
        case .set: self = [.stored, .badDataChunk]
        case .storeIf: self = [.stored, .notStored, .badDataChunk]
        case .storeSame: self = [.stored, .notStored, .exists, .notFound, .badDataChunk]
        case .count: self = [.number, .notFound, .notNumeric, .badDelta]
        case .delete: self = [.deleted, .notFound]
        case .touch: self = [.touched, .notFound, .badExpiry]
        // `verbosity x` is left to the server.
        case .done: self = [.ok, .notAllowed, .badExpiry, .misunderstood]
        case .version: self = [.version]
        case .statistics: self = [.statistic, .end]
        case .metaGet: self = [.metaValue, .metaDone, .ok, .metaMiss]
        case .metaSet:
            self = [
                .metaDone, .ok, .metaNotStored, .metaExists, .metaNotFound, .badDataChunk,
            ]
        case .metaDelete: self = [.metaDone, .ok, .metaNotFound, .metaExists, .metaNotStored]
        case .metaArithmetic:
            self = [
                .metaValue, .metaDone, .ok, .metaNotFound, .metaNotStored, .metaExists,
                .notNumeric,
            ]
        case .metaDebug: self = [.metaDebug, .metaMiss]
        case .barrier: self = [.barrier]
        }
        formUnion(Self.always)
        if expected.isMeta { formUnion([.otherClientError, .badDelta, .badExpiry]) }
    }

    /// - Parameter expectedKind: As a request remembers it.
    init(expectedKind: UInt8) {
        let isQuiet = expectedKind & MemcacheReplyClass.quiet != 0
        guard
            let expected = MemcacheReplyClass(rawValue: expectedKind & ~MemcacheReplyClass.quiet)
        else {
            self = []
            return
        }
        self.init(expected)
        if isQuiet { insert(.barrier) }
    }
}

/// Requests by the replies that they can get from memcached 1.4 to 1.6.45 when they are as the
/// proxy lets them through.
///
/// Reference: `out_string` and its kind in memcached.c, proto_text.c and proto_parser.c
enum MemcacheReplyClass: UInt8 {
    /// `get`, `gets`, `gat` and `gats`, of one key and of several.
    case value = 1, values
    /// `set`; then `add`, `replace`, `append` and `prepend`; then `cas`.
    case set, storeIf, storeSame
    /// `incr` and `decr`.
    case count
    case delete, touch, version
    /// `flush_all` and `verbosity`.
    case done
    /// `stats`
    case statistics
    case metaGet, metaSet, metaDelete, metaArithmetic, metaDebug
    /// The proxy's own `mn`.
    case barrier

    /// Added to the class of a request whose reply may be left out: then the next is a barrier's.
    static let quiet: UInt8 = 0x80

    fileprivate var isMeta: Bool {
        switch self {
        case .metaGet, .metaSet, .metaDelete, .metaArithmetic, .metaDebug: true
        default: false
        }
    }
}

extension MemcacheRequest {
    /// Nil if no server is asked.
    var replyClass: MemcacheReplyClass? {
        switch verb {
        case .get, .gets, .gat, .gats: hasMoreKeys ? .values : .value
        case .set: .set
        case .add, .replace, .append, .prepend: .storeIf
        case .cas: .storeSame
        case .incr, .decr: .count
        case .touch: .touch
        case .delete: .delete
        case .flushAll, .verbosity: .done
        case .version: .version
        case .stats: .statistics
        case .metaGet: .metaGet
        case .metaSet: .metaSet
        case .metaDelete: .metaDelete
        case .metaArithmetic: .metaArithmetic
        case .metaDebug: .metaDebug
        case .quit, .metaNoop, .unknown: nil
        }
    }

    /// The class as requests remember it.
    var expectedKind: UInt8 {
        (replyClass?.rawValue ?? ReplyKind.any) | (isQuiet ? MemcacheReplyClass.quiet : 0)
    }
}
