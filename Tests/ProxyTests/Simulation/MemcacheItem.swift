/// The clock of simulated memcacheds, whose seconds pass a thousand times as fast: a run takes some
/// milliseconds.
enum MemcacheClock {
    /// Later than all runs.
    static let never = 1 << 40

    /// - Parameter clock: Nanoseconds.
    static func second(at clock: UInt64) -> Int { Int(clock / 1_000_000) }
}

/// What memcached keeps under a key; or what a client knows of that.
struct MemcacheItem: Equatable {
    var data: [UInt8]
    var flags: String
    /// Changes with every write. Nil as long as nobody has told.
    var version: UInt64?
    /// In which second it ends, from the first to the last that it can be; nil if it has no end.
    var end: ClosedRange<Int>?
    /// Whether its key was told in base64 when it was stored, and so will be told.
    var isBinary = false

    static func == (left: MemcacheItem, right: MemcacheItem) -> Bool {
        left.version == right.version && left.end == right.end
            && left.isBinary == right.isBinary && left.flags == right.flags
            && areSame(left.data, right.data)
    }

    /// As far as memcached takes it for one: what follows a blank does not count.
    var number: UInt64? {
        guard let first = data.first, 0x30...0x39 ~= first else { return nil }
        var number: UInt64 = 0
        for byte in data {
            guard 0x30...0x39 ~= byte else { return byte == 0x20 ? number : nil }
            let (product, isTooBig) = number.multipliedReportingOverflow(by: 10)
            let (sum, isTooBigNow) = product.addingReportingOverflow(UInt64(byte - 0x30))
            guard !isTooBig, !isTooBigNow else { return nil }
            number = sum
        }
        return number
    }
}

/// What memcached makes of a command about one key.
enum MemcacheOutcome {
    case done
    /// A number that was not there was stored.
    case created
    /// There is nothing under the key; something that should not be, or not what should be; a
    /// version that is not the one told; no number.
    case missing, notStored, exists, notNumeric
}

/// A command about one key, whatever it looks like on the wire. Lifetimes are in seconds: for ever
/// if 0, over at once if negative.
enum MemcacheAction {
    enum Mode: String, CaseIterable {
        case set, add, replace, append, prepend
    }

    struct Store {
        var mode = Mode.set
        var data: [UInt8]
        var flags: String
        var lifetime = 0
        /// Only if the item still has this version.
        var version: UInt64?
        var isBinary = false
    }

    struct Count {
        var isDown = false
        var delta: UInt64
        var version: UInt64?
        /// What is stored if there is nothing, and for how long.
        var initial: UInt64?
        var initialLifetime = 0
        /// Of what is counted, if it is to have another.
        var lifetime: Int?
    }

    /// May give the item another lifetime.
    case read(lifetime: Int?)
    case store(Store)
    case count(Count)
    case remove(version: UInt64?)

    /// Does to an item what memcached 1.6.18 does.
    ///
    /// - Parameter seconds: When it may be done.
    func apply(to item: inout MemcacheItem?, during seconds: ClosedRange<Int>) -> MemcacheOutcome {
        switch self {
        case .read(let lifetime):
            guard item != nil else { return .missing }
            if let lifetime { item!.end = Self.end(of: lifetime, from: seconds) }
            return .done
        case .store(let store): return store.apply(to: &item, during: seconds)
        case .count(let count): return count.apply(to: &item, during: seconds)
        case .remove(let version):
            guard let found = item else { return .missing }
            guard version == nil || found.version == version else { return .exists }
            item = nil
            return .done
        }
    }

    fileprivate static func end(
        of lifetime: Int, from seconds: ClosedRange<Int>
    ) -> ClosedRange<Int>? {
        if lifetime == 0 { return nil }
        return lifetime < 0 ? 0...0 : seconds.lowerBound + lifetime...seconds.upperBound + lifetime
    }
}

extension MemcacheAction.Store {
    fileprivate func apply(
        to item: inout MemcacheItem?, during seconds: ClosedRange<Int>
    ) -> MemcacheOutcome {
        if let version {
            guard let found = item else { return .missing }
            guard found.version == version else { return .exists }
        }
        switch (mode, item) {
        case (.append, var found?), (.prepend, var found?):
            found.data = mode == .append ? found.data + data : data + found.data
            found.version = nil
            found.isBinary = false
            item = found
        case (.set, _), (.add, nil), (.replace, _?):
            item = MemcacheItem(
                data: data, flags: flags, end: MemcacheAction.end(of: lifetime, from: seconds),
                isBinary: isBinary)
        default: return .notStored
        }
        return .done
    }
}

extension MemcacheAction.Count {
    fileprivate func apply(
        to item: inout MemcacheItem?, during seconds: ClosedRange<Int>
    ) -> MemcacheOutcome {
        guard var found = item else {
            guard let initial else { return .missing }
            item = MemcacheItem(
                data: "\(initial)".utf8Bytes, flags: "0",
                end: MemcacheAction.end(of: initialLifetime, from: seconds))
            return .created
        }
        guard version == nil || found.version == version else { return .exists }
        guard let number = found.number else { return .notNumeric }
        let count = isDown ? number - min(number, delta) : number &+ delta
        var data = "\(count)".utf8Bytes
        if data.count > found.data.count {
            found.isBinary = false
        } else {
            // It is written over the old one, and filled up.
            data += [UInt8](repeating: 0x20, count: found.data.count - data.count)
        }
        found.data = data
        found.version = nil
        if let lifetime { found.end = MemcacheAction.end(of: lifetime, from: seconds) }
        item = found
        return .done
    }
}
