// What `stats` answers: the proxy's own numbers, or the sums of the servers'.

extension Worker where IO: ~Copyable {
    mutating func answerStatistics(
        _ request: MemcacheRequest, _ arrival: Arrival, from client: Handle<ClientConnection>
    ) {
        reply("ERROR\r\n", to: client)
    }

    mutating func assembleStatistics(_ gathering: Handle<Gathering>) -> Bool {
        false
    }
}
