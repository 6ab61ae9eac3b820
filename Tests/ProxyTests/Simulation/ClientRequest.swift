@testable import Proxy

/// One thing that a client of a redis pool sends, and what it must get for it.
enum ClientRequest: Question {
    case get([UInt8])
    case set([UInt8], [UInt8], isInline: Bool)
    case mget([[UInt8]])
    case mset([(key: [UInt8], value: [UInt8])])
    /// DEL or UNLINK.
    case remove(String, [[UInt8]])
    /// EXISTS or TOUCH.
    case count(String, [[UInt8]])
    case rename([UInt8], [UInt8], isPossible: Bool)
    /// The proxy's own answer, whatever happens.
    case exact([UInt8], Reply)
    /// A server's answer that does not depend on its data.
    case fixed([UInt8], Reply, key: [UInt8])
    /// Bytes that ask for nothing.
    case silent([UInt8])

    var bytes: [UInt8] {
        switch self {
        case .get(let key): encode([Self.name("GET"), key])
        case .set(let key, let value, isInline: false): encode([Self.name("SET"), key, value])
        case .set(let key, let value, isInline: true):
            Self.name("set ") + key + Self.name("  '") + value + Self.name("'\n")
        case .mget(let keys): encode([Self.name("mget")] + keys)
        case .mset(let pairs): encode([Self.name("MSet")] + pairs.flatMap { [$0.key, $0.value] })
        case .remove(let name, let keys), .count(let name, let keys):
            encode([Self.name(name)] + keys)
        case .rename(let from, let to, _): encode([Self.name("RENAME"), from, to])
        case .exact(let bytes, _), .fixed(let bytes, _, _), .silent(let bytes): bytes
        }
    }

    private static func name(_ text: String) -> [UInt8] { Array(text.utf8) }

    var hasReply: Bool {
        if case .silent = self { false } else { true }
    }

    var keys: [[UInt8]] {
        switch self {
        case .get(let key), .set(let key, _, _), .fixed(_, _, let key): [key]
        case .mget(let keys), .remove(_, let keys), .count(_, let keys): keys
        case .mset(let pairs): pairs.map(\.key)
        case .rename(let from, _, let isPossible): isPossible ? [from] : []
        case .exact, .silent: []
        }
    }

    /// Whether a server has sent too few values, or too many. Where all keys are on one server,
    /// the proxy hands its reply on as it came.
    func isMiscounted(_ reply: Reply, in world: World) -> Bool {
        guard case .mget(let keys) = self, case .array(let values) = reply else { return false }
        return values.count != keys.count
            && keys.allSatisfy {
                world.placement.relation(of: keys[0], $0, since: 0).mayAgree
            }
    }
}

// MARK: - What needs no keys

extension ClientRequest {
    static var refusedTransaction: ClientRequest {
        .exact(
            encode([Array("MULTI".utf8)]),
            .error(
                "ERR unknown command 'MULTI', with args beginning with: : not supported through "
                    + "the proxy, it would change a connection that clients share"))
    }

    static func endOfTransaction(isDiscarded: Bool) -> ClientRequest {
        let aborted = "EXECABORT Transaction discarded because of previous errors."
        return .exact(
            encode([Array((isDiscarded ? "discard" : "Exec").utf8)]),
            isDiscarded ? .simple("OK") : .error(aborted))
    }

    /// Whether it has no answer of its own inside of a transaction.
    var isSilentOrTransaction: Bool {
        !hasReply || bytes == Self.refusedTransaction.bytes
    }

    static func local(in world: World) -> ClientRequest {
        let word = Array("w\(world.chance.below(1000))".utf8)
        switch world.chance.below(9) {
        case 0: return .exact(encode([Array("PING".utf8)]), .simple("PONG"))
        case 1: return .exact(encode([Array("ping".utf8), word]), .bulk(word))
        case 2:
            let size = world.chance.within(world.scenario.bigValueSizes)
            let value = [UInt8](repeating: UInt8(ascii: "e"), count: size)
            return .exact(encode([Array("ECHO".utf8), value]), .bulk(value))
        case 3: return .exact(Array("PING\r\n".utf8), .simple("PONG"))
        case 4:
            return .exact(Array("  echo \"a\\x41 b\" \n".utf8), .bulk(Array("aA b".utf8)))
        case 5:
            let start = "ERR unknown command 'FOO', with args beginning with: "
            let arguments = (0..<world.chance.below(4)).map { "a\($0)" }
            let list = arguments.map { "'\($0)' " }.joined()
            return .exact(
                encode([Array("FOO".utf8)] + arguments.map { Array($0.utf8) }),
                .error(start + list))
        case 6:
            let name = world.chance.pick(["get", "mget", "set", "echo", "del"])
            return .exact(
                encode([Array(name.utf8)]),
                .error("ERR wrong number of arguments for '\(name)' command"))
        case 7: return .silent(world.chance.pick([Array("\r\n".utf8), Array("*0\r\n".utf8)]))
        default:
            return .exact(
                encode([Array("SELECT".utf8), Array("\(world.scenario.database)".utf8)]),
                .simple("OK"))
        }
    }

    /// After which the proxy closes.
    static func violation(in world: World) -> ClientRequest {
        switch world.chance.below(4) {
        case 0:
            return .exact(
                Array("*x\r\n".utf8), .error("ERR Protocol error: invalid multibulk length"))
        case 1:
            return .exact(
                Array("*1\r\n:1\r\n".utf8), .error("ERR Protocol error: expected '$', got ':'"))
        case 2:
            return .exact(
                Array("*1\r\n$-5\r\n".utf8), .error("ERR Protocol error: invalid bulk length"))
        default:
            return .exact(
                Array("echo 'a\r\n".utf8),
                .error("ERR Protocol error: unbalanced quotes in request"))
        }
    }
}
