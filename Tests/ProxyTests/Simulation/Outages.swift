/// When a server dies, and when it comes back.
struct Outages {
    /// In nanoseconds of the world, in order.
    private var left: [(start: UInt64, end: UInt64)] = []
    private(set) var isDown = false

    enum Change {
        case dies, returns
    }

    init(of scenario: Scenario, from clock: UInt64, _ chance: inout Chance) {
        guard scenario.outageCount.upperBound > 0 else { return }
        var time = clock
        for _ in 0..<chance.within(scenario.outageCount) {
            let start = time + UInt64(chance.below(4_000_000))
            time = start + UInt64(chance.within(0...scenario.outageMax))
            left.append((start, time))
        }
    }

    /// What happens now, if it is time for anything. A server that dies for no time at all loses
    /// its connections, and takes new ones at once.
    mutating func next(at clock: UInt64) -> Change? {
        guard clock >= nextAt, let outage = left.first else { return nil }
        let change = isDown ? Change.returns : .dies
        isDown = !isDown && outage.end > outage.start
        if !isDown { left.removeFirst() }
        return change
    }

    var nextAt: UInt64 {
        guard let outage = left.first else { return .max }
        return isDown ? outage.end : outage.start
    }

    mutating func end() {
        left.removeAll()
        isDown = false
    }
}
