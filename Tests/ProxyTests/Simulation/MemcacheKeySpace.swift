@testable import Proxy

/// One client's keys of a memcache pool, and what each of them may hold.
struct MemcacheKeySpace: Dialogue {
    typealias Answer = [MemcacheReply]

    let owner: [UInt8]
    let names: [[UInt8]]
    let counters: [[UInt8]]
    /// Keys that only meta commands can tell, in base64.
    let binaries: [[UInt8]]
    /// Keys that all clients write.
    static let shared = ["r0", "r1"].map(\.utf8Bytes)
    /// One key of each server that has one, whoever's.
    let everywhere: [[UInt8]]
    /// Whether there is nobody else whose keys would be removed.
    let mayRemoveAll: Bool
    /// Whether requests go on one connection to each server, and so cannot overtake each other.
    let mayBeUnanswered: Bool
    var states: [[UInt8]: MemcacheKeyState] = [:]
    /// The newest that have been seen.
    var versions: [[UInt8]: UInt64] = [:]
    var serial = 0
    var opaque = 0

    init(client: Int, in world: World) {
        owner = "c\(client)".utf8Bytes
        names = (0..<world.chance.within(1...4)).map { index in
            let name = "c\(client)k\(index)".utf8Bytes
            switch index {
            case 2: return name + [1, 9, 13, 31, 127, 13]
            case 3: return name + [UInt8](repeating: UInt8(ascii: "+"), count: 250 - name.count)
            default: return name
            }
        }
        counters = (0..<world.chance.within(1...2)).map { "c\(client)_\($0)n".utf8Bytes }
        let starts: [[UInt8]] = [[0xFF, 0], [1, 0x7F, 0xC3], "\r\n1\r\nMN\r\n".utf8Bytes]
        binaries = [world.chance.pick(starts) + "c\(client)".utf8Bytes]
        var found: [Int: [UInt8]] = [:]
        var index = 0
        while found.count < world.servers.count {
            let key = "e\(index)".utf8Bytes
            found[world.server(of: key)] = key
            index += 1
        }
        everywhere = Array(found.values)
        mayRemoveAll = world.scenario.clientCount.upperBound == 1
        mayBeUnanswered = world.scenario.serverConnections == 1
        for key in names + counters + binaries { states[key] = MemcacheKeyState() }
    }
}

// MARK: - Asking

extension MemcacheKeySpace {
    func opening() -> MemcacheQuestion? { nil }

    func farewell() -> MemcacheQuestion { .silent("quit\r\n".utf8Bytes) }

    func violation(in world: World) -> MemcacheQuestion { .violation(in: world) }

    mutating func makeRequest(in world: World) -> MemcacheQuestion {
        if world.chance.percent(world.scenario.plainGets) { return plainReading(in: world) }
        switch world.chance.below(24) {
        case 0..<2: return reading(of: 1...1, in: world)
        case 2..<5: return reading(of: 1...8, in: world)
        case 5..<11: return .classic(classicCommand(in: world))
        case 11..<14: return .meta([metaCommand(isQuiet: false, in: world)], isEnded: false)
        case 14..<17 where mayBeUnanswered:
            let commands = (0..<world.chance.within(1...6)).map { _ in
                metaCommand(isQuiet: world.chance.percent(75), in: world)
            }
            return .meta(commands, isEnded: true)
        case 17..<20: return racing(in: world)
        case 20: return broadcast(in: world)
        case 21: return statistics(in: world)
        case 22:
            return .exact(
                "version\r\n".utf8Bytes, "VERSION 1.6.18", keys: ["placeholder".utf8Bytes])
        default: return .local(in: world)
        }
    }

    private func reading(of count: ClosedRange<Int>, in world: World) -> MemcacheQuestion {
        let keys = (0..<world.chance.within(count)).map { _ in
            world.chance.pick(names + counters)
        }
        let isTouching = world.chance.percent(30)
        return .get(
            MemcacheQuestion.Reading(
                keys: keys, wantsVersions: world.chance.percent(50),
                lifetime: isTouching ? lifetime(in: world) : nil, madeAt: second(in: world),
                hasShortEnd: world.chance.percent(30)))
    }

    /// The get that others may join.
    private func plainReading(in world: World) -> MemcacheQuestion {
        .get(
            MemcacheQuestion.Reading(
                keys: [world.chance.pick(names + counters)], wantsVersions: false, lifetime: nil,
                madeAt: second(in: world)))
    }

    private func broadcast(in world: World) -> MemcacheQuestion {
        let isRemoval = mayRemoveAll && world.chance.percent(50)
        // One that is to come later takes back those that have been.
        let words =
            isRemoval
            ? ["flush_all", "flush_all 0"]
            : ["verbosity 1"] + (mayRemoveAll ? [] : ["flush_all 3600"])
        return .everywhere(
            world.chance.pick(words), keys: everywhere, isRemoval: isRemoval,
            isNoreply: mayBeUnanswered && world.chance.percent(30))
    }

    private func statistics(in world: World) -> MemcacheQuestion {
        let count = world.servers.count
        return .statistics(
            keys: everywhere,
            [
                "threads \(count * 4)", "version 1.6.18",
                "curr_items \(count * (count + 1) / 2)",
            ])
    }

    /// Something about a key that all clients write.
    private mutating func racing(in world: World) -> MemcacheQuestion {
        let key = world.chance.pick(Self.shared)
        let isMeta = world.chance.percent(40)
        let madeAt = second(in: world)
        if world.chance.percent(50) {
            let version = world.races.newestVersion(of: key)
            return write(version, to: key, isMeta: isMeta, in: world)
        }
        guard isMeta else {
            return .get(
                MemcacheQuestion.Reading(
                    keys: [key], wantsVersions: true, lifetime: nil, madeAt: madeAt))
        }
        return .meta(
            [command(.read(lifetime: nil), at: key, ["v", "c"], in: world)], isEnded: false)
    }

    /// With the newest version that anybody knows, so that two of them often are the same.
    private mutating func write(
        _ version: UInt64?, to key: [UInt8], isMeta: Bool, in world: World
    ) -> MemcacheQuestion {
        serial += 1
        let data = owner + "s\(serial)".utf8Bytes
        world.races.offer(data, at: key)
        let action = MemcacheAction.store(
            MemcacheAction.Store(data: data, flags: "9", version: version))
        guard isMeta else {
            return .classic(
                ClassicCommand(key: key, action: action, madeAt: second(in: world)))
        }
        let flags = ["F9", "c"] + (version.map { ["C\($0)"] } ?? [])
        return .meta([command(action, at: key, flags, in: world)], isEnded: false)
    }
}
