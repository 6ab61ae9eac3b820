@testable import Proxy

/// Everything random in a simulation comes from one of these, so a seed repeats a run.
struct Chance {
    private var generator: SplitMix64

    init(seed: UInt64) {
        generator = SplitMix64(state: seed)
    }

    /// - Precondition: `limit > 0`.
    mutating func below(_ limit: Int) -> Int {
        Int(truncatingIfNeeded: generator.next() >> 16) % limit
    }

    mutating func within(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    /// True in so many of a hundred cases.
    mutating func percent(_ chance: Int) -> Bool {
        chance > 0 && below(100) < chance
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[below(elements.count)]
    }

    /// Nearly always a few, sometimes all.
    mutating func cut(_ count: Int) -> Int {
        switch below(4) {
        case 0: within(1...min(count, 8))
        case 1: within(1...count)
        default: count
        }
    }
}
