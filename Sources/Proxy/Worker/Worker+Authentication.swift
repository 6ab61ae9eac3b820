// Clients that must authenticate and have not: they may hold little, and not for long.

extension Worker where IO: ~Copyable {
    /// A client has some time from now, or still as much as it had if it was one of these before: a
    /// wrong password does not buy more.
    mutating func awaitAuthentication(of client: Handle<ClientConnection>, isNew: Bool = false) {
        guard isNew || clients[client].isAuthenticated else { return }
        clients[client].unauthenticatedSince = milliseconds
        nextAuthentication = min(
            nextAuthentication, now &+ limits.authenticationNanoseconds &+ 1_000_000)
    }

    /// Closes the clients whose time to authenticate is over, and finds out when to look again: at
    /// most once a second, because it looks at every client.
    mutating func expireAuthentications() {
        nextAuthentication = .max
        var next = clients.next(from: 0)
        while let client = next {
            next = clients.next(from: client.index + 1)
            guard !clients[client].isAuthenticated, clients[client].phase == .open else { continue }
            let waited = milliseconds &- clients[client].unauthenticatedSince
            let expiry =
                now &- UInt64(waited) &* 1_000_000 &+ limits.authenticationNanoseconds
                &+ 1_000_000
            if expiry <= now {
                close(client, because: .authenticationTime)
            } else {
                nextAuthentication = min(nextAuthentication, max(expiry, now &+ 1_000_000_000))
            }
        }
    }
}
