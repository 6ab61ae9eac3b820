/// Everything that may stand in a pool. The raw value is the key in the file.
enum Directive: String, CaseIterable {
    case listen
    case hash
    case hashTag = "hash_tag"
    case distribution
    case timeout
    case backlog
    case clientConnections = "client_connections"
    case redis
    case redisAuth = "redis_auth"
    case redisDatabase = "redis_db"
    case preconnect
    case tcpKeepalive = "tcpkeepalive"
    /// Accepted so that a twemproxy file loads, and without effect: one acceptor serves every
    /// worker, so that no port is ever shared between sockets.
    case reusePort = "reuseport"
    case autoEjectHosts = "auto_eject_hosts"
    case serverConnections = "server_connections"
    case serverQueueBytes = "server_queue_bytes"
    case serverRetryTimeout = "server_retry_timeout"
    case serverFailureLimit = "server_failure_limit"
    case servers

    /// What the value may be, as an error message says it.
    var expectation: String {
        switch self {
        case .listen: ListenAddress.expectation
        case .hash: "one of \(HashFunction.allCases.map(\.rawValue).joined(separator: ", "))"
        case .hashTag: "exactly two bytes in quotes, such as \"{}\""
        case .distribution:
            "one of \(Distribution.allCases.map(\.rawValue).joined(separator: ", "))"
        case .timeout, .serverRetryTimeout:
            "a number of milliseconds between 0 and \(Int32.max)"
        case .backlog, .clientConnections, .redisDatabase, .serverFailureLimit,
            .serverQueueBytes:
            "a number between 0 and \(Int32.max)"
        case .serverConnections: "a number between 1 and \(Int32.max)"
        case .redis, .preconnect, .tcpKeepalive, .reusePort, .autoEjectHosts:
            "\"true\" or \"false\""
        case .redisAuth: "a password"
        case .servers: "a list of \(ServerConfiguration.expectation)"
        }
    }
}

/// The candidate closest to `text` by edits, ignoring case and taking `-` for `_`; nil when none
/// is close enough to be a slip of the hand.
package func nearest(to text: String, among candidates: [String]) -> String? {
    let typed = underscored(text.lowercased())
    guard typed.count <= 64 else { return nil }
    // An underscore more or less is no other word: `fnv1a64` is `fnv1a_64`.
    let joined = typed.filter { $0 != 0x5F }
    if let same = candidates.first(where: { underscored($0).filter { $0 != 0x5F } == joined }) {
        return same
    }
    let ranked = candidates.map { ($0, editDistance(typed, underscored($0))) }
    guard let best = ranked.min(by: { $0.1 < $1.1 }) else { return nil }
    return best.1 <= max(1, best.0.utf8.count / 3) ? best.0 : nil
}

private func underscored(_ text: String) -> [UInt8] {
    text.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
}

/// Levenshtein's distance: insertions, deletions and substitutions; and two neighbours that changed
/// places, as in `hsah`, are one edit too (optimal string alignment).
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var before = [Int]()
    var row = Array(0...right.count)
    for (i, byte) in left.enumerated() {
        let last = row
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in right.enumerated() {
            let substituted = diagonal + (byte == other ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
            if i > 0, j > 0, byte == right[j - 1], left[i - 1] == other {
                row[j + 1] = min(row[j + 1], before[j - 1] + 1)
            }
        }
        before = last
    }
    return row[right.count]
}
