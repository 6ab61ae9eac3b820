// What a simulated server does as a redis.

extension SimulatedServer {
    func isRedisGreeting(_ request: [[UInt8]]) -> Bool {
        request[0] == Array("AUTH".utf8) || request[0] == Array("SELECT".utf8)
    }

    func isSplittable(_ request: [[UInt8]]) -> Bool {
        let name = String(decoding: request[0], as: UTF8.self).uppercased()
        return ["MGET", "MSET", "DEL", "UNLINK", "EXISTS", "TOUCH"].contains(name)
    }

    /// A wrong number of values, or no values: then the proxy must not trust what else comes on the
    /// connection.
    func mistakenRedisReply(
        to request: [[UInt8]], _ session: Session, _ world: World
    ) -> [UInt8] {
        let word = Array("wrong".utf8)
        let isMany = request.count > 2 && request[0] == Array("mget".utf8)
        guard isMany, world.chance.percent(70) else {
            noteFault(on: session.link)
            let right = executeRedis(request, session, world).bytes
            return Reply.bulk(word).bytes + (world.chance.percent(50) ? [] : right)
        }
        noteFault(in: world)
        let count = world.chance.pick([1, request.count])
        return Reply.array((0..<count).map { _ in Reply.bulk(word) }).bytes
    }

    func executeRedis(_ request: [[UInt8]], _ session: Session, _ world: World) -> Reply {
        let name = String(decoding: request[0], as: UTF8.self).uppercased()
        let arguments = Array(request.dropFirst())
        switch (name, arguments.count) {
        case ("AUTH", 1):
            session.isAuthenticated = arguments[0] == Array((scenario.password ?? "").utf8)
            return .simple("OK")
        case ("SELECT", 1):
            session.database = arguments[0]
            return .simple("OK")
        case ("PING", 0) where scenario.ejectsServers:
            return session.isAuthenticated ? .simple("PONG") : .error("NOAUTH")
        default: break
        }
        if !session.isAuthenticated || session.database != Array("\(scenario.database)".utf8) {
            world.fail("\(name) before AUTH and SELECT")
        }
        let step = name == "MSET" ? 2 : 1
        let isSingle = name == "GET" || name == "SET"
        for index in stride(from: 0, to: isSingle ? 1 : arguments.count, by: step)
        where !world.placement.places(of: arguments[index], since: 0).contains(self.index) {
            world.fail("a key of another server on \(self.index): \(text(of: arguments[index]))")
        }
        switch (name, arguments.count) {
        case ("GET", 1): return .bulk(values[arguments[0]])
        case ("SET", 2):
            values[arguments[0]] = arguments[1]
            return .simple("OK")
        case ("MGET", 1...): return .array(arguments.map { .bulk(values[$0]) })
        case ("MSET", 2...) where arguments.count % 2 == 0:
            for index in stride(from: 0, to: arguments.count, by: 2) {
                values[arguments[index]] = arguments[index + 1]
            }
            return .simple("OK")
        case ("DEL", 1...), ("UNLINK", 1...):
            return .integer(arguments.count { values.removeValue(forKey: $0) != nil })
        case ("EXISTS", 1...), ("TOUCH", 1...):
            return .integer(arguments.count { values[$0] != nil })
        case ("RENAME", 2):
            guard let value = values.removeValue(forKey: arguments[0]) else {
                return .error("ERR no such key")
            }
            values[arguments[1]] = value
            return .simple("OK")
        case ("GET", _), ("SET", _), ("MGET", _), ("MSET", _), ("DEL", _):
            return .error("ERR wrong number of arguments for '\(name.lowercased())' command")
        default:
            world.fail("server \(index) got \(name)")
            return .error("ERR unknown command")
        }
    }
}
