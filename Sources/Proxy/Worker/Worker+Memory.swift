// How memory is bounded, and given back.

extension Worker where IO: ~Copyable {
    /// Free mbufs that are kept for the next burst.
    private static var mbufReserve: UInt32 { 128 }
    /// How often, in nanoseconds, idle memory is given back, and how many mbufs at a time.
    private static var trimInterval: UInt64 { 500_000_000 }
    private static var trimMax: UInt32 { 4096 }

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

    /// Over the hard limit the client that holds most of the memory is closed, and over the soft
    /// one, when that has lasted.
    mutating func enforceMemoryLimit() {
        guard mbufs.usedCount > limits.mbufHardMax || now >= nextRelief else { return }
        nextRelief = .max
        var most = Handle<ClientConnection>.none
        var mostCount = 0
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            guard clients[client].phase == .open || clients[client].phase == .draining else {
                continue
            }
            let held = heldCount(of: client)
            guard most.isNone || held > mostCount else { continue }
            most = client
            mostCount = held
        }
        guard !most.isNone else { return }
        close(most, because: .memoryLimit, count: mostCount)
        settle()
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
