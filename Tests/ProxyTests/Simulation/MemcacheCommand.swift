/// A command about one key, as it was before there were meta commands.
struct ClassicCommand {
    let key: [UInt8]
    let action: MemcacheAction
    var isNoreply = false
    /// In the second of the server's clock.
    let madeAt: Int

    var bytes: [UInt8] {
        let words: String
        var data: [UInt8]?
        switch action {
        case .read(let lifetime): words = " \(lifetime ?? 0)"
        case .store(let store):
            let version = store.version.map { " \($0)" } ?? ""
            words = " \(store.flags) \(store.lifetime) \(store.data.count)\(version)"
            data = store.data
        case .count(let count): words = " \(count.delta)"
        case .remove: words = ""
        }
        let line = "\(name) ".utf8Bytes + key + (words + (isNoreply ? " noreply\r\n" : "\r\n")).utf8
        return data.map { line + $0 + "\r\n".utf8Bytes } ?? line
    }

    private var name: String {
        switch action {
        case .read: "touch"
        case .store(let store): store.version == nil ? store.mode.rawValue : "cas"
        case .count(let count): count.isDown ? "decr" : "incr"
        case .remove: "delete"
        }
    }

    /// What a line says; nil if it is not one of those that answer the command.
    func sighting(in line: String) -> MemcacheSighting? {
        switch (action, line) {
        case (.read, "TOUCHED"), (.store, "STORED"), (.remove, "DELETED"):
            return MemcacheSighting(.done)
        case (.store, "NOT_STORED"): return MemcacheSighting(.notStored)
        case (.store(let store), _) where store.version == nil: return nil
        case (.store, "EXISTS"): return MemcacheSighting(.exists)
        case (_, "NOT_FOUND"): return MemcacheSighting(.missing)
        case (.count, MemcacheReply.notNumeric): return MemcacheSighting(.notNumeric)
        case (.count, _):
            guard let number = UInt64(line) else { return nil }
            var sighting = MemcacheSighting(.done)
            sighting.number = number
            return sighting
        default: return nil
        }
    }
}

/// `mg`, `ms`, `ma`, `md` or `me`.
struct MetaCommand {
    let key: [UInt8]
    let action: MemcacheAction
    var isDebug = false
    /// Whether the key is told in base64.
    let isBase64: Bool
    let isQuiet: Bool
    /// All of its flags, in their order.
    let flags: [String]
    let madeAt: Int

    var shownKey: String {
        isBase64 ? base64(of: key) : String(decoding: key, as: UTF8.self)
    }

    /// The proxy does not let memcached forget that a key with a line end is told in base64.
    var isRefused: Bool {
        guard isBase64, key.contains(UInt8(ascii: "\n")) else { return false }
        switch action {
        case .read, .remove: return false
        case .store(let store): return store.mode == .append || store.mode == .prepend
        case .count: return true
        }
    }

    private var name: String {
        switch action {
        case .read: isDebug ? "me" : "mg"
        case .store: "ms"
        case .count: "ma"
        case .remove: "md"
        }
    }

    var bytes: [UInt8] {
        let end = (flags.isEmpty ? "" : " ") + flags.joined(separator: " ") + "\r\n"
        let start = "\(name) \(shownKey)"
        guard case .store(let store) = action else { return (start + end).utf8Bytes }
        return "\(start) \(store.data.count)\(end)".utf8Bytes + store.data + "\r\n".utf8Bytes
    }

    /// What it means that there is no reply; nil if there must be one.
    var silence: MemcacheSighting? {
        guard isQuiet, !isDebug, !isRefused else { return nil }
        if case .read = action { return MemcacheSighting(.missing) }
        return MemcacheSighting(.done)
    }

    /// What a reply says; nil if it is none to this command.
    func sighting(in reply: MemcacheReply) -> MemcacheSighting? {
        switch reply {
        case .line(MemcacheReply.notNumeric):
            guard case .count = action else { return nil }
            return MemcacheSighting(.notNumeric)
        case .meta(let code, let words, let data):
            guard var sighting = outcomes(of: code, data) else { return nil }
            if isDebug { return debug(words, &sighting) ? sighting : nil }
            if case .read = action {
                sighting.data = data
            } else if let data {
                guard let number = UInt64(String(decoding: data, as: UTF8.self)) else {
                    return nil
                }
                sighting.number = number
            }
            return read(words, isFound: code == "VA" || code == "HD", into: &sighting)
                ? sighting : nil
        default: return nil
        }
    }

    /// Quiet commands are told only what is out of the ordinary.
    private func outcomes(of code: String, _ data: [UInt8]?) -> MemcacheSighting? {
        switch (action, code) {
        case (.read, "ME") where isDebug: return MemcacheSighting(.done)
        case (.read, "EN"): return isQuiet && !isDebug ? nil : MemcacheSighting(.missing)
        case (.read, "VA"), (.read, "HD"), (.count, "VA"), (.count, "HD"):
            guard (code == "VA") == flags.contains("v"), !isDebug else { return nil }
            guard case .count = action else { return MemcacheSighting(.done) }
            return isQuiet ? MemcacheSighting(.created) : MemcacheSighting(.done, .created)
        case (.store, "HD"), (.remove, "HD"): return isQuiet ? nil : MemcacheSighting(.done)
        case (.store, "NS"): return MemcacheSighting(.notStored)
        case (.read, _): return nil
        case (_, "EX"): return MemcacheSighting(.exists)
        case (_, "NF"): return MemcacheSighting(.missing)
        default: return nil
        }
    }
}

// MARK: - Flags of replies

extension MetaCommand {
    /// The flags that were asked for, in their order, and no others.
    private func read(
        _ words: [String], isFound: Bool, into sighting: inout MemcacheSighting
    ) -> Bool {
        var words = words[...]
        for flag in flags {
            switch flag.first {
            case "O":
                guard words.popFirst() == flag else { return false }
            case "k":
                guard readKey(&words, isFound: isFound, into: &sighting) else { return false }
            case "c" where isStore:
                guard let version = Self.number(words.popFirst(), after: "c"),
                    isFound || version == 0
                else { return false }
                if isFound { sighting.version = version }
            case "t", "c", "s", "f":
                guard isFound, showsItem else { continue }
                guard readDetail(flag, words.popFirst(), into: &sighting) else { return false }
            default: break
            }
        }
        return words.isEmpty
    }

    private var isStore: Bool { if case .store = action { true } else { false } }

    private var showsItem: Bool {
        switch action {
        case .read, .count: true
        case .store, .remove: false
        }
    }

    /// As it was told, but by `mg` as it was told when the item was stored.
    private func readKey(
        _ words: inout ArraySlice<String>, isFound: Bool, into sighting: inout MemcacheSighting
    ) -> Bool {
        guard let word = words.popFirst() else { return false }
        let isBinary = words.first == "b"
        if isBinary { words.removeFirst() }
        if isFound, case .read = action {
            sighting.isBinary = isBinary
        } else if isBinary != isBase64 {
            return false
        }
        let shown = isBinary ? base64(of: key) : String(decoding: key, as: UTF8.self)
        return word == "k" + shown
    }

    private func readDetail(
        _ flag: String, _ word: String?, into sighting: inout MemcacheSighting
    ) -> Bool {
        guard let word, word.hasPrefix(flag) else { return false }
        let detail = String(word.dropFirst())
        switch flag {
        case "t":
            sighting.secondsLeft = Int(detail)
            return sighting.secondsLeft != nil
        case "s":
            sighting.size = Int(detail)
            return sighting.size != nil
        case "c":
            sighting.version = UInt64(detail)
            return sighting.version != nil
        default:
            sighting.flags = detail
            return true
        }
    }

    private static func number(_ word: String?, after flag: String) -> UInt64? {
        guard let word, word.hasPrefix(flag) else { return nil }
        return UInt64(word.dropFirst(flag.count))
    }

    /// `ME key exp=-1 la=0 cas=7 …`
    private func debug(_ words: [String], _ sighting: inout MemcacheSighting) -> Bool {
        guard sighting.outcomes == [.done] else { return words.isEmpty }
        guard words.count == 7, words[1].hasPrefix("exp="),
            let end = Int(words[1].dropFirst(4)), end <= 0,
            let version = Self.number(words[3], after: "cas=")
        else { return false }
        sighting.version = version
        // It is -1 as well if there is no end.
        if end < -1 { sighting.secondsLeft = -end }
        sighting.isBinary = words[0] != String(decoding: key, as: UTF8.self)
        return sighting.isBinary == false || words[0] == base64(of: key)
    }
}
