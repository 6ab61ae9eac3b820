// What a simulated server does as a memcached.

extension SimulatedServer {
    /// Whether memcached says anything to it, come what may. Of quiet ones it may.
    func hasMemcacheReply(_ request: [[UInt8]]) -> Bool {
        request[0] != Self.word("mn") && !isNoreply(request)
    }

    private static func word(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func line(_ text: String) -> [UInt8] { Array("\(text)\r\n".utf8) }

    private func isNoreply(_ request: [[UInt8]]) -> Bool {
        let hasData = request[0] == Self.word("set") || request[0] == Self.word("add")
        let words = hasData ? request.dropLast() : request[...]
        return words.last == Self.word("noreply")
    }

    /// A value of another key, or a reply of another kind, perhaps with the right one behind it:
    /// the proxy must not trust what else comes on the connection.
    func mistakenMemcacheReply(
        to request: [[UInt8]], _ session: Session, _ world: World
    ) -> [UInt8] {
        let name = String(decoding: request[0], as: UTF8.self)
        if ["get", "gets", "gat", "gats"].contains(name), world.chance.percent(50) {
            return Self.line("VALUE wrong 0 5") + Self.line("wrong") + Self.line("END")
        }
        noteFault(on: session.link)
        let wrong = Self.line(["flush_all", "verbosity"].contains(name) ? "STORED" : "OK")
        return world.chance.percent(50) ? wrong : wrong + executeMemcache(request, world)
    }

    /// Returns the reply, if there is to be one.
    func executeMemcache(_ request: [[UInt8]], _ world: World) -> [UInt8] {
        let name = String(decoding: request[0], as: UTF8.self)
        switch name {
        case "version": return Self.line("VERSION 1.6.18")
        case "mn": return Self.line("MN")
        case "flush_all", "verbosity":
            // One that is delayed does nothing for as long as a simulation takes.
            if name == "flush_all", request.count == 1 || request[1] == Self.word("noreply") {
                values.removeAll()
            }
            return isNoreply(request) ? [] : Self.line("OK")
        case "stats":
            return Self.line("STAT threads 4") + Self.line("STAT version 1.6.18")
                + Self.line("STAT curr_items \(index + 1)") + Self.line("END")
        case "get", "gets", "gat", "gats":
            let keys = request.dropFirst(name.hasPrefix("gat") ? 2 : 1)
            for key in keys { checkPlace(of: key, world) }
            return keys.reduce(into: []) { reply, key in
                reply += block(of: key, hasVersion: name.hasSuffix("s"))
            } + Self.line("END")
        case "mg", "ms", "md":
            checkPlace(of: request[1], world)
            return executeMeta(name, request)
        default:
            checkPlace(of: request[1], world)
            guard let reply = executeClassic(name, request) else {
                world.fail("server \(index) got \(request.map { text(of: $0.prefix(40)) })")
                return Self.line("ERROR")
            }
            return isNoreply(request) ? [] : Self.line(reply)
        }
    }

    private func checkPlace(of key: [UInt8], _ world: World) {
        guard world.server(of: key) != index else { return }
        world.fail("a key of another server on \(index): \(text(of: key))")
    }

    private func block(of key: [UInt8], hasVersion: Bool) -> [UInt8] {
        guard let value = values[key] else { return [] }
        let version = hasVersion ? " \(versions[key]!)" : ""
        return Self.word("VALUE ") + key + Self.word(" ") + flags[key]!
            + Self.line(" \(value.count)\(version)") + value + Self.line("")
    }

    private func write(_ value: [UInt8], _ flags: [UInt8], to key: [UInt8]) {
        writeCount += 1
        values[key] = value
        self.flags[key] = flags
        versions[key] = writeCount
    }

    /// A command of one key, and its reply but for the line end; nil if there is no such command.
    private func executeClassic(_ name: String, _ request: [[UInt8]]) -> String? {
        let key = request[1]
        switch name {
        case "set", "add":
            if name == "add", values[key] != nil { return "NOT_STORED" }
            write(request.last!, request[2], to: key)
            return "STORED"
        case "delete":
            return values.removeValue(forKey: key) == nil ? "NOT_FOUND" : "DELETED"
        case "touch":
            return values[key] == nil ? "NOT_FOUND" : "TOUCHED"
        case "incr":
            guard let value = values[key] else { return "NOT_FOUND" }
            guard let number = UInt64(String(decoding: value, as: UTF8.self)),
                let delta = UInt64(String(decoding: request[2], as: UTF8.self))
            else { return "CLIENT_ERROR cannot increment or decrement non-numeric value" }
            write(Self.word("\(number &+ delta)"), flags[key]!, to: key)
            return "\(number &+ delta)"
        default: return nil
        }
    }

    private func executeMeta(_ name: String, _ request: [[UInt8]]) -> [UInt8] {
        let key = request[1]
        let options = request.dropFirst(2).map { String(decoding: $0.prefix(40), as: UTF8.self) }
        let given = name == "ms" ? options.dropFirst().dropLast() : options[...]
        let isQuiet = given.contains("q")
        // Given back in the order in which they came.
        let shown = given.reduce(into: "") { shown, option in
            switch option.first {
            case "k": shown += " k" + String(decoding: key, as: UTF8.self)
            case "O": shown += " " + option
            case "f" where name == "mg":
                shown += " f" + String(decoding: flags[key] ?? [], as: UTF8.self)
            default: break
            }
        }
        switch name {
        case "mg":
            guard let value = values[key] else { return isQuiet ? [] : Self.line("EN") }
            guard given.contains("v") else { return Self.line("HD\(shown)") }
            return Self.line("VA \(value.count)\(shown)") + value + Self.line("")
        case "ms":
            if given.contains("ME"), values[key] != nil { return Self.line("NS\(shown)") }
            let flags = given.first { $0.hasPrefix("F") }.map { Self.word(String($0.dropFirst())) }
            write(request.last!, flags ?? Self.word("0"), to: key)
            return isQuiet ? [] : Self.line("HD\(shown)")
        default:
            let isFound = values.removeValue(forKey: key) != nil
            return isQuiet ? [] : Self.line((isFound ? "HD" : "NF") + shown)
        }
    }
}
