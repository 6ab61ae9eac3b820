@testable import Proxy

/// A client that knows the one right answer to each of its requests.
final class SimulatedClient {
    private enum State {
        case waiting, arriving, open, done
    }

    /// What it does to the proxy, or nothing.
    private enum Fault {
        case none, reset, leave, stopReading
    }

    /// What it does after its last request.
    private enum Ending: CaseIterable {
        case close, halfClose, quit, violate
    }

    private struct Sent {
        let request: ClientRequest
        /// Where it ends among the bytes written.
        let end: Int
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

    private var keys: KeySpace
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
        keys = KeySpace(client: index, in: world)
    }

    var isDone: Bool { state == .done }

    func didConnect(_ link: Link, in world: World) {
        self.link = link
        state = .open
        wakeAt = .max
    }
}

// MARK: - Acting

extension SimulatedClient {
    func act(in world: World) -> Bool {
        switch state {
        case .waiting:
            guard world.clock >= wakeAt else { return false }
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
        if queuedCount == 0, let password = scenario.password {
            ask(.exact(encode([Array("AUTH".utf8), Array(password.utf8)]), .simple("OK")))
        }
        while requestsLeft > 0, sent.count < pipeline {
            ask(keys.makeRequest(in: world))
            requestsLeft -= 1
            hasMoved = true
        }
        if requestsLeft == 0, !isEnding, sent.count < pipeline {
            isEnding = true
            hasMoved = true
            switch ending {
            case .quit: ask(.exact(encode([Array("QUIT".utf8)]), .simple("OK")))
            case .violate: ask(ClientRequest.violation(in: world))
            case .close, .halfClose: break
            }
        }
        let room = min(output.count, Link.capacity - link.toProxy.count)
        guard room > 0 else { return hasMoved }
        let bytes = output.take(world.chance.cut(room))
        link.toProxy.append(bytes)
        writtenCount += bytes.count
        for index in sent.indices where sent[index].turn == .max && sent[index].end <= writtenCount
        {
            sent[index].turn = world.turn
        }
        return true
    }

    private func ask(_ request: ClientRequest) {
        let bytes = request.bytes
        output.append(bytes)
        queuedCount += bytes.count
        if request.hasReply { sent.append(Sent(request: request, end: queuedCount)) }
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
            let (reply, count) = input.withBytes { bytes -> (Reply?, Int) in
                var reader = WireReader(bytes)
                do throws(WireReader.Failure) {
                    return (try reader.reply(), reader.position)
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

    private func check(_ reply: Reply, in world: World) {
        guard !isRefused else { return world.fail("\(self) got more after a refusal") }
        if answeredCount == 0, scenario.clientConnections > 0,
            case .error("ERR max number of clients reached") = reply
        {
            isRefused = true
            return
        }
        guard let head = sent.first else {
            return world.fail("\(self) got what it did not ask for: \(reply.summary)")
        }
        sent.removeFirst()
        answeredCount += 1
        // What is wrong can be seen before all of it has come.
        if isEnding, ending == .violate, sent.isEmpty {
            output.removeAll()
        } else if head.turn == .max {
            return world.fail("\(self) got an answer before it had asked: \(reply.summary)")
        }
        if keys.accept(reply, to: head.request) { return }
        if case .error(let error) = reply, mayFail(head, with: error, in: world) {
            return keys.noteFailure(of: head.request)
        }
        if head.request.isMiscounted(reply, in: world), mayFail(head, in: world) { return }
        world.fail("\(self) asked \(head.request.summary) and got \(reply.summary)")
    }

    private func mayFail(_ sent: Sent, with error: String, in world: World) -> Bool {
        if scenario.mayRefuse, error == "ERR Device or resource busy" { return true }
        return Self.errors.contains(error) && mayFail(sent, in: world)
    }

    private func mayFail(_ sent: Sent, in world: World) -> Bool {
        sent.request.keys.contains { key in
            world.servers[world.server(of: key)].mayFail(since: sent.turn)
        }
    }

    private static let errors: Set<String> = [
        "ERR unknown", "ERR Connection refused", "ERR Connection reset by peer", "ERR Broken pipe",
        "ERR Connection timed out", "ERR No route to host", "ERR Too many open files",
        "ERR Invalid argument", "ERR unasked",
        "ERR Cannot allocate memory", "LOADING Redis is loading the dataset",
    ]

    /// The proxy has closed the connection.
    private func didLose(_ link: Link, in world: World) {
        state = .done
        wakeAt = .max
        guard fault == .none, !scenario.mayCloseClients, !isRefused else { return }
        let isExpected = isEnding && ending != .close && output.isEmpty
        if isExpected, sent.isEmpty, input.isEmpty { return }
        // A reply that was on its way while its server died.
        if let head = sent.first, mayFail(head, in: world), !input.isEmpty { return }
        let first = sent.first?.request.summary ?? "nothing"
        world.fail("\(self) was closed, waiting for \(sent.count) replies, first to \(first)")
    }
}

extension SimulatedClient: CustomStringConvertible {
    var description: String {
        "client \(index) (\(state), \(ending), \(fault), \(requestsLeft) requests to come, "
            + "\(sent.count) sent)"
    }
}
