import Glibc

@testable import Proxy

/// Something that the kernel has been asked to do.
final class Operation {
    enum Kind {
        case accept, connect, send, close, watch
        case receive(MbufGroup)
        /// To the ring of that descriptor, which gets that token.
        case hand(Int32, Token)
    }

    let kind: Kind
    let token: Token
    let ring: RingSide
    let link: Link?
    var isCancelled = false
    /// Nothing happens before.
    let readyAt: UInt64

    /// Of a send: the memory to send from, what was there at the start, and how far it is sent.
    let parts: [UnsafeRawBufferPointer]
    let bytes: [UInt8]
    var sentCount = 0

    init(
        _ kind: Kind, token: Token, of ring: RingSide, link: Link? = nil, readyAt: UInt64 = 0,
        parts: [UnsafeRawBufferPointer] = []
    ) {
        self.kind = kind
        self.ring = ring
        self.readyAt = readyAt
        self.token = token
        self.link = link
        self.parts = parts
        bytes = parts.reduce(into: []) { $0.append(contentsOf: $1) }
    }

    /// Whether it may stay in flight although nothing else is.
    var isWaitForever: Bool {
        switch kind {
        case .accept, .watch: true
        case .connect, .send, .close, .receive, .hand: false
        }
    }

    /// Whether the memory to send from still holds what it held.
    var isMemoryIntact: Bool {
        var start = 0
        return bytes.withUnsafeBytes { bytes in
            parts.allSatisfy { part in
                defer { start += part.count }
                return memcmp(part.baseAddress!, bytes.baseAddress! + start, part.count) == 0
            }
        }
    }
}

/// A group of mbufs that receives take from.
struct ProvidedMbufs {
    struct Buffer {
        let mbuf: Mbuf
        let memory: UnsafeMutablePointer<UInt8>
        var filled = 0
    }

    let capacity: Int
    let isIncremental: Bool
    var buffers: [Buffer] = []
}

// MARK: - Progress

extension World {
    /// Does some of an operation. Returns whether there was anything to do.
    func progress(_ operation: Operation) -> Bool {
        guard clock >= operation.readyAt else { return false }
        switch operation.kind {
        case .accept: return accept(operation)
        case .hand(let descriptor, let token):
            hand(operation, toRing: descriptor, token)
            return true
        case .watch:
            finish(operation, 1)
            return true
        case .connect: return connect(operation)
        case .receive(let group):
            var hasMoved = false
            while receive(operation, group) {
                hasMoved = true
                guard operation.ring.operations.contains(where: { $0 === operation }),
                    chance.percent(50)
                else {
                    break
                }
            }
            return hasMoved
        case .send: return send(operation)
        case .close:
            if let link = operation.link { remove(link) }
            finish(operation, 0)
            return true
        }
    }

    private func finish(_ operation: Operation, _ result: Int32) {
        operation.ring.operations.removeAll { $0 === operation }
        operation.ring.post(
            Completion(token: operation.token, result: result), link: operation.link)
    }

    private func accept(_ operation: Operation) -> Bool {
        guard !arriving.isEmpty else { return false }
        if chance.percent(scenario.acceptFaults) {
            finish(operation, -EMFILE)
            return true
        }
        let client = arriving.remove(at: chance.below(arriving.count))
        let link = makeLink(to: .client(client), isConnected: true, owner: operation.ring)
        acceptedCount += 1
        client.didConnect(link, in: self)
        let isMore = !chance.percent(scenario.shotEnds)
        if !isMore { operation.ring.operations.removeAll { $0 === operation } }
        operation.ring.post(
            Completion(token: operation.token, result: link.descriptor, isMore: isMore), link: link)
        return true
    }

    /// A message to another ring, as the kernel sends it. It comes back if that ring is gone, or
    /// if there is no memory for it.
    private func hand(_ operation: Operation, toRing descriptor: Int32, _ token: Token) {
        guard let link = operation.link else { return }
        guard let target = rings.first(where: { $0.descriptor == descriptor }) else {
            return fail("a hand-over to no ring")
        }
        if target.hasEnded { note(.lateHandOver) }
        let isLost = target.hasEnded && chance.percent(50)
        if isLost || chance.percent(scenario.handFaults) {
            link.owner = operation.ring
            note(.failedHandOver)
            return finish(operation, isLost ? -EOWNERDEAD : -EOVERFLOW)
        }
        let arrival = Completion(token: token, result: link.descriptor)
        if scenario.sabotage != .lostHandOver { target.post(arrival, link: link) }
        if scenario.sabotage == .doubledHandOver { rings[0].post(arrival, link: link) }
        finish(operation, 0)
    }

    private func connect(_ operation: Operation) -> Bool {
        guard let link = operation.link, case .server(let server) = link.peer else { return false }
        if operation.isCancelled, chance.percent(70) {
            finish(operation, -ECANCELED)
            return true
        }
        guard let result = server.connect(link, in: self) else {
            guard operation.isCancelled else { return false }
            finish(operation, -ECANCELED)
            return true
        }
        link.isConnected = result == 0
        finish(operation, result)
        return true
    }

    /// One completion of a multishot receive.
    private func receive(_ operation: Operation, _ group: MbufGroup) -> Bool {
        guard let link = operation.link else { return false }
        if operation.isCancelled, chance.percent(50) {
            finish(operation, -ECANCELED)
            return true
        }
        // Only if it is received at once, so that nothing can be asked before.
        let ring = operation.ring
        if case .server(let server) = link.peer, !ring.groups[group.rawValue].buffers.isEmpty {
            server.speakUp(on: link, in: self)
        }
        guard !link.toProxy.isEmpty else {
            switch link.end {
            case .finished: finish(operation, 0)
            case .reset: finish(operation, -ECONNRESET)
            case nil where operation.isCancelled: finish(operation, -ECANCELED)
            case nil: return false
            }
            return true
        }
        guard let buffer = ring.groups[group.rawValue].buffers.first else {
            finish(operation, -ENOBUFS)
            return true
        }
        let isIncremental = ring.groups[group.rawValue].isIncremental
        let count = min(Mbuf.size - buffer.filled, chance.cut(link.toProxy.count))
        link.toProxy.withBytes { bytes in
            (buffer.memory + buffer.filled).update(from: bytes.baseAddress!, count: count)
        }
        link.toProxy.drop(count)
        let isShared = isIncremental && buffer.filled + count < Mbuf.size
        if isShared {
            ring.groups[group.rawValue].buffers[0].filled += count
        } else {
            ring.groups[group.rawValue].buffers.removeFirst()
        }
        let isMore = !chance.percent(scenario.shotEnds)
        if !isMore { ring.operations.removeAll { $0 === operation } }
        ring.post(
            Completion(
                token: operation.token, result: Int32(count), isMore: isMore,
                slice: MbufSlice(mbuf: buffer.mbuf, offset: buffer.filled, count: count),
                isMbufShared: isShared), link: link)
        return true
    }

    private func send(_ operation: Operation) -> Bool {
        guard let link = operation.link else { return false }
        guard operation.isMemoryIntact else {
            fail("bytes changed while they were being sent")
            return false
        }
        if operation.isCancelled, chance.percent(50) {
            endSend(operation, -ECANCELED)
            return true
        }
        if link.isReset {
            endSend(operation, chance.percent(50) ? -EPIPE : -ECONNRESET)
            return true
        }
        if case .server(let server) = link.peer, chance.percent(scenario.sendFaults) {
            server.noteFault(on: link)
            endSend(operation, -ENOMEM)
            return true
        }
        let room = link.isPeerReading ? Link.capacity : link.window
        var count = min(operation.bytes.count - operation.sentCount, room - link.toPeer.count)
        guard count > 0 else {
            guard operation.isCancelled else { return false }
            endSend(operation, -ECANCELED)
            return true
        }
        if chance.percent(30) { count = chance.within(1...count) }
        operation.bytes.withUnsafeBytes { bytes in
            let start = operation.sentCount
            let target = crossed(link)
            target.toPeer.append(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
        }
        operation.sentCount += count
        if operation.sentCount == operation.bytes.count {
            finish(operation, Int32(operation.sentCount))
        }
        return true
    }

    /// The connection that bytes for one of them go to.
    private func crossed(_ link: Link) -> Link {
        guard scenario.sabotage == .crossedReplies, link.isClient else { return link }
        return links.values.filter { $0.isClient && $0.isOpenForPeer }
            .max { $0.descriptor < $1.descriptor } ?? link
    }

    /// A send that fails half way reports how far it got.
    private func endSend(_ operation: Operation, _ result: Int32) {
        finish(operation, operation.sentCount > 0 ? Int32(operation.sentCount) : result)
    }
}
