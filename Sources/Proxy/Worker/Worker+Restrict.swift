// What is not executed because of what its client was refused before.

extension Worker where IO: ~Copyable {
    /// Answers a request of a client that may not have everything. Returns false if this one may
    /// go its way.
    mutating func holdBack(
        _ command: Command, _ arrival: Arrival, from client: Handle<ClientConnection>
    ) -> Bool {
        if !command.isKnown, endsForeign(client, at: arrival) { return true }
        let restrictions = clients[client].restrictions
        if restrictions.contains(.unauthenticated) {
            return holdBackBeforeAuth(command, from: client)
        }
        if restrictions.contains(.refusedTransaction) {
            return holdBackInTransaction(command, arrival, from: client)
        }
        // What no server is asked for has no database.
        guard command.handling == .forward || command.handling == .placeholder else { return false }
        let database = pools[Int(clients[client].pool)].database
        reply(
            "-ERR not executed, as SELECT of another database was refused: go on with SELECT ",
            database, " or RESET\r\n", to: client)
        return true
    }

    /// HELLO is refused as ever, with or without a password in it: clients look for that answer,
    /// and then send AUTH.
    private mutating func holdBackBeforeAuth(
        _ command: Command, from client: Handle<ClientConnection>
    ) -> Bool {
        switch command.id {
        case noted.auth, noted.quit, noted.reset, noted.hello: return false
        default:
            reply("-NOAUTH Authentication required\r\n", to: client)
            return true
        }
    }

    /// After a refused MULTI: what redis says in a transaction that has failed already. What redis
    /// would queue, PING and SELECT and AUTH too, is not executed; what it does at once even
    /// there (server.c, processCommand), is done.
    private mutating func holdBackInTransaction(
        _ command: Command, _ arrival: Arrival, from client: Handle<ClientConnection>
    ) -> Bool {
        switch command.id {
        case noted.quit, noted.reset:
            return false
        case noted.exec:
            clients[client].lift(.refusedTransaction)
            reply(
                "-EXECABORT Transaction discarded because of previous errors.\r\n", to: client)
        case noted.discard where arrival.argumentCount == 1:
            clients[client].lift(.refusedTransaction)
            reply("+OK\r\n", to: client)
        case noted.multi where arrival.argumentCount == 1:
            reply("-ERR MULTI calls can not be nested\r\n", to: client)
        case noted.watch where command.accepts(argumentCount: arrival.argumentCount):
            reply("-ERR WATCH inside MULTI is not allowed\r\n", to: client)
        default:
            reply(
                "-ERR not executed, as MULTI was refused: no transactions through the proxy\r\n",
                to: client)
        }
        return true
    }

    /// Answers with a number between two texts.
    mutating func reply(
        _ before: StaticString, _ number: Int, _ after: StaticString,
        to client: Handle<ClientConnection>
    ) {
        var bytes = MbufChain()
        mbufs.append(before, to: &bytes)
        mbufs.append(decimal: number, to: &bytes)
        mbufs.append(after, to: &bytes)
        reply(moving: &bytes, to: client)
    }
}
