// How memory is bounded, shared out, and given back.
//
//     mbufs in use     what happens
//     soft limit       clients that hold little go on; of those that hold more one at a time is
//                      read, to the end of its request
//     hard limit       nobody is read, and whoever holds most gives it up, at once
//
// The limits are those of all workers together.

/// Whether memory is short, and who may be read meanwhile.
struct Shortage: BitwiseCopyable {
    var isOn = false
    /// The hard limit is reached.
    var isFull = false
    /// Bytes that a client may hold and still be read.
    var smallMax = 0
    /// The client whose request is read to its end.
    var reader = Handle<ClientConnection>.none
    /// Bytes it had when its time began, and when that was.
    var readerCount = 0
    var readerSince: UInt64 = 0
    /// When a reader last brought much, or none was needed.
    var movedAt: UInt64 = 0
    /// Mbufs in use that the other workers know of.
    var reportedCount = 0
}

extension Worker where IO: ~Copyable {
    /// Free mbufs that are kept for the next burst.
    private static var mbufReserve: UInt32 { 128 }
    /// How often, in nanoseconds, idle memory is given back, and how many mbufs at a time.
    private static var trimInterval: UInt64 { 500_000_000 }
    private static var trimMax: UInt32 { 4096 }
    /// How often, in nanoseconds, a worker looks whether memory is still short: another worker may
    /// have given it back.
    private static var shortageInterval: UInt64 { 20_000_000 }
    /// In how many nanoseconds a reader must bring how many bytes, or it is another's turn.
    private static var readerPatience: UInt64 { 200_000_000 }
    private static var readerBytesMin: Int { 16384 }
    /// How long, in nanoseconds, memory may be short and no reader bring anything.
    private static var standstillMax: UInt64 { 2_000_000_000 }
    /// A change of so many mbufs is told to the other workers.
    private static var reportStep: UInt { 64 }

    mutating func trimMemory() {
        if nextTrim == .max {
            if mbufs.freeCount > Self.mbufReserve &+ mbufs.trimmedCount {
                nextTrim = now &+ Self.trimInterval
            }
        } else if now >= nextTrim {
            let hasMore = mbufs.trim(reserve: Self.mbufReserve, limit: Self.trimMax)
            nextTrim = hasMore ? now &+ Self.trimInterval : .max
        }
    }

    // MARK: Shortage

    /// Keeps to the limits, at the end of a turn.
    mutating func limitMemory() {
        let used = countUsedMbufs()
        guard used >= limits.mbufSoftMax || shortage.isOn else { return }
        // Some way below the limits, so as not to flap.
        let margin = (limits.mbufHardMax &- limits.mbufSoftMax) / 4
        if !shortage.isOn {
            beginShortage()
        } else if used < limits.mbufSoftMax &- margin {
            return endShortage()
        }
        nextRelief = clients.count > 0 ? now &+ Self.shortageInterval : .max
        if shortage.isFull ? used < limits.mbufHardMax &- margin : used >= limits.mbufHardMax {
            shortage.isFull.toggle()
            touchAllClients()
        }
        if used >= limits.mbufHardMax { relieve() }
        chooseReader(room: Int(limits.mbufHardMax) &- Int(used))
        settle()
    }

    /// Mbufs that all workers have in use.
    private mutating func countUsedMbufs() -> UInt32 {
        let used = Int(mbufs.usedCount)
        guard process.value.workers.count > 1 else { return mbufs.usedCount }
        if (used &- shortage.reportedCount).magnitude >= Self.reportStep {
            process.value.usedMbufs.add(used &- shortage.reportedCount)
            shortage.reportedCount = used
        }
        let others = process.value.usedMbufs.current &- shortage.reportedCount
        return UInt32(truncatingIfNeeded: max(0, others) &+ used)
    }

    /// Has the other workers forget what this one had.
    mutating func reportNoMbufs() {
        process.value.usedMbufs.add(0 &- shortage.reportedCount)
        shortage.reportedCount = 0
    }

    private mutating func beginShortage() {
        shortage.isOn = true
        shortage.movedAt = now
        let room = Int(limits.mbufHardMax &- limits.mbufSoftMax) &* Mbuf.size / 2
        shortage.smallMax = max(Mbuf.size, room / max(1, Int(clients.count)))
        counters.value.memoryShortages.add(1)
        note(.memoryShort, of: 0, count: Int(limits.mbufSoftMax) &* Mbuf.size)
        touchAllClients()
    }

    private mutating func endShortage() {
        shortage.isOn = false
        shortage.isFull = false
        shortage.reader = .none
        nextRelief = .max
        touchAllClients()
        settle()
    }

    private mutating func touchAllClients() {
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            guard clients[client].phase != .closed else { continue }
            touch(client)
        }
    }

    /// Whether there is memory to read a client.
    mutating func mayRead(_ client: Handle<ClientConnection>) -> Bool {
        guard shortage.isOn else { return true }
        guard clients[client].phase == .open else { return true }
        return !shortage.isFull
            && (client == shortage.reader || clients[client].heldCount <= shortage.smallMax)
    }

    // MARK: Who is read

    /// Finds a client that has begun a request which there is room for, if the one before has
    /// ended its own, or brings little. When all bring little, or there is room for none, somebody
    /// has to give up what it holds.
    ///
    /// - Parameter room: In mbufs.
    private mutating func chooseReader(room: Int) {
        let reader = shortage.reader
        let isThere = !reader.isNone && clients.contains(reader)
        if isThere, isUploading(reader) {
            let count = clients[reader].partial.byteCount
            guard now >= shortage.readerSince &+ Self.readerPatience else { return }
            let brought = count &- shortage.readerCount
            if brought < 0 || brought >= Self.readerBytesMin {
                shortage.readerCount = count
                shortage.readerSince = now
                shortage.movedAt = now
                return
            }
        } else if isThere {
            // It has ended its request.
            shortage.movedAt = now
        }
        if isThere, clients[reader].phase != .closed { touch(reader) }
        shortage.reader = nextReader(after: reader, room: room &* Mbuf.size)
        if !shortage.reader.isNone {
            shortage.readerCount = clients[shortage.reader].partial.byteCount
            shortage.readerSince = now
            touch(shortage.reader)
        }
        guard now >= shortage.movedAt &+ Self.standstillMax else { return }
        shortage.movedAt = now
        if waitsForMemory() { relieve() }
    }

    /// Whether there are clients that cannot send the rest of a request for want of memory.
    private mutating func waitsForMemory() -> Bool {
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            if isUploading(client), clients[client].heldCount > shortage.smallMax { return true }
        }
        return false
    }

    private mutating func isUploading(_ client: Handle<ClientConnection>) -> Bool {
        clients[client].phase == .open && !clients[client].partial.isEmpty
            && !clients[client].awaitsServer
    }

    /// Goes round, so that one that brings nothing costs the others little.
    ///
    /// - Parameter room: In bytes.
    private mutating func nextReader(
        after reader: Handle<ClientConnection>, room: Int
    ) -> Handle<ClientConnection> {
        var first = Handle<ClientConnection>.none
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            guard isUploading(client), clients[client].parser.announcedCount <= room else {
                continue
            }
            if reader.isNone || client.index > reader.index { return client }
            if first.isNone { first = client }
        }
        return first
    }

    // MARK: Relief

    /// Has whoever holds most give it up: a client, or a server connection that does not move.
    private mutating func relieve() {
        let (client, clientCount) = findGreediestClient()
        let (connection, connectionCount) = findFullestConnection()
        if !connection.isNone, connectionCount >= clientCount {
            fail(connection, .tooManyRequests)
        } else if !client.isNone {
            giveUp(client, clientCount)
        }
    }

    private mutating func giveUp(_ client: Handle<ClientConnection>, _ heldCount: Int) {
        let unread = clients[client].partial.byteCount &+ clients[client].backlog.byteCount
        guard clients[client].phase == .open, unread > heldCount / 2 else {
            return close(client, because: .memoryLimit, count: heldCount)
        }
        // It reads, so it can be told.
        mbufs.release(&clients[client].partial)
        mbufs.release(&clients[client].backlog)
        reply(error: "the proxy is out of memory", to: client)
        end(client, because: .memoryLimit, count: heldCount)
    }

    /// - Returns: The client that holds most, one that may finish its request only if there is no
    ///   other; `none` if nobody holds anything.
    private mutating func findGreediestClient() -> (Handle<ClientConnection>, Int) {
        var most = Handle<ClientConnection>.none
        var mostCount = 0
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            guard clients[client].phase == .open || clients[client].phase == .draining,
                client != shortage.reader
            else { continue }
            let held = heldCount(of: client)
            guard held > mostCount else { continue }
            most = client
            mostCount = held
        }
        guard most.isNone, !shortage.reader.isNone, clients.contains(shortage.reader),
            isUploading(shortage.reader)
        else { return (most, mostCount) }
        return (shortage.reader, heldCount(of: shortage.reader))
    }

    /// How long, in nanoseconds, a connection may not move and keep what waits for it, whatever
    /// there is of memory.
    private static var stillnessMax: UInt64 { 1_000_000_000 }

    private mutating func findFullestConnection() -> (Handle<ServerConnection>, Int) {
        var most = Handle<ServerConnection>.none
        var mostCount = 0
        var next = connections.next(from: 0)
        while let connection = next {
            next = connections.next(from: connection.index + 1)
            let count = connections[connection].queuedBytes
            guard count > mostCount, stillness(of: connection) >= Self.stillnessMax,
                connections[connection].phase != .closing,
                connections[connection].phase != .closed
            else { continue }
            most = connection
            mostCount = count
        }
        return (most, mostCount)
    }

    /// All memory held for a client, in bytes, with the replies that wait for their turn.
    private mutating func heldCount(of client: Handle<ClientConnection>) -> Int {
        var count = clients[client].heldCount
        var request = clients[client].firstRequest
        var left = clients[client].requestCount
        while left > 0 {
            count &+= requests[request].reply.byteCount
            if requests[request].role == .split, requests[request].progress != .answered {
                var fragment = gatherings[requests[request].gathering].firstFragment
                while !fragment.isNone {
                    count &+= requests[fragment].reply.byteCount
                    fragment = requests[fragment].nextSibling
                }
            }
            request = requests[request].nextSibling
            left &-= 1
        }
        return count
    }
}
