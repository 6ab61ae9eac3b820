// Meta commands on a simulated memcached.

/// A meta command as a server reads it.
private struct MetaWords {
    let name: String
    let key: [UInt8]
    let keyText: String
    let flags: [String]
    let isBase64: Bool
    var isQuiet: Bool { flags.contains("q") }

    init?(_ request: [[UInt8]]) {
        name = String(decoding: request[0], as: UTF8.self)
        let rest = name == "ms" ? request.dropFirst(3).dropLast() : request.dropFirst(2)
        flags = rest.map { String(decoding: $0, as: UTF8.self) }
        keyText = String(decoding: request[1], as: UTF8.self)
        isBase64 = name == "me" ? flags.first == "b" : flags.contains("b")
        guard isBase64 else {
            key = request[1]
            return
        }
        guard let decoded = bytes(ofBase64: request[1]) else { return nil }
        key = decoded
    }

    /// What follows a letter among the flags.
    func word(_ letter: Character) -> String? {
        flags.first { $0.first == letter }.map { String($0.dropFirst()) }
    }

    func number(_ letter: Character) -> UInt64? { word(letter).map { UInt64($0)! } }

    func lifetime(_ letter: Character) -> Int? { word(letter).map { Int($0)! } }

    func action(_ data: [UInt8]) -> MemcacheAction {
        let mode = word("M")
        switch name {
        case "ms":
            let modes: [String: MemcacheAction.Mode] = [
                "E": .add, "R": .replace, "A": .append, "P": .prepend,
            ]
            return .store(
                MemcacheAction.Store(
                    mode: mode.flatMap { modes[$0] } ?? .set, data: data, flags: word("F") ?? "0",
                    lifetime: lifetime("T") ?? 0, version: number("C"), isBinary: isBase64))
        case "ma":
            let isDown = mode == "D" || mode == "-"
            return .count(
                MemcacheAction.Count(
                    isDown: isDown, delta: number("D") ?? 1, version: number("C"),
                    initial: lifetime("N") == nil ? nil : number("J") ?? 0,
                    initialLifetime: lifetime("N") ?? 0, lifetime: lifetime("T")))
        case "md": return .remove(version: number("C"))
        default: return .read(lifetime: name == "me" ? nil : lifetime("T"))
        }
    }
}

extension SimulatedServer {
    func executeMeta(_ name: String, _ request: [[UInt8]], _ world: World) -> [UInt8] {
        guard let words = MetaWords(request) else {
            world.fail("server \(index) got \(text(of: request[1])) for base64")
            return Self.line(MemcacheReply.undecodable)
        }
        checkPlace(of: words.key, world)
        let (outcome, item) = perform(words.action(request.last!), at: words.key, world)
        if outcome == .notNumeric { return Self.line(MemcacheReply.notNumeric) }
        if name == "me" { return debug(words, item, world) }
        let isUsual = name == "mg" ? outcome == .missing : outcome == .done
        if words.isQuiet, isUsual ? !lies(.loud, world) : lies(.mute, world) { return [] }
        let shown = shown(words, outcome, item, world)
        switch (name, outcome) {
        case (_, .done), (_, .created):
            guard name == "mg" || name == "ma", words.flags.contains("v") else {
                return Self.word("HD") + shown
            }
            let value = name == "mg" ? item!.data : Self.word("\(item!.number!)")
            return Self.word("VA \(value.count)") + shown + value + Self.line("")
        case ("mg", .missing): return Self.word("EN") + shown
        case (_, .missing): return Self.word("NF") + shown
        case (_, .exists): return Self.word("EX") + shown
        default: return Self.word("NS") + shown
        }
    }

    /// The flags of the reply, in the order in which they came, to the end of the line.
    private func shown(
        _ words: MetaWords, _ outcome: MemcacheOutcome, _ item: MemcacheItem?, _ world: World
    ) -> [UInt8] {
        let isFound = outcome == .done || outcome == .created
        let showsItem = isFound && (words.name == "mg" || words.name == "ma")
        var shown: [UInt8] = []
        for flag in words.flags {
            switch flag.first {
            case "O": shown += Self.word(" \(flag)\(lies(.anotherOpaque, world) ? "0" : "")")
            case "k":
                let isBinary = showsItem && words.name == "mg" ? item!.isBinary : words.isBase64
                shown += Self.word(" k") + Self.key(words.key, isBinary)
                if lies(.anotherKey, world) { shown += Self.word("0") }
                if isBinary { shown += Self.word(" b") }
            case "c" where words.name == "ms":
                shown += Self.word(" c\(isFound ? item!.version! : 0)")
            case "t" where showsItem:
                shown += Self.word(" t\(secondsLeft(of: item!, world) ?? -1)")
            case "c" where showsItem: shown += Self.word(" c\(item!.version!)")
            case "s" where showsItem: shown += Self.word(" s\(item!.data.count)")
            case "f" where showsItem: shown += Self.word(" f\(item!.flags)")
            default: break
            }
        }
        return shown + Self.line("")
    }

    /// memcached tells a key as it is once it has forgotten that it was told in base64.
    private static func key(_ key: [UInt8], _ isBinary: Bool) -> [UInt8] {
        isBinary ? word(base64(of: key)) : key
    }

    private func secondsLeft(of item: MemcacheItem, _ world: World) -> Int? {
        item.end.map { $0.lowerBound - MemcacheClock.second(at: world.clock) }
    }

    private func debug(_ words: MetaWords, _ item: MemcacheItem?, _ world: World) -> [UInt8] {
        guard let item else { return Self.line("EN") }
        let end = secondsLeft(of: item, world) ?? 1
        let rest = "fetch=no cls=1 size=\(item.data.count)"
        return Self.word("ME ") + Self.key(words.key, item.isBinary)
            + Self.line(" exp=\(-end) la=0 cas=\(item.version!) \(rest)")
    }
}
