/// Whether a worker gives way to other threads of its processor.
///
/// It does unless that is in vain: beside a thread that never waits, and asks nothing of it, each
/// time costs a slice of the processor and brings little.
struct Courtesy: BitwiseCopyable {
    /// Nanoseconds that giving way may take, whatever it brings.
    static let patience: UInt64 = 2_500_000
    /// Nanoseconds that each completion is worth.
    static let completionWorth: UInt64 = 30_000
    /// So many times in vain, with none between that was long and was not, are enough;
    static let vainMax = 4
    /// and for so many nanoseconds nobody is given way then.
    static let pause: UInt64 = 250_000_000

    private var vainCount = 0
    private var resumesAt: UInt64 = 0
    private var startedAt: UInt64 = 0
    private var duration: UInt64 = 0

    func givesWay(at time: UInt64) -> Bool { time >= resumesAt }

    /// It has given way, between these times.
    mutating func didGiveWay(from start: UInt64, to end: UInt64) {
        startedAt = start
        duration = end &- start
    }

    /// What has come since, so that it can be told whether giving way was in vain.
    mutating func didReceive(_ completionCount: UInt32) {
        defer { duration = 0 }
        guard duration > Self.patience else { return }
        let isVain = UInt64(completionCount) &* Self.completionWorth < duration
        vainCount = isVain ? vainCount &+ 1 : 0
        guard vainCount == Self.vainMax else { return }
        vainCount = 0
        resumesAt = startedAt &+ duration &+ Self.pause
    }
}
