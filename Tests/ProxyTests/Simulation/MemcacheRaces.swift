/// What is known of keys that all clients write: each `cas` tells which version it replaces, and at
/// most one of those that tell the same can have done so.
final class MemcacheRaces {
    private struct Key {
        /// What may be written, and the newest version that anybody had seen when it was asked.
        var offers: [[UInt8]: UInt64] = [:]
        /// What was seen under each version.
        var values: [UInt64: [UInt8]] = [:]
        var replaced: Set<UInt64> = []
        var newest: UInt64 = 0
    }

    private var keys: [[UInt8]: Key] = [:]

    /// The newest that anybody has seen; nil if nobody has.
    func newestVersion(of key: [UInt8]) -> UInt64? {
        keys[key].flatMap { $0.newest == 0 ? nil : $0.newest }
    }

    /// A client will ask to write that.
    func offer(_ value: [UInt8], at key: [UInt8]) {
        keys[key, default: Key()].offers[value] = keys[key]?.newest ?? 0
    }

    /// Returns whether a reply can be right.
    ///
    /// - Parameter seen: The newest version that this client has seen.
    func observe(
        _ action: MemcacheAction, _ sighting: MemcacheSighting, at key: [UInt8],
        after seen: UInt64
    ) -> Bool {
        switch action {
        case .read:
            guard let data = sighting.data else { return true }
            guard keys[key]?.offers[data] != nil else { return false }
            return see(data, as: sighting.version, at: key, after: seen)
        case .store(let store):
            guard let version = store.version else { return true }
            guard sighting.outcomes == [.done] else { return true }
            guard keys[key]!.replaced.insert(version).inserted,
                version >= keys[key]!.offers[store.data]!
            else { return false }
            return see(store.data, as: sighting.version, at: key, after: version + 1)
        case .count, .remove: return false
        }
    }

    private func see(
        _ data: [UInt8], as version: UInt64?, at key: [UInt8], after seen: UInt64
    ) -> Bool {
        guard let version else { return true }
        guard version >= seen, areSame(keys[key]!.values[version] ?? data, data) else {
            return false
        }
        keys[key]!.values[version] = data
        keys[key]!.newest = max(keys[key]!.newest, version)
        return true
    }
}
