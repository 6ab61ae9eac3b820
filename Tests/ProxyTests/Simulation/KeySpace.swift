@testable import Proxy

/// One client's keys of a redis pool, and what each of them may hold.
struct KeySpace: Dialogue {
    private let client: Int
    private let owner: [UInt8]
    private let names: [[UInt8]]
    /// Per server, for it may be another's while its own is taken out.
    private var states: [[UInt8]: [KeyState]] = [:]
    private var serial = 0
    private let password: String?
    /// Requests to come up to the end of a transaction that is refused; nil outside of one.
    private var heldBack: Int?

    init(client: Int, in world: World) {
        self.client = client
        password = world.scenario.password
        owner = Array("c\(client)".utf8)
        names = (0..<world.chance.within(1...8)).map { index in
            let name = Array("c\(client)k\(index)".utf8)
            return index == 7 ? name + [UInt8](repeating: UInt8(ascii: "+"), count: 5000) : name
        }
        let count = world.servers.count
        for name in names { states[name] = Array(repeating: KeyState(), count: count) }
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
        if let left = heldBack { return makeHeldBackRequest(left, in: world) }
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
            let areNeighbours = world.server(of: key) == world.server(of: other)
            return .rename(
                key, other, isPossible: areNeighbours || world.scenario.ejectsServers)
        case 16:
            return .fixed(
                encode([Array("GET".utf8), key, key]),
                .error("ERR wrong number of arguments for 'get' command"), key: key)
        case 17:
            let value = Array("c\(client)i\(world.chance.below(100))".utf8)
            return .set(key, value, isInline: world.chance.percent(50))
        case 18 where world.chance.percent(30):
            heldBack = world.chance.below(5)
            return .refusedTransaction
        default: return .local(in: world)
        }
    }

    /// Whatever it is, nothing of it is executed: the keys keep what they hold.
    private mutating func makeHeldBackRequest(_ left: Int, in world: World) -> ClientRequest {
        guard left > 0 else {
            heldBack = nil
            return .endOfTransaction(isDiscarded: world.chance.percent(50))
        }
        var request: ClientRequest
        repeat {
            heldBack = nil
            request = makeRequest(in: world)
        } while request.isSilentOrTransaction
        heldBack = left - 1
        return .exact(
            request.bytes,
            .error("ERR not executed, as MULTI was refused: no transactions through the proxy"))
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

    mutating func accept(
        _ reply: Reply, to request: ClientRequest, since turn: Int, in world: World
    ) -> Bool {
        let places = request.places(since: turn, in: world)
        switch (request, reply) {
        case (.get(let key), .bulk(let found)): return mayBe(key, at: places[key]!, found)
        case (.set(let key, let value, _), .simple("OK")):
            write(value, to: key, at: places[key]!)
            return true
        case (.mget(let keys), .array(let found)):
            return keys.count == found.count
                && zip(keys, found).allSatisfy { key, element in
                    guard case .bulk(let value) = element else { return false }
                    return mayBe(key, at: places[key]!, value)
                }
        case (.mset(let pairs), .simple("OK")):
            for pair in pairs { write(pair.value, to: pair.key, at: places[pair.key]!) }
            return true
        case (.remove(_, let keys), .integer(let count)):
            let counts = Set(keys).map { self.count(of: $0, at: places[$0]!) }
            for key in keys { write(nil, to: key, at: places[key]!) }
            return isSum(of: counts, count)
        case (.count(_, let keys), .integer(let count)):
            return isSum(of: keys.map { self.count(of: $0, at: places[$0]!) }, count)
        case (.rename(let from, let to, let isPossible), _):
            let relation = world.placement.relation(of: from, to, since: turn)
            if reply.isCrossslot { return relation.mayDiffer }
            return isPossible && relation.mayAgree
                && accept(reply, toRename: from, to, at: places[from]!)
        case (.exact(_, let expected), _), (.fixed(_, let expected, _), _):
            if case .error(let text) = expected, text.hasPrefix("ERR unknown command") {
                world.refusedCommandCount += 1
            }
            return areSame(expected.bytes, reply.bytes)
        default: return false
        }
    }

    private func mayBe(_ key: [UInt8], at places: [Int], _ found: [UInt8]?) -> Bool {
        places.contains { place in
            states[key]![place].mayBe(
                found, isOwn: { $0.starts(with: owner) || $0.count < owner.count })
        }
    }

    /// Where it may have been written in one of several places, it may be as before in each.
    private mutating func write(_ value: [UInt8]?, to key: [UInt8], at places: [Int]) {
        if places.count == 1 {
            states[key]![places[0]].value = value
        } else {
            mayWrite(value, to: key, at: places)
        }
    }

    private mutating func mayWrite(_ value: [UInt8]?, to key: [UInt8], at places: [Int]) {
        for place in places { states[key]![place].alternatives.append(value) }
    }

    /// How many there may be of a key: none or one.
    private func count(of key: [UInt8], at places: [Int]) -> ClosedRange<Int> {
        let counts = places.map { states[key]![$0].count }
        return counts.map(\.lowerBound).min()!...counts.map(\.upperBound).max()!
    }

    private func isSum(of counts: [ClosedRange<Int>], _ sum: Int) -> Bool {
        sum >= counts.reduce(0) { $0 + $1.lowerBound }
            && sum <= counts.reduce(0) { $0 + $1.upperBound }
    }

    private mutating func accept(
        _ reply: Reply, toRename from: [UInt8], _ to: [UInt8], at places: [Int]
    ) -> Bool {
        switch reply {
        case .simple("OK"):
            let mayExist = count(of: from, at: places).upperBound == 1
            guard from != to else { return mayExist }
            if places.count == 1 {
                move(from, to, at: places[0])
            } else {
                forget([from, to], at: places)
            }
            return mayExist
        case .error("ERR no such key"): return count(of: from, at: places).lowerBound == 0
        default: return false
        }
    }

    private mutating func move(_ from: [UInt8], _ to: [UInt8], at place: Int) {
        let source = states[from]![place]
        states[to]![place].value = source.value
        states[to]![place].alternatives += source.alternatives
        if source.isWild { states[to]![place].isWild = true }
        states[from]![place].value = nil
    }

    private mutating func forget(_ keys: [[UInt8]], at places: [Int]) {
        for key in keys { for place in places { states[key]![place].isWild = true } }
    }

    mutating func noteFailure(of request: ClientRequest, since turn: Int, in world: World) {
        let places = request.places(since: turn, in: world)
        switch request {
        case .set(let key, let value, _): mayWrite(value, to: key, at: places[key]!)
        case .mset(let pairs):
            for pair in pairs { mayWrite(pair.value, to: pair.key, at: places[pair.key]!) }
        case .remove(_, let keys):
            for key in keys { mayWrite(nil, to: key, at: places[key]!) }
        case .rename(let from, let to, _): forget([from, to], at: places[from] ?? [])
        default: break
        }
    }
}

extension ClientRequest {
    /// The servers that each of its keys may have had, sent in that turn or later.
    fileprivate func places(since turn: Int, in world: World) -> [[UInt8]: [Int]] {
        var places: [[UInt8]: [Int]] = [:]
        for key in keys where places[key] == nil {
            places[key] = world.placement.places(of: key, since: turn)
        }
        return places
    }
}

extension Reply {
    fileprivate var isCrossslot: Bool {
        guard case .error(let text) = self else { return false }
        return text == "CROSSSLOT Keys in request don't hash to the same slot"
    }
}
