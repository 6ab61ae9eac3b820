// What a simulated server does as a memcached 1.6.18.

/// What a server does wrong for once, so that tests can tell whether anybody notices.
enum MemcacheLie: CaseIterable {
    /// A write leaves the version as it was, and so two `cas` can win.
    case oldVersion
    /// An item outlives its end; or has none that it was given.
    case longLife, shortLife
    case swappedEnds
    case lostWrite
    case countedTwice
    /// Another key's value is stored as well.
    case anotherOpaque, anotherKey
    /// A quiet command is answered like any other; or not at all.
    case loud, mute
}

extension SimulatedServer {
    /// Whether memcached says anything to it, come what may. Of quiet ones it may.
    func hasMemcacheReply(_ request: [[UInt8]]) -> Bool {
        request[0] != Self.word("mn") && !isNoreply(request)
    }

    static func word(_ text: String) -> [UInt8] { Array(text.utf8) }

    static func line(_ text: String) -> [UInt8] { Array("\(text)\r\n".utf8) }

    private func isNoreply(_ request: [[UInt8]]) -> Bool {
        let name = String(decoding: request[0], as: UTF8.self)
        let words = WireReader.sizePlace(of: name) != nil ? request.dropLast() : request[...]
        return words.last == Self.word("noreply")
    }

    /// A value of another key, one value more, or a reply of another kind, perhaps with the right
    /// one behind it: the proxy must not trust what else comes on the connection.
    func mistakenMemcacheReply(
        to request: [[UInt8]], _ session: Session, _ world: World
    ) -> [UInt8] {
        noteFault(on: session.link)
        let name = String(decoding: request[0], as: UTF8.self)
        let right = executeMemcache(request, world)
        let block = Self.line("VALUE wrong 0 5") + Self.line("wrong")
        let isGet = ["get", "gets", "gat", "gats"].contains(name)
        if isGet, world.chance.percent(60) {
            let values = right.dropLast(5)
            switch world.chance.below(3) {
            case 0 where !values.isEmpty: return values + right
            case 1: return values + block + Self.line("END")
            default: return block + right
            }
        }
        var wrong = [Self.line(name == "version" ? "OK" : "VERSION 1")]
        if !["flush_all", "verbosity"].contains(name) {
            wrong += ["ERROR", "CLIENT_ERROR bad command line format"].map(Self.line)
        }
        if !isGet {
            wrong.append(block + Self.line("END"))
            if name != "stats" { wrong.append(Self.line("END")) }
        }
        if !["incr", "decr"].contains(name) { wrong.append(Self.line("5")) }
        if !["incr", "decr", "touch", "delete", "cas"].contains(name) {
            wrong.append(Self.line("NOT_FOUND"))
        }
        if Self.hasNoData(name) { wrong.append(Self.line("STORED")) }
        if !name.hasPrefix("m") { wrong.append(Self.line("HD") + Self.line("VA 1")) }
        if name != "mn", !name.hasPrefix("m") { wrong.append(Self.line("MN")) }
        return world.chance.pick(wrong) + (world.chance.percent(50) ? [] : right)
    }

    private static func hasNoData(_ name: String) -> Bool {
        WireReader.sizePlace(of: name) == nil || name == "ms"
    }

    /// Returns the reply, if there is to be one.
    func executeMemcache(_ request: [[UInt8]], _ world: World) -> [UInt8] {
        let name = String(decoding: request[0], as: UTF8.self)
        switch name {
        case "version": return Self.line("VERSION 1.6.18")
        case "mn": return Self.line("MN")
        case "flush_all", "verbosity":
            // One that is delayed does nothing for as long as a simulation takes.
            if name == "flush_all", request.count == 1 || request[1] != Self.word("3600") {
                items.removeAll()
            }
            return isNoreply(request) ? [] : Self.line("OK")
        case "stats":
            return Self.line("STAT threads 4") + Self.line("STAT version 1.6.18")
                + Self.line("STAT curr_items \(index + 1)") + Self.line("END")
        case "get", "gets", "gat", "gats": return executeGet(name, request, world)
        case "mg", "ms", "ma", "md", "me": return executeMeta(name, request, world)
        default:
            guard let action = classicAction(name, request) else {
                world.fail("server \(index) got \(request.map { text(of: $0.prefix(40)) })")
                return Self.line("ERROR")
            }
            checkPlace(of: request[1], world)
            let (outcome, item) = perform(action, at: request[1], world)
            return isNoreply(request) ? [] : Self.line(classicReply(action, outcome, item))
        }
    }

    func checkPlace(of key: [UInt8], _ world: World) {
        guard world.server(of: key) != index else { return }
        world.fail("a key of another server on \(index): \(text(of: key))")
    }

    func perform(
        _ action: MemcacheAction, at key: [UInt8], _ world: World
    ) -> (MemcacheOutcome, MemcacheItem?) {
        let second = MemcacheClock.second(at: world.clock)
        var item = items[key]
        if let end = item?.end, end.lowerBound <= second, !lies(.longLife, world) { item = nil }
        let before = item
        let outcome = action.apply(to: &item, during: second...second)
        if item != nil, item?.version == nil {
            writeCount += 1
            // As many digits as there may be; or few.
            item?.version = (index % 2 == 0 ? .max - 1_000_000_000 : 0) + UInt64(writeCount)
            distort(&item, from: before, action, world)
        }
        items[key] = lies(.shortLife, world) ? nil : item
        return (outcome, item)
    }

    // MARK: Classic commands

    private func executeGet(_ name: String, _ request: [[UInt8]], _ world: World) -> [UInt8] {
        let isTouching = name.hasPrefix("gat")
        let lifetime = isTouching ? Self.integer(request[1]) : nil
        // Who asks for a key is what it begins with.
        let askers = Set(request.dropFirst().map { $0.prefix { $0 != 0x6B && $0 != 0x5F } })
        if name == "get", askers.count > 1 { world.note(.sharedLine) }
        var reply: [UInt8] = []
        for key in request.dropFirst(isTouching ? 2 : 1) {
            checkPlace(of: key, world)
            guard let item = perform(.read(lifetime: lifetime), at: key, world).1 else { continue }
            let version = name.hasSuffix("s") ? " \(item.version!)" : ""
            reply += Self.word("VALUE ") + key
            reply += Self.line(" \(item.flags) \(item.data.count)\(version)") + item.data
            reply += Self.line("")
        }
        return reply + Self.line("END")
    }

    private func classicAction(_ name: String, _ request: [[UInt8]]) -> MemcacheAction? {
        switch name {
        case "set", "add", "replace", "append", "prepend", "cas":
            return .store(
                MemcacheAction.Store(
                    mode: MemcacheAction.Mode(rawValue: name) ?? .set, data: request.last!,
                    flags: String(decoding: request[2], as: UTF8.self),
                    lifetime: Self.integer(request[3]),
                    version: name == "cas" ? Self.unsigned(request[5]) : nil))
        case "delete": return .remove(version: nil)
        case "touch": return .read(lifetime: Self.integer(request[2]))
        case "incr", "decr":
            return .count(
                MemcacheAction.Count(isDown: name == "decr", delta: Self.unsigned(request[2])))
        default: return nil
        }
    }

    static func integer(_ word: [UInt8]) -> Int {
        Int(String(decoding: word, as: UTF8.self))!
    }

    private static func unsigned(_ word: [UInt8]) -> UInt64 {
        UInt64(String(decoding: word, as: UTF8.self))!
    }

    private func classicReply(
        _ action: MemcacheAction, _ outcome: MemcacheOutcome, _ item: MemcacheItem?
    ) -> String {
        switch (action, outcome) {
        case (_, .missing): "NOT_FOUND"
        case (_, .notStored): "NOT_STORED"
        case (_, .exists): "EXISTS"
        case (_, .notNumeric): MemcacheReply.notNumeric
        case (.read, _): "TOUCHED"
        case (.store, _): "STORED"
        case (.count, _): "\(item!.number!)"
        case (.remove, _): "DELETED"
        }
    }
}

// MARK: - Lies

extension SimulatedServer {
    func lies(_ lie: MemcacheLie, _ world: World) -> Bool {
        scenario.lie == lie && world.chance.percent(50)
    }

    /// What has been written is not what should have been.
    private func distort(
        _ item: inout MemcacheItem?, from before: MemcacheItem?, _ action: MemcacheAction,
        _ world: World
    ) {
        guard let before, let after = item else { return }
        switch action {
        case _ where lies(.oldVersion, world): item!.version = before.version
        case _ where lies(.lostWrite, world): item = before
        case .store(let store) where after.data.count > before.data.count:
            if store.mode == .append, lies(.swappedEnds, world) {
                item!.data = store.data + before.data
            }
        case .count(let count) where lies(.countedTwice, world):
            item!.version = before.version
            _ = MemcacheAction.count(count).apply(to: &item, during: 0...0)
            item!.version = after.version
        default: break
        }
    }
}
