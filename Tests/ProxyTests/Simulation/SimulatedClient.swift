@testable import Proxy

/// A client, whatever it speaks.
protocol Client: AnyObject, CustomStringConvertible {
    var isDone: Bool { get }
    /// When it wants to act again, whatever happens.
    var wakeAt: UInt64 { get }

    func didConnect(_ link: Link, in world: World)
    /// Nobody listens where it wants to connect to.
    func didFindNobody()
    /// Returns whether there was anything to do.
    func act(in world: World) -> Bool
}

private enum State {
    case waiting, arriving, open, done
}

/// What a client does to the proxy, or nothing.
private enum Fault {
    case none, reset, leave, stopReading
}

/// What a client does after its last request.
private enum Ending: CaseIterable {
    case close, halfClose, quit, violate
}

/// A client that knows the one right answer to each of its requests.
final class SimulatedClient<Keys: Dialogue>: Client {
    private struct Sent {
        let request: Keys.Asked
        /// Where it starts and ends among the bytes written.
        let start: Int
        let end: Int
        /// When its first byte was written.
        var firstTurn = Int.max
        /// When its last byte was written.
        var turn = Int.max
    }

    let index: Int
    private let scenario: Scenario
    private var state = State.waiting
    private var link: Link?
    private(set) var wakeAt: UInt64
    private var fault = Fault.none
    private let faultAfter: Int
    private let ending: Ending
    private let pipeline: Int

    private var keys: Keys
    private var requestsLeft: Int
    private var output = ByteQueue()
    private var input = ByteQueue()
    private var queuedCount = 0
    private var writtenCount = 0
    private var sent: [Sent] = []
    private(set) var answeredCount = 0
    /// It has done all it wanted, and nothing follows its last reply but the end.
    private var isEnding = false
    private var isRefused = false

    init(_ index: Int, of world: World) {
        self.index = index
        scenario = world.scenario
        wakeAt = world.clock + UInt64(world.chance.below(3_000_000))
        if world.chance.percent(scenario.clientFaults) {
            fault = world.chance.pick([.reset, .leave, .stopReading])
        }
        faultAfter = world.chance.below(scenario.requestCount.upperBound * 300)
        ending = world.chance.pick(Ending.allCases)
        pipeline = world.chance.within(1...scenario.pipelineMax)
        requestsLeft = world.chance.within(scenario.requestCount)
        keys = Keys(client: index, in: world)
    }

    var isDone: Bool { state == .done }

    func didConnect(_ link: Link, in world: World) {
        self.link = link
        state = .open
        wakeAt = .max
    }

    func didFindNobody() {
        guard state == .waiting || state == .arriving else { return }
        state = .done
        wakeAt = .max
    }
}

// MARK: - Acting

extension SimulatedClient {
    func act(in world: World) -> Bool {
        switch state {
        case .waiting:
            guard world.clock >= wakeAt else { return false }
            guard world.isListening else {
                didFindNobody()
                return true
            }
            state = .arriving
            wakeAt = .max
            world.arriving.append(self)
            return true
        case .arriving, .done:
            return false
        case .open:
            guard let link else { return false }
            return act(on: link, in: world)
        }
    }

    private func act(on link: Link, in world: World) -> Bool {
        if link.isPeerReading, readReplies(from: link, in: world) { return true }
        if link.isClosed {
            didLose(link, in: world)
            return true
        }
        if fault != .none, writtenCount >= faultAfter || isEnding {
            return misbehave(on: link, in: world)
        }
        guard link.isOpenForPeer else { return false }
        if write(to: link, in: world) { return true }
        return end(on: link, in: world)
    }

    private func misbehave(on link: Link, in world: World) -> Bool {
        switch fault {
        case .none: return false
        case .reset: link.reset()
        case .leave:
            // Closes with replies still to come: the next thing to reach it brings a reset.
            if link.end == nil {
                link.end = .finished
                link.isPeerReading = false
                wakeAt = world.clock + UInt64(world.chance.below(5_000_000))
                return true
            }
            guard world.clock >= wakeAt else { return false }
            link.reset()
        case .stopReading:
            if link.isPeerReading {
                link.isPeerReading = false
                link.window = link.toPeer.count + world.chance.below(5_000)
                wakeAt = world.clock + UInt64(world.chance.below(20_000_000))
                return true
            }
            guard world.clock >= wakeAt else {
                return link.isOpenForPeer && write(to: link, in: world)
            }
            link.reset()
        }
        wakeAt = .max
        state = .done
        return true
    }

    /// Writes some of what it wants to ask.
    private func write(to link: Link, in world: World) -> Bool {
        var hasMoved = false
        if queuedCount == 0, let opening = keys.opening() { ask(opening) }
        while requestsLeft > 0, sent.count < pipeline {
            ask(keys.makeRequest(in: world))
            requestsLeft -= 1
            hasMoved = true
        }
        if requestsLeft == 0, !isEnding, sent.count < pipeline {
            isEnding = true
            hasMoved = true
            switch ending {
            case .quit: ask(keys.farewell())
            case .violate: ask(keys.violation(in: world))
            case .close, .halfClose: break
            }
        }
        let room = min(output.count, Link.capacity - link.toProxy.count)
        guard room > 0 else { return hasMoved }
        let bytes = output.take(world.chance.cut(room))
        link.toProxy.append(bytes)
        writtenCount += bytes.count
        for index in sent.indices where sent[index].turn == .max {
            guard sent[index].start < writtenCount else { break }
            sent[index].firstTurn = min(sent[index].firstTurn, world.turn)
            if sent[index].end <= writtenCount { sent[index].turn = world.turn }
        }
        passUnanswered(in: world)
        return true
    }

    /// What has no reply is done with when it is written, and all before it is answered.
    private func passUnanswered(in world: World) {
        while let head = sent.first, !head.request.hasReply, head.turn != .max {
            sent.removeFirst()
            keys.noteUnanswered(head.request, since: head.turn, in: world)
        }
    }

    private func ask(_ request: Keys.Asked) {
        let bytes = request.bytes
        output.append(bytes)
        let start = queuedCount
        queuedCount += bytes.count
        sent.append(Sent(request: request, start: start, end: queuedCount))
    }

    private func end(on link: Link, in world: World) -> Bool {
        guard isEnding, output.isEmpty else { return false }
        switch ending {
        case .close:
            guard sent.isEmpty else { return false }
            link.end = .finished
            state = .done
        case .halfClose: link.end = .finished
        case .quit, .violate: return false
        }
        return true
    }
}

// MARK: - Replies

extension SimulatedClient {
    private func readReplies(from link: Link, in world: World) -> Bool {
        guard !link.toPeer.isEmpty else { return false }
        input.append(link.toPeer.take(world.chance.cut(link.toPeer.count)))
        while !input.isEmpty {
            let asked = sent.first?.request
            let (reply, count) = input.withBytes { bytes -> (Keys.Answer?, Int) in
                var reader = WireReader(bytes)
                do throws(WireReader.Failure) {
                    return (try keys.read(&reader, to: asked), reader.position)
                } catch {
                    if error == .malformed { world.fail("\(self) got malformed bytes") }
                    return (nil, 0)
                }
            }
            guard let reply else { return true }
            input.drop(count)
            check(reply, in: world)
        }
        return true
    }

    private func check(_ reply: Keys.Answer, in world: World) {
        guard !isRefused else { return world.fail("\(self) got more after a refusal") }
        var summary: String { keys.summary(of: reply) }
        let error = keys.error(in: reply, to: sent.first?.request, in: world)
        if answeredCount == 0, scenario.clientConnections > 0, error == Keys.refusal {
            isRefused = true
            return
        }
        guard let head = sent.first else {
            return world.fail("\(self) got what it did not ask for: \(summary)")
        }
        sent.removeFirst()
        answeredCount += 1
        // What is wrong can be seen before all of it has come.
        if isEnding, ending == .violate, sent.isEmpty {
            output.removeAll()
        } else if head.turn == .max, !head.request.mayBeAnsweredEarly {
            return world.fail("\(self) got an answer before it had asked: \(summary)")
        }
        guard judge(reply, error, to: head, in: world) else {
            return world.fail("\(self) asked \(head.request.summary) and got \(summary)")
        }
        passUnanswered(in: world)
    }

    /// Returns whether a reply may be what it should.
    private func judge(
        _ reply: Keys.Answer, _ error: String?, to head: Sent, in world: World
    ) -> Bool {
        let turn = min(head.turn, world.turn)
        if keys.accept(reply, to: head.request, since: turn, in: world) { return true }
        if let error, mayFail(head, with: error, in: world) {
            keys.noteFailure(of: head.request, since: turn, in: world)
            return true
        }
        return keys.isMistaken(reply, to: head.request, in: world) && mayFail(head, in: world)
    }

    private func mayFail(_ sent: Sent, with error: String, in world: World) -> Bool {
        if scenario.mayRefuse, error == Keys.busy { return true }
        if scenario.mayCloseClients, Keys.reliefErrors.contains(error) { return true }
        return Keys.isFailure(error) && mayFail(sent, in: world)
    }

    private func mayFail(_ sent: Sent, in world: World) -> Bool {
        let turn = sent.request.isSeveral ? sent.firstTurn : sent.turn
        return sent.request.keys.contains { world.mayFail($0, since: turn) }
    }

    /// The proxy has closed the connection.
    private func didLose(_ link: Link, in world: World) {
        state = .done
        wakeAt = .max
        guard fault == .none, !scenario.mayCloseClients, !isRefused else { return }
        let isExpected = isEnding && ending != .close && output.isEmpty
        if isExpected, sent.isEmpty, input.isEmpty { return }
        // A reply that was on its way while its server died.
        if let head = sent.first, mayFail(head, in: world), !input.isEmpty { return }
        if mayLeaveUnanswered(on: link, in: world) { return }
        let first = sent.first?.request.summary ?? "nothing"
        world.fail("\(self) was closed, waiting for \(sent.count) replies, first to \(first)")
    }
}

// MARK: - The end of the proxy

extension SimulatedClient {
    /// Whether the proxy ends and has answered all that it must: what had reached the worker
    /// when it was told to.
    private func mayLeaveUnanswered(on link: Link, in world: World) -> Bool {
        guard world.clock >= world.stopsAt else { return false }
        if !link.isServed { world.note(.refusedClient) }
        if !link.isServed || link.owner?.hasRunOutOfTime == true { return true }
        guard let count = link.deliveredAtDrain, input.isEmpty else { return false }
        return sent.allSatisfy { !$0.request.hasReply || $0.end > count }
    }
}

extension SimulatedClient: CustomStringConvertible {
    var description: String {
        "client \(index) (\(state), \(ending), \(fault), \(requestsLeft) requests to come, "
            + "\(sent.count) sent)"
    }
}
