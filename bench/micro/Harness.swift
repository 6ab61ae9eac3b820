import Glibc
import Proxy

/// Measures loops and prints one line for each: nanoseconds of CPU time per iteration, and the
/// checksum of one period, which stays the same as long as the results do.
struct Harness {
    /// Runs each loop for one period, so that a test of all takes no time and says little.
    let isTiny: Bool

    /// The best of so many samples is kept: what disturbs a sample only ever makes it longer.
    private static let sampleCount = 9

    /// Long against the resolution of the clock and the first touch of the inputs.
    private static let sampleNanosecondsMin: UInt64 = 20_000_000

    /// - Parameter loop: Takes a number of iterations and returns a checksum, which is 0 after a
    ///   failure. Exits then, and if equal numbers of iterations give unequal checksums, because
    ///   then the loop measured is not always the same.
    func measure(_ name: String, unit: String, _ loop: (Int) -> UInt64) {
        let reference = loop(MicroBenchmarks.period)
        guard reference != 0 else {
            print("\(name): the loop has failed")
            exit(1)
        }
        let iterations = isTiny ? MicroBenchmarks.period : iterationsPerSample(loop)
        let periods = UInt64(iterations / MicroBenchmarks.period)
        var best = UInt64.max
        for _ in 0..<(isTiny ? 1 : Self.sampleCount) {
            let start = cpuNanoseconds()
            let checksum = loop(iterations)
            best = min(best, cpuNanoseconds() - start)
            guard checksum == reference &* periods else {
                print("\(name): checksum \(checksum), expected \(reference &* periods)")
                exit(1)
            }
        }
        report(name, unit, nanoseconds: Double(best) / Double(iterations), reference)
    }

    /// Whole periods that take a sample's time.
    private func iterationsPerSample(_ loop: (Int) -> UInt64) -> Int {
        var iterations = MicroBenchmarks.period
        while true {
            let start = cpuNanoseconds()
            _ = loop(iterations)
            if cpuNanoseconds() - start >= Self.sampleNanosecondsMin { return iterations }
            iterations *= 2
        }
    }

    private func report(_ name: String, _ unit: String, nanoseconds: Double, _ checksum: UInt64) {
        let hundredths = Int((nanoseconds * 100).rounded())
        let fraction = String(hundredths % 100)
        let number = "\(hundredths / 100).\(fraction.count < 2 ? "0" : "")\(fraction)"
        let label = name + String(repeating: " ", count: max(1, 28 - name.count))
        let gap = String(repeating: " ", count: max(0, 8 - number.count))
        print("\(label)\(gap)\(number) ns/\(unit)  checksum \(String(checksum, radix: 16))")
    }
}
