@testable import Proxy

/// One client's keys of a redis pool, and what each of them may hold.
struct KeySpace: Dialogue {
    private let client: Int
    private let owner: [UInt8]
    private let names: [[UInt8]]
    private var states: [[UInt8]: KeyState] = [:]
    private var serial = 0
    private let password: String?

    init(client: Int, in world: World) {
        self.client = client
        password = world.scenario.password
        owner = Array("c\(client)".utf8)
        names = (0..<world.chance.within(1...8)).map { index in
            let name = Array("c\(client)k\(index)".utf8)
            return index == 7 ? name + [UInt8](repeating: UInt8(ascii: "+"), count: 5000) : name
        }
        for name in names { states[name] = KeyState() }
    }
}

// MARK: - Asking

extension KeySpace {
    func opening() -> ClientRequest? {
        password.map { .exact(encode([Array("AUTH".utf8), Array($0.utf8)]), .simple("OK")) }
    }

    func farewell() -> ClientRequest {
        .exact(encode([Array("QUIT".utf8)]), .simple("OK"))
    }

    func violation(in world: World) -> ClientRequest { .violation(in: world) }

    mutating func makeRequest(in world: World) -> ClientRequest {
        let key = world.chance.pick(names)
        switch world.chance.below(20) {
        case 0..<5: return .get(key)
        case 5..<9: return .set(key, value(in: world), isInline: false)
        case 9, 10: return .mget(some(in: world))
        case 11, 12: return .mset(some(in: world).map { ($0, value(in: world)) })
        case 13:
            return .remove(world.chance.percent(50) ? "DEL" : "UNLINK", some(in: world))
        case 14: return .count(world.chance.percent(50) ? "EXISTS" : "TOUCH", some(in: world))
        case 15:
            let other = world.chance.pick(names)
            return .rename(
                key, other, isPossible: world.server(of: key) == world.server(of: other))
        case 16:
            return .fixed(
                encode([Array("GET".utf8), key, key]),
                .error("ERR wrong number of arguments for 'get' command"), key: key)
        case 17:
            let value = Array("c\(client)i\(world.chance.below(100))".utf8)
            return .set(key, value, isInline: world.chance.percent(50))
        default: return .local(in: world)
        }
    }

    private func some(in world: World) -> [[UInt8]] {
        (0..<world.chance.within(1...6)).map { _ in world.chance.pick(names) }
    }

    /// Says who wrote it when, as far as its size allows.
    private mutating func value(in world: World) -> [UInt8] {
        serial += 1
        let sizes =
            world.chance.percent(10) ? world.scenario.bigValueSizes : world.scenario.valueSizes
        let size = world.chance.within(sizes)
        var value = owner + Array("s\(serial)\r\n$3\r\n*2\r\n".utf8)
        while value.count < size { value += value }
        value.removeLast(value.count - size)
        return value
    }
}

// MARK: - Answers

extension KeySpace {
    func read(
        _ reader: inout WireReader, to asked: ClientRequest?
    ) throws(WireReader.Failure) -> Reply {
        try reader.reply()
    }

    func summary(of reply: Reply) -> String { reply.summary }

    /// Without what says whose it is.
    func error(in reply: Reply, to asked: ClientRequest?, in world: World) -> String? {
        guard case .error(let text) = reply else { return nil }
        return text.hasPrefix("ERR ") ? String(text.dropFirst(4)) : text
    }

    func isMistaken(_ reply: Reply, to asked: ClientRequest, in world: World) -> Bool {
        asked.isMiscounted(reply, in: world)
    }

    mutating func noteUnanswered(_ asked: ClientRequest, since turn: Int, in world: World) {}

    mutating func accept(_ reply: Reply, to request: ClientRequest, in world: World) -> Bool {
        switch (request, reply) {
        case (.get(let key), .bulk(let found)): return mayBe(key, found)
        case (.set(let key, let value, _), .simple("OK")):
            states[key]!.value = value
            return true
        case (.mget(let keys), .array(let found)):
            return keys.count == found.count
                && zip(keys, found).allSatisfy { key, element in
                    guard case .bulk(let value) = element else { return false }
                    return mayBe(key, value)
                }
        case (.mset(let pairs), .simple("OK")):
            for pair in pairs { states[pair.key]!.value = pair.value }
            return true
        case (.remove(_, let keys), .integer(let count)):
            let counts = Set(keys).map { states[$0]!.count }
            for key in keys { states[key]!.value = nil }
            return isSum(of: counts, count)
        case (.count(_, let keys), .integer(let count)):
            return isSum(of: keys.map { states[$0]!.count }, count)
        case (.rename(let from, let to, _), _): return accept(reply, toRename: request, from, to)
        case (.exact(_, let expected), _), (.fixed(_, let expected, _), _):
            return areSame(expected.bytes, reply.bytes)
        default: return false
        }
    }

    private func mayBe(_ key: [UInt8], _ found: [UInt8]?) -> Bool {
        states[key]!.mayBe(
            found, isOwn: { $0.starts(with: owner) || $0.count < owner.count })
    }

    private func isSum(of counts: [ClosedRange<Int>], _ sum: Int) -> Bool {
        sum >= counts.reduce(0) { $0 + $1.lowerBound }
            && sum <= counts.reduce(0) { $0 + $1.upperBound }
    }

    private mutating func accept(
        _ reply: Reply, toRename request: ClientRequest, _ from: [UInt8], _ to: [UInt8]
    ) -> Bool {
        guard case .rename(_, _, let isPossible) = request, isPossible else {
            guard case .error(let text) = reply else { return false }
            return text == "CROSSSLOT Keys in request don't hash to the same slot"
        }
        let source = states[from]!
        switch reply {
        case .simple("OK"):
            guard from != to else { return source.count.upperBound == 1 }
            states[to]!.value = source.value
            states[to]!.alternatives += source.alternatives
            if source.isWild { states[to]!.isWild = true }
            states[from]!.value = nil
            return source.count.upperBound == 1
        case .error("ERR no such key"): return source.count.lowerBound == 0
        default: return false
        }
    }

    mutating func noteFailure(of request: ClientRequest) {
        switch request {
        case .set(let key, let value, _): states[key]!.alternatives.append(value)
        case .mset(let pairs):
            for pair in pairs { states[pair.key]!.alternatives.append(pair.value) }
        case .remove(_, let keys):
            for key in keys { states[key]!.alternatives.append(nil) }
        case .rename(let from, let to, _):
            states[from]!.isWild = true
            states[to]!.isWild = true
        default: break
        }
    }
}
