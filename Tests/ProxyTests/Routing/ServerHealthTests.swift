import Synchronization
import Testing

@testable import Proxy

/// What counts as one failure of a server, and what as two.
struct ServerHealthTests {
    @Test func connectionsThatWereOpenAtAFailureDoNotCountAgain() {
        let health = ServerHealth()
        let isEjecting = [(10, 20), (11, 20), (19, 21), (20, 22)].map { openedAt, now in
            health.didFail(openedAt: openedAt, now: now, limit: 2)
        }
        #expect(isEjecting == [false, false, false, true])
    }

    @Test func replyTakesFailuresBack() {
        let health = ServerHealth()
        let isEjecting = stride(from: UInt64(10), to: 100, by: 10).map { time in
            defer { health.didSucceed() }
            return health.didFail(openedAt: time, now: time + 1, limit: 2)
        }
        #expect(!isEjecting.contains(true))
    }

    @Test func ejectedServerFailsNoMore() {
        let health = ServerHealth()
        var isEjecting = [health.didFail(openedAt: 1, now: 2, limit: 0)]
        isEjecting.append(health.didFail(openedAt: 3, now: 4, limit: 0))
        health.didRecover()
        isEjecting.append(health.didFail(openedAt: 5, now: 6, limit: 0))
        #expect(isEjecting == [true, false, true])
    }

    /// Their connections are reset by one event, and each looks before the other has counted.
    @Test func workersThatSeeAFailureAtTheSameMomentCountItOnce() async {
        for _ in 0..<2000 {
            let health = Shared(ServerHealth())
            let ready = Shared(AtomicCount())
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        ready.value.add(1)
                        var patience = 100_000
                        while ready.value.current < 2, patience > 0 { patience -= 1 }
                        return health.value.didFail(openedAt: 1, now: 2, limit: 2)
                    }
                }
                for await isEjecting in group { #expect(!isEjecting) }
            }
        }
    }
}
