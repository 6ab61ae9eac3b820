@testable import Proxy

/// One thing that a client of a memcache pool sends, and what it must get for it.
enum MemcacheQuestion: Question {
    /// get, gets, gat or gats.
    case get(String, [[UInt8]])
    /// set or add.
    case store(String, [UInt8], value: [UInt8], isNoreply: Bool)
    case incr([UInt8], delta: Int, isNoreply: Bool)
    case delete([UInt8], isNoreply: Bool)
    case touch([UInt8], isNoreply: Bool)
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

    var bytes: [UInt8] {
        switch self {
        case .get(let name, let keys): Self.line([name.utf8Bytes] + keys)
        case .store(let name, let key, let value, let isNoreply):
            Self.line(
                [
                    name.utf8Bytes, key, Self.flags(of: value, at: key).utf8Bytes,
                    "0".utf8Bytes, "\(value.count)".utf8Bytes,
                ], isNoreply) + value + Self.line([])
        case .incr(let key, let delta, let isNoreply):
            Self.line(["incr".utf8Bytes, key, "\(delta)".utf8Bytes], isNoreply)
        case .delete(let key, let isNoreply): Self.line(["delete".utf8Bytes, key], isNoreply)
        case .touch(let key, let isNoreply):
            Self.line(["touch".utf8Bytes, key, "0".utf8Bytes], isNoreply)
        case .meta(let commands, let isEnded):
            commands.flatMap(\.bytes) + (isEnded ? Self.line(["mn".utf8Bytes]) : [])
        case .everywhere(let words, _, _, let isNoreply): Self.line([words.utf8Bytes], isNoreply)
        case .statistics: Self.line(["stats servers".utf8Bytes])
        case .exact(let bytes, _, _), .silent(let bytes): bytes
        }
    }

    private static func line(_ words: [[UInt8]], _ isNoreply: Bool = false) -> [UInt8] {
        let all = isNoreply ? words + ["noreply".utf8Bytes] : words
        return Array(all.joined(separator: " ".utf8Bytes)) + "\r\n".utf8Bytes
    }

    /// Those that go with a value. Numbers have none of their own, as they are counted up.
    static func flags(of value: [UInt8], at key: [UInt8]) -> String {
        isCounter(key) ? "7" : "\(value.count % 1000)"
    }

    static func isCounter(_ key: [UInt8]) -> Bool { key.last == UInt8(ascii: "n") }

    var hasReply: Bool {
        switch self {
        case .store(_, _, _, let isNoreply), .incr(_, _, let isNoreply),
            .delete(_, let isNoreply), .touch(_, let isNoreply),
            .everywhere(_, _, _, let isNoreply):
            !isNoreply
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
        case .get(_, let keys), .everywhere(_, let keys, _, _), .statistics(let keys, _),
            .exact(_, _, let keys):
            keys
        case .store(_, let key, _, _), .incr(let key, _, _), .delete(let key, _),
            .touch(let key, _):
            [key]
        case .meta(let commands, _): commands.map(\.key)
        case .silent: []
        }
    }
}

/// `mg`, `ms` or `md`.
struct MetaCommand {
    enum Kind {
        case get, delete
        case set([UInt8])
        case add([UInt8])
    }

    let kind: Kind
    let key: [UInt8]
    /// By which its reply is known.
    let opaque: Int
    let isQuiet: Bool
    let wantsKey: Bool

    /// The flags that the reply gives back, in their order.
    func shownFlags(_ value: [UInt8]?) -> [String] {
        var shown = ["O\(opaque)"]
        if let value { shown.insert("f" + MemcacheQuestion.flags(of: value, at: key), at: 0) }
        if wantsKey { shown.append("k" + String(decoding: key, as: UTF8.self)) }
        return shown
    }

    var bytes: [UInt8] {
        var options = " O\(opaque)"
        if isQuiet { options = opaque % 2 == 0 ? options + " q" : " q" + options }
        if wantsKey { options += " k" }
        switch kind {
        case .get: return "mg ".utf8Bytes + key + " v f\(options)\r\n".utf8Bytes
        case .delete: return "md ".utf8Bytes + key + "\(options)\r\n".utf8Bytes
        case .set(let value): return write(value, options)
        case .add(let value): return write(value, " ME\(options)")
        }
    }

    private func write(_ value: [UInt8], _ options: String) -> [UInt8] {
        let flags = MemcacheQuestion.flags(of: value, at: key)
        return "ms ".utf8Bytes + key + " \(value.count)\(options) F\(flags)\r\n".utf8Bytes + value
            + "\r\n".utf8Bytes
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
            // One server refuses the second key itself.
            case 5: ("get \(world.servers.count > 1 ? "a " : "")\(tooLong) b\r\n", badLine)
            case 6: ("set a 0 0 x\r\n", badLine)
            // Its data block belongs to it all the same.
            case 7: ("set a\u{1} 0 0 8\r\nget b c \r\n", badLine)
            case 8: ("set a 0 0 4\r\nabcdef", "CLIENT_ERROR bad data chunk")
            default: ("gat x a\r\n", "CLIENT_ERROR invalid exptime argument")
            }
        if answer == "MN" { return .meta([], isEnded: true) }
        return .exact(text.utf8Bytes, answer, keys: [])
    }

    /// After which the proxy closes.
    static func violation(in world: World) -> MemcacheQuestion {
        switch world.chance.below(3) {
        case 0:
            let line = "set " + String(repeating: "long ", count: 500)
            return .exact(line.utf8Bytes, "CLIENT_ERROR line too long", keys: [])
        case 1:
            return .exact(
                [0x80], "CLIENT_ERROR the binary protocol is not supported", keys: [])
        default: return .silent("GET / HTTP/1.1\r\n".utf8Bytes)
        }
    }
}
