import Config

/// What becomes of the placement of keys between two versions of a pool.
struct PoolDifference {
    let old: PoolConfiguration
    let new: PoolConfiguration
    let settings: [SettingChange]
    let servers: [ServerChange]
    /// Empty where chance places the keys, before or after.
    let movements: [Movement]

    init(from old: PoolConfiguration, to new: PoolConfiguration) {
        (self.old, self.new) = (old, new)
        settings = SettingChange.all(from: old, to: new)
        servers = ServerChange.all(from: old, to: new)
        let isChance = [old, new].contains { $0.distribution == .random && $0.servers.count > 1 }
        movements =
            isChance
            ? []
            : Self.kinds(old.hashTag, new.hashTag).map { Movement(from: old, to: new, keys: $0) }
    }

    /// Another hash tag means nothing to keys without any, and much to the others.
    private static func kinds(_ old: HashTag?, _ new: HashTag?) -> [Movement.Keys] {
        old == new ? [.all] : [.untagged] + [old, new].compactMap { $0.map { .tagged($0) } }
    }
}

/// What a route means for the keys on it.
enum Fate {
    /// The address is the same: what is stored is found.
    case stays
    /// The server kept its name and has another address. What is stored is found if it was
    /// brought there.
    case follows
    case moves

    init(from old: ServerConfiguration, to new: ServerConfiguration) {
        if old.address == new.address {
            self = .stays
        } else {
            self = old.name == new.name ? .follows : .moves
        }
    }
}

extension PoolDifference {
    /// One route on which keys do not stay where they are.
    struct Move {
        let from: ServerConfiguration
        let to: ServerConfiguration
        let fate: Fate
        let count: UInt64
    }

    /// The greatest first; equal ones in the order of servers.
    func moves(of movement: Movement) -> [Move] {
        movement.counts.sorted { left, right in
            let (first, second) = (left.key, right.key)
            if left.value != right.value { return left.value > right.value }
            return (first.old, first.new) < (second.old, second.new)
        }.compactMap { route, count in
            let (from, to) = (old.servers[Int(route.old)], new.servers[Int(route.new)])
            let fate = Fate(from: from, to: to)
            return fate == .stays ? nil : Move(from: from, to: to, fate: fate, count: count)
        }
    }
}

/// A setting of a pool that decides where keys are, and is not what it was.
struct SettingChange: Equatable {
    let name: String
    let old: String
    let new: String

    static func all(from old: PoolConfiguration, to new: PoolConfiguration) -> [SettingChange] {
        [
            SettingChange(name: "hash", old: old.hash.rawValue, new: new.hash.rawValue),
            SettingChange(
                name: "hash_tag", old: old.hashTag?.text ?? "none",
                new: new.hashTag?.text ?? "none"),
            SettingChange(
                name: "distribution", old: old.distribution.rawValue,
                new: new.distribution.rawValue),
            SettingChange(
                name: "redis_db", old: String(old.redisDatabase), new: String(new.redisDatabase)),
        ].filter { $0.old != $0.new }
    }
}

/// A server that only one version of a pool has, or that is described otherwise in the other.
struct ServerChange {
    /// Nil where it is new.
    let old: ServerConfiguration?
    /// Nil where it is gone.
    let new: ServerConfiguration?

    /// Servers are the same by their name, and those left over by their address.
    static func all(from old: PoolConfiguration, to new: PoolConfiguration) -> [ServerChange] {
        var added = new.servers
        var unmatched: [ServerConfiguration] = []
        var changes: [ServerChange] = []
        for server in old.servers {
            guard let index = added.firstIndex(where: { $0.name == server.name }) else {
                unmatched.append(server)
                continue
            }
            let other = added.remove(at: index)
            if other != server { changes.append(ServerChange(old: server, new: other)) }
        }
        for server in unmatched {
            let index = added.firstIndex { $0.address == server.address }
            changes.append(ServerChange(old: server, new: index.map { added.remove(at: $0) }))
        }
        return changes + added.map { ServerChange(old: nil, new: $0) }
    }

    /// One line: what changed.
    var text: String {
        guard let old else { return new.map { "added   \($0.text), weight \($0.weight)" } ?? "" }
        guard let new else { return "removed \(old.text), weight \(old.weight)" }
        var changes: [String] = []
        if old.name != new.name { changes.append("name \(old.name) -> \(new.name)") }
        if old.address != new.address {
            changes.append("address \(old.address.text) -> \(new.address.text)")
        }
        if old.weight != new.weight { changes.append("weight \(old.weight) -> \(new.weight)") }
        return printable("changed \(old.name): " + changes.joined(separator: ", "))
    }
}
