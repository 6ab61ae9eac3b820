import Testing

@testable import Proxy

@Suite struct LogEventTests {
    /// What is not told is counted, and the count comes with what is told next.
    @Test func limitTellsHowMuchItKeptToItself() {
        var limit = LogLimit()
        let second: UInt64 = 1_000_000_000
        #expect(limit.take(at: 5, perSecond: 2) == 0)
        #expect(limit.take(at: 6, perSecond: 2) == 0)
        #expect(limit.take(at: 7, perSecond: 2) == nil)
        #expect(limit.take(at: second, perSecond: 2) == nil)
        #expect(limit.take(at: second + 5, perSecond: 2) == 2)
        #expect(limit.take(at: second + 6, perSecond: 2) == 0)
        #expect(limit.take(at: second + 7, perSecond: 2) == nil)
        #expect(limit.take(at: second * 9, perSecond: 2) == 1)
    }

    @Test func limitsOfPoolsKindsAndReasonsAreApart() {
        let limits = LogLimits(serverCount: 2, poolCount: 2)
        for pool in 0..<2 {
            for reason in CloseReason.allCases {
                #expect(limits.take(.clientClosed, reason, ofPool: pool, at: 1) == 0)
                #expect(limits.take(.clientClosed, reason, ofPool: pool, at: 1) == nil)
            }
            for kind in LogEvent.Kind.allCases {
                #expect(limits.take(kind, ofPool: pool, at: 1) == 0)
            }
        }
        for place in 0..<2 {
            #expect(limits.takeFailure(ofServer: place, at: 1) == 0)
            #expect(limits.takeFailure(ofServer: place, at: 1) == nil)
        }
    }

    /// A client whose line ends its connection is told of, and no other.
    @Test func everyProblemThatEndsAConnectionHasAReason() {
        for number in UInt8.min...UInt8.max {
            guard let problem = MemcacheProblem(rawValue: number) else { continue }
            #expect(problem.endsConnection == (problem.closeReason != nil), "\(problem)")
        }
    }

    /// Two processes may write to one pipe, and a record must come out as it went in.
    @Test func recordFitsAPipe() {
        #expect(MemoryLayout<LogEvent>.size <= 512)
    }
}
