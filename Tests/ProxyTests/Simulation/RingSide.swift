@testable import Proxy

/// The kernel's side of one worker's ring, and what is known of that worker.
final class RingSide {
    /// A completion, and the connection that it is about.
    private struct Posted {
        let completion: Completion
        let link: Link?
    }

    let index: Int
    var operations: [Operation] = []
    var groups: [ProvidedMbufs]
    private var posted: [Posted] = []
    /// Those of the worker's turn, and how many of them it has read.
    private var ready: [Posted] = []
    private var readCount = 0

    /// When the worker wants to go on, whatever happens.
    var deadline: UInt64 = 0
    /// The turn of the world from which on its thread has a processor again.
    var runsFrom = 0
    /// The thread is gone, and so nothing in its ring goes on.
    var hasEnded = false
    /// It ended with clients that still waited.
    var hasRunOutOfTime = false

    init(_ index: Int, groups: [ProvidedMbufs]) {
        self.index = index
        self.groups = groups
    }

    var descriptor: Int32 { Int32(10 + index) }

    func post(_ completion: Completion, link: Link? = nil) {
        posted.append(Posted(completion: completion, link: link))
    }

    func isDue(at clock: UInt64) -> Bool {
        !hasEnded && (!posted.isEmpty || deadline <= clock)
    }

    var hasPosted: Bool { !hasEnded && !posted.isEmpty }

    /// The worker's next turn sees all that was posted.
    func beginTurn() {
        ready.removeAll(keepingCapacity: true)
        readCount = 0
        swap(&ready, &posted)
    }

    var hasReady: Bool { !ready.isEmpty }

    func next() -> (completion: Completion, link: Link?)? {
        guard readCount < ready.count else { return nil }
        readCount += 1
        return (ready[readCount - 1].completion, ready[readCount - 1].link)
    }

    /// Takes back what was accepted and that the worker has not seen: `UringRing` accepts only
    /// when the worker asks for the next completion.
    func withdrawAccepted() -> [Link] {
        let isAccepted = { (entry: Posted) in entry.completion.token.purpose == .accept }
        let unread = ready[readCount...].filter(isAccepted) + posted.filter(isAccepted)
        ready = ready[..<readCount] + ready[readCount...].filter { !isAccepted($0) }
        posted.removeAll(where: isAccepted)
        return unread.compactMap(\.link)
    }
}
