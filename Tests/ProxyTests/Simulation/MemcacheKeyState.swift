/// What a reply tells of the key it is about. What it does not tell is nil.
struct MemcacheSighting {
    var outcomes: Set<MemcacheOutcome>
    var data: [UInt8]?
    var number: UInt64?
    var flags: String?
    var version: UInt64?
    /// Seconds until the item ends; -1 if it does not.
    var secondsLeft: Int?
    var size: Int?
    var isBinary: Bool?

    init(_ outcomes: MemcacheOutcome...) {
        self.outcomes = Set(outcomes)
    }
}

/// All that a key may hold, as far as the one client that writes it knows.
///
/// After an error nobody knows whether the request was carried out, or will be: a server may still
/// read it from a connection that the proxy has given up. So such requests stay pending until the
/// server has no such connection any more. What has no reply was done in its turn, unless the
/// server had a fault since: then it may be lost, or pending too.
struct MemcacheKeyState {
    private struct Possibility {
        var item: MemcacheItem?
        /// By their places in `delayed`.
        var pending: [Int] = []
        /// It is none, unless the server had a fault in that turn or later.
        var doubtfulSince: Int?
    }

    /// What it takes to know what a server may have done.
    struct Moment {
        /// The seconds in which a request was under way.
        let seconds: ClosedRange<Int>
        /// Whether all connections that had a fault are gone.
        let isSettled: Bool
        /// Whether the server has had a fault since a turn.
        let mayBeLost: (Int) -> Bool
    }

    private static let possibilitiesMax = 64
    private static let pendingMax = 4

    private var possibilities = [Possibility()]
    private var delayed: [(action: MemcacheAction, madeAt: Int)] = []
    /// There are too many possibilities to follow.
    private(set) var isWild = false
    /// The highest version seen.
    private var versionSeen: UInt64 = 0
}

// MARK: - Requests

extension MemcacheKeyState {
    /// Takes in what a reply tells. Returns whether it can be the reply.
    mutating func observe(
        _ action: MemcacheAction, _ sighting: MemcacheSighting, at moment: Moment
    ) -> Bool {
        guard !isWild else {
            versionSeen = max(versionSeen, sighting.version ?? 0)
            tame(action, sighting, at: moment)
            return true
        }
        clearDoubts(moment.mayBeLost)
        bringInPending(until: moment.seconds.upperBound)
        var next: [Possibility] = []
        for possibility in possibilities {
            for var branch in Self.branches(of: possibility, during: moment.seconds) {
                let outcome = action.apply(to: &branch.item, during: moment.seconds)
                guard sighting.outcomes.contains(outcome),
                    sighting.fits(&branch.item, during: moment.seconds, newerThan: versionSeen)
                else { continue }
                Self.add(branch, to: &next)
            }
        }
        guard !next.isEmpty || isWild else { return false }
        possibilities = next
        versionSeen = max(versionSeen, sighting.version ?? 0)
        if moment.isSettled { settle(until: moment.seconds.upperBound) }
        return true
    }

    /// Something was asked in a second, and an error came.
    mutating func noteFailure(of action: MemcacheAction, madeAt second: Int) {
        guard !isWild else { return }
        delayed.append((action, second))
        for index in possibilities.indices {
            possibilities[index].pending.append(delayed.count - 1)
        }
        beWildIfTooMany()
    }

    /// Something without a reply left in a turn.
    mutating func noteUnanswered(_ action: MemcacheAction, madeAt second: Int, since turn: Int) {
        guard !isWild else { return }
        bringInPending(until: MemcacheClock.never)
        delayed.append((action, second))
        var next: [Possibility] = []
        let seconds = second...MemcacheClock.never
        for var possibility in possibilities {
            for var branch in Self.branches(of: possibility, during: seconds) {
                _ = action.apply(to: &branch.item, during: seconds)
                Self.add(branch, to: &next)
            }
            possibility.pending.append(delayed.count - 1)
            possibility.doubtfulSince = max(turn, possibility.doubtfulSince ?? turn)
            Self.add(possibility, to: &next)
        }
        possibilities = next
        beWildIfTooMany()
    }
}

// MARK: - Possibilities

extension MemcacheKeyState {
    /// The item may have ended before, or not yet.
    private static func branches(
        of possibility: Possibility, during seconds: ClosedRange<Int>
    ) -> [Possibility] {
        guard let end = possibility.item?.end else { return [possibility] }
        var branches: [Possibility] = []
        if seconds.lowerBound < end.upperBound {
            var alive = possibility
            alive.item!.end = max(end.lowerBound, seconds.lowerBound + 1)...end.upperBound
            branches.append(alive)
        }
        if seconds.upperBound >= end.lowerBound {
            var over = possibility
            over.item = nil
            branches.append(over)
        }
        return branches
    }

    /// A reply to what came later shows that all before it was done, unless there was a fault.
    private mutating func clearDoubts(_ mayBeLost: (Int) -> Bool) {
        possibilities.removeAll { $0.doubtfulSince.map { !mayBeLost($0) } ?? false }
        for index in possibilities.indices { possibilities[index].doubtfulSince = nil }
    }

    private static func add(_ new: Possibility, to all: inout [Possibility]) {
        let known = all.firstIndex { $0.pending == new.pending && $0.item == new.item }
        guard let known else { return all.append(new) }
        if let since = all[known].doubtfulSince {
            all[known].doubtfulSince = new.doubtfulSince.map { min($0, since) }
        }
    }

    /// Any requests that are pending may be done by now, each once, in any order.
    private mutating func bringInPending(until second: Int) {
        var index = 0
        while index < possibilities.count, possibilities.count <= Self.possibilitiesMax {
            let possibility = possibilities[index]
            for place in possibility.pending {
                let (action, madeAt) = delayed[place]
                let seconds = madeAt...max(madeAt, second)
                for var branch in Self.branches(of: possibility, during: seconds) {
                    _ = action.apply(to: &branch.item, during: seconds)
                    branch.pending.removeAll { $0 == place }
                    Self.add(branch, to: &possibilities)
                }
            }
            index += 1
        }
        beWildIfTooMany()
    }

    /// What is not done by now never will be.
    private mutating func settle(until second: Int) {
        guard !isWild, !delayed.isEmpty else { return }
        bringInPending(until: second)
        guard !isWild else { return }
        var next: [Possibility] = []
        for var possibility in possibilities {
            possibility.pending = []
            Self.add(possibility, to: &next)
        }
        possibilities = next
        delayed = []
    }

    private mutating func beWildIfTooMany() {
        guard
            possibilities.count > Self.possibilitiesMax
                || possibilities.contains(where: { $0.pending.count > Self.pendingMax })
        else { return }
        isWild = true
        possibilities = []
        delayed = []
    }

    /// Nothing can come in between any more, and a reply tells all there is to know.
    private mutating func tame(
        _ action: MemcacheAction, _ sighting: MemcacheSighting, at moment: Moment
    ) {
        guard moment.isSettled else { return }
        var items: [MemcacheItem?] = [nil]
        switch action {
        case .read where sighting.outcomes == [.missing], .remove(nil): break
        case .read(nil):
            guard let data = sighting.data, let flags = sighting.flags,
                let version = sighting.version
            else { return }
            let some = moment.seconds.lowerBound + 1...MemcacheClock.never
            items = [(false, nil), (true, nil), (false, some), (true, some)].map {
                MemcacheItem(data: data, flags: flags, version: version, end: $1, isBinary: $0)
            }
        case .store(let store) where store.mode == .set && store.version == nil:
            _ = action.apply(to: &items[0], during: moment.seconds)
        default: return
        }
        isWild = false
        possibilities = items.map { Possibility(item: $0) }
    }
}

extension MemcacheSighting {
    /// Whether it can be of an item, which then is known better.
    ///
    /// - Parameter version: The highest seen before.
    fileprivate func fits(
        _ item: inout MemcacheItem?, during seconds: ClosedRange<Int>, newerThan version: UInt64
    ) -> Bool {
        guard var known = item else { return isEmpty }
        if let data, !areSame(data, known.data) { return false }
        if let number, number != known.number { return false }
        if let flags, flags != known.flags { return false }
        if let size, size != known.data.count { return false }
        if let isBinary, isBinary != known.isBinary { return false }
        if let seen = self.version {
            guard known.version.map({ $0 == seen }) ?? (seen > version) else { return false }
            known.version = seen
        }
        if let secondsLeft {
            guard fits(secondsLeft, &known.end, during: seconds) else { return false }
        }
        item = known
        return true
    }

    private func fits(
        _ secondsLeft: Int, _ end: inout ClosedRange<Int>?, during seconds: ClosedRange<Int>
    ) -> Bool {
        guard let known = end else { return secondsLeft == -1 }
        let first = max(known.lowerBound, secondsLeft + seconds.lowerBound)
        let last = min(known.upperBound, secondsLeft + seconds.upperBound)
        guard secondsLeft >= 0, first <= last else { return false }
        end = first...last
        return true
    }

    private var isEmpty: Bool {
        data == nil && number == nil && flags == nil && version == nil && secondsLeft == nil
            && size == nil && isBinary == nil
    }
}
