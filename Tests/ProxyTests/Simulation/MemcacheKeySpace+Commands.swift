// What clients of a memcache pool ask about a single key.

extension MemcacheKeySpace {
    func second(in world: World) -> Int { MemcacheClock.second(at: world.clock) }

    mutating func classicCommand(in world: World) -> ClassicCommand {
        let key = world.chance.pick(names + counters)
        let action: MemcacheAction
        switch world.chance.below(16) {
        case 0..<3: action = .store(store(.set, at: key, in: world))
        case 3..<7:
            let mode = world.chance.pick(MemcacheAction.Mode.allCases + [.append, .prepend])
            action = .store(store(mode, at: key, in: world))
        case 7..<10:
            var store = store(.set, at: key, in: world)
            store.version = version(of: key, in: world)
            action = .store(store)
        case 10..<13:
            return classic(.count(count(in: world)), at: countable(in: world), in: world)
        case 13: action = .remove(version: nil)
        default: action = .read(lifetime: lifetime(in: world))
        }
        return classic(action, at: key, in: world)
    }

    private func classic(
        _ action: MemcacheAction, at key: [UInt8], in world: World
    ) -> ClassicCommand {
        let isNoreply = mayBeUnanswered && world.chance.percent(30)
        return ClassicCommand(
            key: key, action: action, isNoreply: isNoreply, madeAt: second(in: world))
    }

    mutating func metaCommand(isQuiet: Bool, in world: World) -> MetaCommand {
        let key = world.chance.pick(names + counters + binaries)
        let quiet = isQuiet ? ["q"] : []
        switch world.chance.below(16) {
        case 0..<6:
            var flags = ["v", "f", "c", "t", "s"].filter { _ in world.chance.percent(60) }
            let wantsLifetime = world.chance.percent(30)
            // Nobody knows what to say of an item that is over at once.
            let lifetime = wantsLifetime ? abs(lifetime(in: world)) : nil
            if let lifetime { flags.append("T\(lifetime)") }
            return command(.read(lifetime: lifetime), at: key, flags + quiet, in: world)
        case 6..<11: return metaStore(at: key, quiet, in: world)
        case 11..<13: return metaCount(quiet, in: world)
        case 13, 14:
            let version = world.chance.percent(40) ? version(of: key, in: world) : nil
            let flags = version.map { ["C\($0)"] } ?? []
            return command(.remove(version: version), at: key, flags + quiet, in: world)
        default:
            return command(.read(lifetime: nil), at: key, quiet, isDebug: true, in: world)
        }
    }

    private mutating func metaStore(
        at key: [UInt8], _ quiet: [String], in world: World
    ) -> MetaCommand {
        let mode = world.chance.pick([.set, .set] + MemcacheAction.Mode.allCases)
        var store = store(mode, at: key, in: world)
        var flags = ["F\(store.flags)"]
        if store.lifetime != 0 { flags.append("T\(store.lifetime)") }
        if mode == .set, world.chance.percent(40) {
            store.version = version(of: key, in: world)
            flags.append("C\(store.version!)")
        }
        if mode != .set || world.chance.percent(20) {
            let letters: [MemcacheAction.Mode: String] = [
                .set: "S", .add: "E", .replace: "R", .append: "A", .prepend: "P",
            ]
            flags.append("M" + letters[mode]!)
        }
        if world.chance.percent(30) { flags.append("c") }
        return command(.store(store), at: key, flags + quiet, in: world)
    }

    private mutating func metaCount(_ quiet: [String], in world: World) -> MetaCommand {
        let key = world.chance.percent(10) ? binaries[0] : countable(in: world)
        var count = count(in: world)
        var flags = ["v", "t", "c"].filter { _ in world.chance.percent(50) }
        if count.delta != 1 || world.chance.percent(50) { flags.append("D\(count.delta)") }
        if count.isDown { flags.append(world.chance.pick(["MD", "M-"])) }
        if world.chance.percent(40) {
            count.initial = UInt64(world.chance.below(1_000_000))
            count.initialLifetime = abs(lifetime(in: world))
            flags += ["N\(count.initialLifetime)", "J\(count.initial!)"]
        }
        if world.chance.percent(20) {
            count.lifetime = abs(lifetime(in: world))
            flags.append("T\(count.lifetime!)")
        }
        if world.chance.percent(20) {
            count.version = version(of: key, in: world)
            flags.append("C\(count.version!)")
        }
        return command(.count(count), at: key, flags + quiet, in: world)
    }

    /// With flags that it may have whatever it does, all in any order.
    mutating func command(
        _ action: MemcacheAction, at key: [UInt8], _ flags: [String], isDebug: Bool = false,
        in world: World
    ) -> MetaCommand {
        opaque += 1
        let isLong = world.chance.percent(10)
        let mark =
            "\(String(decoding: owner, as: UTF8.self))_\(opaque)\(isLong ? "_long_enough" : "")"
        var all = flags
        if world.chance.percent(80) { all.append("O" + mark) }
        if world.chance.percent(30) { all.append("k") }
        let isBinary = binaries.contains { areSame($0, key) }
        let isBase64 = isBinary || key.count < 100 && world.chance.percent(20)
        if isBase64 { all.append("b") }
        for index in all.indices { all.swapAt(index, world.chance.below(index + 1)) }
        // Flags count in their order: a lifetime is told as it is by then. `me` looks for `b` only
        // at the start.
        for letter in isDebug ? ["b"] : ["N", "T"] {
            guard let found = all.firstIndex(where: { $0.hasPrefix(letter) }) else { continue }
            all.insert(all.remove(at: found), at: 0)
        }
        var action = action
        if case .store(var store) = action {
            store.isBinary = isBase64
            action = .store(store)
        }
        return MetaCommand(
            key: key, action: action, isDebug: isDebug, isBase64: isBase64,
            isQuiet: flags.contains("q"), flags: all, madeAt: second(in: world))
    }
}

// MARK: - Words

extension MemcacheKeySpace {
    private func countable(in world: World) -> [UInt8] {
        world.chance.pick(world.chance.percent(90) ? counters : names)
    }

    /// The newest version known, or one that no item has.
    private func version(of key: [UInt8], in world: World) -> UInt64 {
        let none: UInt64 = world.chance.percent(50) ? 1 << 40 : .max
        return world.chance.percent(80) ? versions[key] ?? none : none
    }

    func lifetime(in world: World) -> Int {
        switch world.chance.below(10) {
        case 0: -1
        case 1..<5: world.chance.within(1...12)
        default: 0
        }
    }

    private func count(in world: World) -> MemcacheAction.Count {
        let isHuge = world.chance.percent(5)
        return MemcacheAction.Count(
            isDown: world.chance.percent(30),
            delta: isHuge ? .max : UInt64(world.chance.below(1000)))
    }

    private mutating func store(
        _ mode: MemcacheAction.Mode, at key: [UInt8], in world: World
    ) -> MemcacheAction.Store {
        MemcacheAction.Store(
            mode: mode, data: value(for: key, mode, in: world),
            flags: world.chance.percent(50) ? "\(world.chance.below(1000))" : "\(UInt32.max)",
            lifetime: lifetime(in: world))
    }

    /// Says who wrote it when, as far as its size allows; or is a number.
    private mutating func value(
        for key: [UInt8], _ mode: MemcacheAction.Mode, in world: World
    ) -> [UInt8] {
        serial += 1
        if key.last == UInt8(ascii: "n") {
            return (mode == .append ? "\(serial % 10)" : "\(serial * 1_000_000)").utf8Bytes
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
