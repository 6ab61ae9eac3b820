import Testing

@testable import Proxy

@Suite struct CourtesyTests {
    private static let long = Courtesy.patience + 1

    /// The same some times in a row, beginning at time 0. Returns when the last was over.
    private func giveWay(
        _ courtesy: inout Courtesy, for duration: UInt64, bringing count: UInt32, times: Int
    ) -> UInt64 {
        var time: UInt64 = 0
        for _ in 0..<times {
            courtesy.didGiveWay(from: time, to: time + duration)
            courtesy.didReceive(count)
            time += duration
        }
        return time
    }

    @Test func pausesWhenItIsInVain() {
        var courtesy = Courtesy()
        let end = giveWay(&courtesy, for: Self.long, bringing: 3, times: Courtesy.vainMax)
        #expect(!courtesy.givesWay(at: end))
        #expect(!courtesy.givesWay(at: end + Courtesy.pause - 1))
        #expect(courtesy.givesWay(at: end + Courtesy.pause))
    }

    @Test func bearsWithItAFewTimes() {
        var courtesy = Courtesy()
        let end = giveWay(&courtesy, for: Self.long, bringing: 0, times: Courtesy.vainMax - 1)
        #expect(courtesy.givesWay(at: end))
        // What is long and brings much begins the count anew; what is short says nothing.
        courtesy.didGiveWay(from: end, to: end + Self.long)
        courtesy.didReceive(100)
        let later = giveWay(&courtesy, for: Self.long, bringing: 0, times: Courtesy.vainMax - 1)
        #expect(courtesy.givesWay(at: later))
        _ = giveWay(&courtesy, for: 1000, bringing: 0, times: 100)
        let last = giveWay(&courtesy, for: Self.long, bringing: 0, times: 1)
        #expect(!courtesy.givesWay(at: last))
    }

    /// What comes without giving way is no sign of anything.
    @Test func eachTimeCountsOnce() {
        var courtesy = Courtesy()
        let end = giveWay(&courtesy, for: Self.long, bringing: 0, times: 1)
        for _ in 0..<10 { courtesy.didReceive(0) }
        #expect(courtesy.givesWay(at: end))
    }

    @Test(arguments: [(5_000_000, 1000), (2_500_000, 0), (1000, 0)] as [(UInt64, UInt32)])
    func goesOnWhileItPays(_ duration: UInt64, _ count: UInt32) {
        var courtesy = Courtesy()
        let end = giveWay(&courtesy, for: duration, bringing: count, times: 100)
        #expect(courtesy.givesWay(at: end))
    }
}
