@testable import Proxy

/// One thing that a client of a memcache pool sends, and what it must get for it.
enum MemcacheQuestion: Question {
    case get(Reading)
    case classic(ClassicCommand)
    /// Meta commands. With `mn` at the end they are one question, which `MN` answers.
    case meta([MetaCommand], isEnded: Bool)
    /// To every server, all of which have some of the keys. It may remove them all.
    case everywhere(String, keys: [[UInt8]], isRemoval: Bool, isNoreply: Bool)
    /// The sums of what the servers say.
    case statistics(keys: [[UInt8]], [String])
    /// One line, the proxy's own, or a server's that is found by a key.
    case exact([UInt8], String, keys: [[UInt8]])
    /// Bytes that ask for nothing.
    case silent([UInt8])

    /// get, gets, gat or gats.
    struct Reading {
        let keys: [[UInt8]]
        let wantsVersions: Bool
        let lifetime: Int?
        let madeAt: Int
        /// Whether there is no CR before the LF.
        var hasShortEnd = false

        var action: MemcacheAction { .read(lifetime: lifetime) }
    }

    var bytes: [UInt8] {
        switch self {
        case .get(let reading):
            let name =
                (reading.lifetime == nil ? "get" : "gat") + (reading.wantsVersions ? "s" : "")
            let start = [name.utf8Bytes] + (reading.lifetime.map { ["\($0)".utf8Bytes] } ?? [])
            let line = Self.line(start + reading.keys)
            // A CR at the end of the last key would be one of the line end.
            let isShort = reading.hasShortEnd && reading.keys.last?.last != 13
            return isShort ? line.dropLast(2) + "\n".utf8Bytes : line
        case .classic(let command): return command.bytes
        case .meta(let commands, let isEnded):
            return commands.flatMap(\.bytes) + (isEnded ? Self.line(["mn".utf8Bytes]) : [])
        case .everywhere(let words, _, _, let isNoreply):
            return "\(words)\(isNoreply ? " noreply" : "")\r\n".utf8Bytes
        case .statistics: return Self.line(["stats servers".utf8Bytes])
        case .exact(let bytes, _, _), .silent(let bytes): return bytes
        }
    }

    private static func line(_ words: [[UInt8]]) -> [UInt8] {
        Array(words.joined(separator: " ".utf8Bytes)) + "\r\n".utf8Bytes
    }

    var hasReply: Bool {
        switch self {
        case .classic(let command): !command.isNoreply
        case .everywhere(_, _, _, let isNoreply): !isNoreply
        case .silent: false
        default: true
        }
    }

    /// The proxy knows what is wrong with a line before its data block has come.
    var mayBeAnsweredEarly: Bool {
        if case .exact(_, _, keys: []) = self { true } else { false }
    }

    var isSeveral: Bool {
        if case .meta(_, isEnded: true) = self { true } else { false }
    }

    var keys: [[UInt8]] {
        switch self {
        case .get(let reading): reading.keys
        case .everywhere(_, let keys, _, _), .statistics(let keys, _), .exact(_, _, let keys):
            keys
        case .classic(let command): [command.key]
        case .meta(let commands, _): commands.map(\.key)
        case .silent: []
        }
    }
}

extension String {
    var utf8Bytes: [UInt8] { Array(utf8) }
}

// MARK: - What needs no keys

extension MemcacheQuestion {
    static func local(in world: World) -> MemcacheQuestion {
        let tooLong = String(repeating: "k", count: 251)
        let badLine = "CLIENT_ERROR bad command line format"
        let (text, answer) =
            switch world.chance.below(10) {
            case 0, 1: ("mn\r\n", "MN")
            case 2: ("foo bar\r\n", "ERROR")
            case 3: ("\r\n", "ERROR")
            case 4: ("get\r\n", "ERROR")
            case 5: ("get \(world.chance.percent(50) ? "a " : "")\(tooLong) b\r\n", badLine)
            case 6: ("set a 0 0 x\r\n", badLine)
            // Its data block belongs to it all the same.
            case 7: ("set a 0 0 +8\r\nget b c \r\n", badLine)
            case 8: ("set a 0 0 4\r\nabcdef", "CLIENT_ERROR bad data chunk")
            default: ("gat x a\r\n", "CLIENT_ERROR invalid exptime argument")
            }
        if answer == "MN" { return .meta([], isEnded: true) }
        return .exact(text.utf8Bytes, answer, keys: [])
    }

    /// After which the proxy closes.
    static func violation(in world: World) -> MemcacheQuestion {
        switch world.chance.below(2) {
        case 0:
            let line = "set " + String(repeating: "long ", count: 500)
            return .exact(line.utf8Bytes, "CLIENT_ERROR line too long", keys: [])
        default: return .silent("GET / HTTP/1.1\r\n".utf8Bytes)
        }
    }
}
