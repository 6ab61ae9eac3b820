@testable import Proxy

/// One client's keys of a memcache pool, and what each of them may hold.
struct MemcacheKeySpace: Dialogue {
    typealias Answer = [MemcacheReply]

    private let owner: [UInt8]
    private let names: [[UInt8]]
    private let counters: [[UInt8]]
    /// One key of each server that has one, whoever's.
    private let everywhere: [[UInt8]]
    /// Whether there is nobody else whose keys would be removed.
    private let mayRemoveAll: Bool
    /// Whether requests go on one connection to each server, and so cannot overtake each other.
    private let mayBeUnanswered: Bool
    private var states: [[UInt8]: KeyState] = [:]
    private var serial = 0
    private var opaque = 0

    init(client: Int, in world: World) {
        owner = "c\(client)".utf8Bytes
        names = (0..<world.chance.within(1...8)).map { index in
            let name = "c\(client)k\(index)".utf8Bytes
            return index == 7
                ? name + [UInt8](repeating: UInt8(ascii: "+"), count: 250 - name.count) : name
        }
        counters = (0..<2).map { "c\(client)_\($0)n".utf8Bytes }
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
        for key in names + counters { states[key] = KeyState() }
    }
}

// MARK: - Asking

extension MemcacheKeySpace {
    func opening() -> MemcacheQuestion? { nil }

    func farewell() -> MemcacheQuestion { .silent("quit\r\n".utf8Bytes) }

    func violation(in world: World) -> MemcacheQuestion { .violation(in: world) }

    mutating func makeRequest(in world: World) -> MemcacheQuestion {
        let key = world.chance.pick(names + counters)
        let isNoreply = mayBeUnanswered && world.chance.percent(30)
        switch world.chance.below(24) {
        case 0..<3: return .get(readName(in: world), [key])
        case 3..<6: return .get(readName(in: world), some(1...8, in: world))
        case 6..<10:
            return .store("set", key, value: value(for: key, in: world), isNoreply: isNoreply)
        case 10:
            return .store("add", key, value: value(for: key, in: world), isNoreply: isNoreply)
        case 11: return .delete(key, isNoreply: isNoreply)
        case 12: return .touch(key, isNoreply: isNoreply)
        case 13, 14:
            let delta = world.chance.below(1000)
            return .incr(world.chance.pick(counters), delta: delta, isNoreply: isNoreply)
        case 15, 16: return .meta([metaCommand(isQuiet: false, in: world)], isEnded: false)
        case 17..<20 where mayBeUnanswered:
            let commands = (0..<world.chance.within(1...6)).map { _ in
                metaCommand(isQuiet: world.chance.percent(75), in: world)
            }
            return .meta(commands, isEnded: true)
        case 20: return broadcast(isNoreply: isNoreply, in: world)
        case 21: return statistics(in: world)
        case 22:
            return .exact(
                "version\r\n".utf8Bytes, "VERSION 1.6.18", keys: ["placeholder".utf8Bytes])
        default: return .local(in: world)
        }
    }

    private func readName(in world: World) -> String {
        world.chance.pick(["get", "get", "gets", "gat 0", "gats 0"])
    }

    private func some(_ count: ClosedRange<Int>, in world: World) -> [[UInt8]] {
        (0..<world.chance.within(count)).map { _ in world.chance.pick(names + counters) }
    }

    private func broadcast(isNoreply: Bool, in world: World) -> MemcacheQuestion {
        let isRemoval = mayRemoveAll && world.chance.percent(50)
        return .everywhere(
            isRemoval ? "flush_all" : world.chance.pick(["flush_all 3600", "verbosity 1"]),
            keys: everywhere, isRemoval: isRemoval, isNoreply: isNoreply)
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

    private mutating func metaCommand(isQuiet: Bool, in world: World) -> MetaCommand {
        let key = world.chance.pick(names + counters)
        opaque += 1
        let kind: MetaCommand.Kind =
            switch world.chance.below(8) {
            case 0..<4: .get
            case 4, 5: .set(value(for: key, in: world))
            case 6: .add(value(for: key, in: world))
            default: .delete
            }
        return MetaCommand(
            kind: kind, key: key, opaque: opaque, isQuiet: isQuiet,
            wantsKey: world.chance.percent(30))
    }

    /// Says who wrote it when, as far as its size allows; or is a number.
    private mutating func value(for key: [UInt8], in world: World) -> [UInt8] {
        serial += 1
        if MemcacheQuestion.isCounter(key) {
            return "\(serial * 1_000_000 + world.chance.below(1000))".utf8Bytes
        }
        let sizes =
            world.chance.percent(10) ? world.scenario.bigValueSizes : world.scenario.valueSizes
        let size = world.chance.within(sizes)
        var value = owner + "s\(serial)\r\nEND\r\nVALUE c0k0 1 1\r\nMN\r\n".utf8Bytes
        while value.count < size { value += value }
        value.removeLast(value.count - size)
        return value
    }
}

// MARK: - Answers

extension MemcacheKeySpace {
    /// A question that ends with `mn` has all replies up to `MN` as its answer, but for that.
    func read(
        _ reader: inout WireReader, to asked: MemcacheQuestion?
    ) throws(WireReader.Failure) -> [MemcacheReply] {
        guard case .meta(_, isEnded: true) = asked else { return [try reader.memcacheReply()] }
        var replies: [MemcacheReply] = []
        while true {
            let reply = try reader.memcacheReply()
            if reply.isBarrier { return replies }
            replies.append(reply)
            if reply.error == Self.refusal { return replies }
        }
    }

    func summary(of answer: [MemcacheReply]) -> String {
        answer.map(\.summary).joined(separator: ", ")
    }

    mutating func accept(
        _ answer: [MemcacheReply], to asked: MemcacheQuestion, in world: World
    ) -> Bool {
        if case .meta(let commands, _) = asked {
            guard let next = resolve(commands[...], answer[...], takesErrors: false, in: world)
            else { return false }
            self = next
            return true
        }
        guard answer.count == 1 else { return false }
        switch (asked, answer[0]) {
        case (.get(let name, let keys), .values(let values)):
            return areRight(values, of: keys, hasVersion: name.contains("s"), in: world)
        case (.statistics(_, let expected), .statistics(let lines)): return lines == expected
        case (.exact(_, let expected, _), .line(let line)): return line == expected
        case (.everywhere(_, _, let isRemoval, _), .line("OK")):
            if isRemoval { for key in states.keys { states[key]!.value = nil } }
            return true
        case (_, .line(let line)): return accept(line, to: asked, in: world)
        default: return false
        }
    }

    /// Present keys in order, each as often as it was asked for, and no others.
    private func areRight(
        _ values: [MemcacheReply.Value], of keys: [[UInt8]], hasVersion: Bool, in world: World
    ) -> Bool {
        var left = values[...]
        var seen: [[UInt8]: [UInt8]?] = [:]
        for key in keys {
            var found: [UInt8]?
            if let value = left.first, areSame(value.key, key) {
                left.removeFirst()
                found = value.data
                guard value.flags == MemcacheQuestion.flags(of: value.data, at: key),
                    (value.version != nil) == hasVersion
                else { return false }
            }
            if let before = seen[key], !areSame(before, found) { return false }
            seen[key] = .some(found)
            guard mayBe(key, found, in: world) else { return false }
        }
        return left.isEmpty
    }

    private func mayBe(_ key: [UInt8], _ found: [UInt8]?, in world: World) -> Bool {
        states[key]!.mayBe(
            found, isOwn: { $0.allSatisfy { 0x30...0x39 ~= $0 } },
            { world.mayBeLost(key, since: $0) })
    }

    private func mayExist(_ key: [UInt8], _ exists: Bool, in world: World) -> Bool {
        states[key]!.mayExist(exists) { world.mayBeLost(key, since: $0) }
    }

    private mutating func accept(
        _ line: String, to asked: MemcacheQuestion, in world: World
    ) -> Bool {
        switch (asked, line) {
        case (.store("set", let key, let value, _), "STORED"):
            states[key]!.value = value
            return true
        case (.store("add", let key, let value, _), "STORED"):
            defer { states[key]!.value = value }
            return mayExist(key, false, in: world)
        case (.store("add", let key, _, _), "NOT_STORED"): return mayExist(key, true, in: world)
        case (.delete(let key, _), "DELETED"), (.delete(let key, _), "NOT_FOUND"):
            defer { states[key]!.value = nil }
            return mayExist(key, line == "DELETED", in: world)
        case (.touch(let key, _), "TOUCHED"), (.touch(let key, _), "NOT_FOUND"):
            return mayExist(key, line == "TOUCHED", in: world)
        case (.incr(let key, _, _), "NOT_FOUND"): return mayExist(key, false, in: world)
        case (.incr(let key, let delta, _), _):
            guard let sum = Int(line) else { return false }
            let before = "\(sum - delta)".utf8Bytes
            defer { states[key]!.value = line.utf8Bytes }
            return mayBe(key, before, in: world)
        default: return false
        }
    }

    // MARK: Meta commands

    /// What is known after some replies to some commands, of which quiet ones may have none; nil if
    /// they cannot be the replies.
    private func resolve(
        _ commands: ArraySlice<MetaCommand>, _ replies: ArraySlice<MemcacheReply>,
        takesErrors: Bool, in world: World
    ) -> MemcacheKeySpace? {
        guard let command = commands.first else { return replies.isEmpty ? self : nil }
        let rest = commands.dropFirst()
        var next = self
        if command.isQuiet, next.acceptSilence(about: command, in: world),
            let end = next.resolve(rest, replies, takesErrors: takesErrors, in: world)
        {
            return end
        }
        guard let reply = replies.first else { return nil }
        next = self
        if reply.error != nil {
            guard takesErrors else { return nil }
            next.noteFailure(of: command)
        } else {
            guard next.accept(reply, to: command, in: world) else { return nil }
        }
        return next.resolve(rest, replies.dropFirst(), takesErrors: takesErrors, in: world)
    }

    /// Whether there may be no reply, and what follows from that.
    private mutating func acceptSilence(about command: MetaCommand, in world: World) -> Bool {
        let key = command.key
        switch command.kind {
        case .get: return mayBe(key, nil, in: world)
        case .delete:
            states[key]!.value = nil
            return true
        case .set(let value):
            states[key]!.value = value
            return true
        case .add(let value):
            defer { states[key]!.value = value }
            return mayExist(key, false, in: world)
        }
    }

    private mutating func accept(
        _ reply: MemcacheReply, to command: MetaCommand, in world: World
    ) -> Bool {
        guard case .meta(let code, let flags, let data) = reply else { return false }
        let key = command.key
        if case .get = command.kind {
            if code == "EN" { return !command.isQuiet && mayBe(key, nil, in: world) }
            return code == "VA" && flags == command.shownFlags(data)
                && mayBe(key, data, in: world)
        }
        guard flags == command.shownFlags(nil), code == "NS" || !command.isQuiet else {
            return false
        }
        switch (command.kind, code) {
        case (.delete, "HD"), (.delete, "NF"):
            defer { states[key]!.value = nil }
            return mayExist(key, code == "HD", in: world)
        case (.set(let value), "HD"):
            states[key]!.value = value
            return true
        case (.add(let value), "HD"):
            defer { states[key]!.value = value }
            return mayExist(key, false, in: world)
        case (.add, "NS"): return mayExist(key, true, in: world)
        default: return false
        }
    }
}

// MARK: - Failures

extension MemcacheKeySpace {
    func error(
        in answer: [MemcacheReply], to asked: MemcacheQuestion?, in world: World
    ) -> String? {
        let errors = answer.compactMap(\.error)
        if errors != [Self.refusal], case .meta(let commands, isEnded: true) = asked {
            // All else that was answered must be right.
            guard resolve(commands[...], answer[...], takesErrors: true, in: world) != nil else {
                return nil
            }
        }
        return errors.first { !Self.errors.contains($0) } ?? errors.first
    }

    func isMistaken(
        _ answer: [MemcacheReply], to asked: MemcacheQuestion, in world: World
    ) -> Bool {
        guard case .get(_, let keys) = asked, case .values(let values)? = answer.first else {
            return false
        }
        return Set(keys.map(world.server(of:))).count == 1
            && values.map { text(of: $0.data) } == [text(of: "wrong".utf8)]
    }

    mutating func noteFailure(of asked: MemcacheQuestion) {
        switch asked {
        case .store(_, let key, let value, _): states[key]!.alternatives.append(value)
        case .incr(let key, _, _): states[key]!.isWild = true
        case .delete(let key, _): states[key]!.alternatives.append(nil)
        case .meta(let commands, _): for command in commands { noteFailure(of: command) }
        case .everywhere(_, _, let isRemoval, _):
            if isRemoval { for key in states.keys { states[key]!.alternatives.append(nil) } }
        default: break
        }
    }

    private mutating func noteFailure(of command: MetaCommand) {
        switch command.kind {
        case .get: break
        case .delete: states[command.key]!.alternatives.append(nil)
        case .set(let value), .add(let value): states[command.key]!.alternatives.append(value)
        }
    }

    /// It was done in its turn, unless it was lost, or is done later, with what its server failed.
    mutating func noteUnanswered(
        _ asked: MemcacheQuestion, since turn: Int, in world: World
    ) {
        switch asked {
        case .store(let name, let key, let value, _):
            let before = states[key]!.value
            let mayBeDone = name == "set" || mayExist(key, false, in: world)
            let mayBeLeft = name == "add" && mayExist(key, true, in: world)
            note(mayBeDone ? value : before, at: key, since: turn)
            states[key]!.doubt(value, since: turn)
            if mayBeDone, mayBeLeft { states[key]!.alternatives += [before, value] }
        case .delete(let key, _): note(nil, at: key, since: turn)
        case .incr(let key, let delta, _):
            let state = states[key]!
            if !state.alternatives.isEmpty { states[key]!.isWild = true }
            states[key]!.doubtAll(since: min(turn, state.doubts.map(\.turn).min() ?? turn))
            if let value = state.value, let number = Int(String(decoding: value, as: UTF8.self)) {
                states[key]!.value = "\(number + delta)".utf8Bytes
            }
        case .everywhere(_, _, isRemoval: true, _):
            for key in states.keys { note(nil, at: key, since: turn) }
        default: break
        }
    }

    /// The value of a key changes, unless its server failed.
    private mutating func note(_ value: [UInt8]?, at key: [UInt8], since turn: Int) {
        states[key]!.doubt(states[key]!.value, since: turn)
        states[key]!.doubt(value, since: turn)
        states[key]!.value = value
    }
}
