/// A pool while its directives are read, with where they stood.
struct PoolDraft {
    let position: SourcePosition
    /// `listen` and `servers` mean nothing until `seen` names them.
    private(set) var values: PoolConfiguration
    private(set) var seen: [Directive: SourcePosition] = [:]
    /// In the order of the file.
    private(set) var servers: [(server: ServerConfiguration, position: SourcePosition)] = []

    init(name: String, position: SourcePosition) {
        self.position = position
        values = PoolConfiguration(
            name: name, listen: .unix(path: "", permissions: nil), servers: [])
    }

    /// Notes that `directive` stands at `position`; returns where it stood before, if it did.
    mutating func note(_ directive: Directive, at position: SourcePosition) -> SourcePosition? {
        if let earlier = seen[directive] { return earlier }
        seen[directive] = position
        return nil
    }

    mutating func append(_ text: String, at position: SourcePosition) throws(Complaint) {
        guard !text.isEmpty else {
            throw Complaint(found: "nothing", expected: ServerConfiguration.expectation)
        }
        servers.append((try ServerConfiguration(text: text), position))
    }

    /// Puts the servers into their final order.
    mutating func sortServers() -> (name: String, position: SourcePosition)? {
        let sorted = servers.enumerated().sorted { left, right in
            if precedes(left.element.server.name, right.element.server.name) { return true }
            if precedes(right.element.server.name, left.element.server.name) { return false }
            return left.offset < right.offset
        }
        values.servers = sorted.map(\.element.server)
        for (left, right) in zip(sorted, sorted.dropFirst())
        where isSame(left.element.server.name, right.element.server.name) {
            return (right.element.server.name, right.element.position)
        }
        return nil
    }

    /// Sets every directive but `servers`.
    mutating func set(_ directive: Directive, to text: String) throws(Complaint) {
        guard !text.isEmpty else {
            throw Complaint(found: "nothing", expected: directive.expectation)
        }
        switch directive {
        case .listen: values.listen = try ListenAddress(text: text)
        case .hash: values.hash = try Self.choice(text, directive, "is not a valid hash")
        case .hashTag: values.hashTag = try Self.hashTag(text)
        case .distribution:
            values.distribution = try Self.choice(text, directive, "is not a valid distribution")
        case .timeout:
            let milliseconds = try Self.number(text, directive)
            values.timeout = milliseconds == 0 ? nil : .milliseconds(milliseconds)
        case .backlog: values.backlog = try Self.number(text, directive)
        case .clientConnections: values.clientConnections = try Self.number(text, directive)
        case .redis: values.protocolKind = try Self.bool(text, directive) ? .redis : .memcache
        case .redisAuth: values.redisAuth = text
        case .redisDatabase: values.redisDatabase = try Self.number(text, directive)
        case .preconnect: values.preconnect = try Self.bool(text, directive)
        case .tcpKeepalive: values.tcpKeepalive = try Self.bool(text, directive)
        case .reusePort: _ = try Self.bool(text, directive)
        case .autoEjectHosts: values.autoEjectHosts = try Self.bool(text, directive)
        case .serverConnections: values.serverConnections = try Self.serverConnections(text)
        case .serverQueueBytes:
            let byteCount = try Self.number(text, directive)
            values.serverQueueBytes = byteCount == 0 ? nil : Int(byteCount)
        case .serverRetryTimeout:
            values.serverRetryTimeout = .milliseconds(try Self.number(text, directive))
        case .serverFailureLimit: values.serverFailureLimit = try Self.number(text, directive)
        case .servers: throw Complaint(found: quoted(text), expected: directive.expectation)
        }
    }
}

extension PoolDraft {
    private static func number(_ text: String, _ directive: Directive) throws(Complaint) -> Int32 {
        guard let value = decimal(text) else {
            throw complaint(text, directive, "is not a number")
        }
        return value
    }

    private static func serverConnections(_ text: String) throws(Complaint) -> Int32 {
        let value = try number(text, .serverConnections)
        guard value > 0 else {
            throw Complaint(
                found: quoted(text), expected: Directive.serverConnections.expectation,
                wording: "directive \"server_connections:\" cannot be 0")
        }
        return value
    }

    private static func bool(_ text: String, _ directive: Directive) throws(Complaint) -> Bool {
        if text == "true" { return true }
        if text == "false" { return false }
        var complaint = complaint(text, directive, "is not \"true\" or \"false\"")
        if let value = nearest(to: text, among: ["true", "false"]) {
            complaint.expected += "; did you mean \"\(value)\"?"
        }
        throw complaint
    }

    private static func hashTag(_ text: String) throws(Complaint) -> HashTag {
        let bytes = Array(text.utf8)
        guard bytes.count == 2 else {
            throw complaint(
                text, .hashTag, "is not a valid hash tag string with two characters")
        }
        return HashTag(open: bytes[0], close: bytes[1])
    }

    private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ text: String, _ directive: Directive, _ problem: String
    ) throws(Complaint) -> Choice {
        if let choice = Choice(rawValue: text) { return choice }
        var complaint = complaint(text, directive, problem)
        if let guess = nearest(to: text, among: Choice.allCases.map(\.rawValue)) {
            complaint.expected += "; did you mean \"\(guess)\"?"
        }
        throw complaint
    }

    private static func complaint(
        _ text: String, _ directive: Directive, _ problem: String
    ) -> Complaint {
        Complaint(
            found: quoted(text), expected: directive.expectation,
            wording: "directive \"\(directive.rawValue)\" \(problem)")
    }
}
