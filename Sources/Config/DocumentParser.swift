/// Walks the events of one file and fills in its pools: a mapping of pool names to mappings of
/// directives, of which `servers` is a list and every other one a scalar.
///
/// Block and flow style are the same to it. The first mistake ends the walk.
struct DocumentParser {
    private let file: String
    private let events: [YAMLEvent]
    private var next = 0
    /// Where the walk is, for errors.
    private var pool: String?
    private var key: String?

    init(file: String, events: [YAMLEvent]) {
        self.file = file
        self.events = events
    }

    /// The pools in the order of the file, each with both required directives.
    mutating func parse() throws(ConfigurationError) -> [PoolDraft] {
        try checkDocumentCount()
        _ = try take()
        let root = try take()
        let words = "has invalid empty \"key:\" at depth 0"
        switch root.kind {
        case .mappingStart: break
        case .sequenceStart:
            throw structure(
                root, expected: "a mapping of pool names",
                wording: "has sequence at depth 0 instead of 2")
        default: throw structure(root, expected: "a mapping of pool names", wording: words)
        }
        var drafts: [PoolDraft] = []
        while let name = try takeKey(expected: "a pool name", depth: 0) {
            try checkName(name)
            pool = name.text
            drafts.append(try parsePool(PoolDraft(name: name.text, position: name.position)))
            pool = nil
        }
        guard !drafts.isEmpty else {
            throw structure(root, found: "no pool", expected: "at least one", wording: words)
        }
        return drafts
    }

    private func checkDocumentCount() throws(ConfigurationError) {
        let starts = events.filter { $0.kind == .documentStart }
        guard starts.count != 1 else { return }
        let start = SourcePosition(line: 1, column: 1)
        throw ConfigurationError(
            kind: .documentCount, file: file,
            position: starts.count > 1 ? starts[1].position : start,
            found: starts.isEmpty ? "no document" : "\(starts.count) documents",
            expected: "exactly one",
            wording: "'\(printable(file, atMost: .max))' must contain only 1 document;"
                + " found \(starts.count) documents"
        )
    }

    private func checkName(
        _ name: (text: String, position: SourcePosition)
    ) throws(ConfigurationError) {
        guard !name.text.isEmpty, !name.text.utf8.contains(0) else {
            throw error(
                .structure, name.position,
                Complaint(
                    found: name.text.isEmpty ? "nothing" : quoted(name.text),
                    expected: "a pool name"))
        }
    }

    private mutating func parsePool(_ empty: PoolDraft) throws(ConfigurationError) -> PoolDraft {
        let expected = "a mapping of directives"
        let start = try take()
        switch start.kind {
        case .mappingStart: break
        case .sequenceStart:
            throw structure(
                start, expected: expected, wording: "has sequence at depth 1 instead of 2")
        default:
            throw structure(
                start, expected: expected, wording: "has invalid mapping \"key:\" at depth 1")
        }
        var draft = empty
        while let name = try takeKey(expected: "a directive", depth: 1) {
            key = name.text
            let directive = try directive(name.text, name.position)
            if let earlier = draft.note(directive, at: name.position) {
                throw duplicate(directive, at: name.position, earlier: earlier)
            }
            try parseValue(of: directive, into: &draft)
            key = nil
        }
        try finish(&draft)
        return draft
    }

    private func directive(
        _ name: String, _ position: SourcePosition
    ) throws(ConfigurationError) -> Directive {
        if let directive = Directive(rawValue: name) { return directive }
        let known = Directive.allCases.map(\.rawValue)
        let guess = nearest(to: name, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
        throw error(
            .unknownDirective, position,
            Complaint(
                found: quoted(name),
                expected: "one of \(known.joined(separator: ", "))\(guess)",
                wording: "directive \"\(printable(name))\" is unknown"))
    }

    private mutating func parseValue(
        of directive: Directive, into draft: inout PoolDraft
    ) throws(ConfigurationError) {
        let value = try take()
        switch value.kind {
        case .scalar(let text):
            guard directive != .servers else {
                throw text.isEmpty
                    ? noServers(value.position)
                    : structure(
                        value, expected: directive.expectation,
                        wording: "missing sequence directive at depth 2")
            }
            do { try draft.set(directive, to: text) } catch {
                throw self.error(.invalidValue, value.position, error)
            }
        case .sequenceStart:
            guard directive == .servers else {
                throw structure(
                    value, expected: directive.expectation,
                    wording: "has more than one sequence directive")
            }
            try parseServers(into: &draft)
            if draft.servers.isEmpty { throw noServers(value.position) }
        default: throw tooDeep(value, expected: directive.expectation)
        }
    }

    private mutating func parseServers(into draft: inout PoolDraft) throws(ConfigurationError) {
        while true {
            let item = try take()
            switch item.kind {
            case .scalar(let text):
                do { try draft.append(text, at: item.position) } catch {
                    throw self.error(.invalidValue, item.position, error)
                }
            case .sequenceEnd: return
            default: throw tooDeep(item, expected: ServerConfiguration.expectation)
            }
        }
    }

    /// What can be judged only when the whole pool has been read.
    private mutating func finish(_ draft: inout PoolDraft) throws(ConfigurationError) {
        guard draft.seen[.listen] != nil else {
            key = Directive.listen.rawValue
            throw error(
                .missingDirective, draft.position,
                Complaint(
                    found: "no \"listen\"", expected: Directive.listen.expectation,
                    wording: "directive \"listen:\" is missing"))
        }
        guard draft.seen[.servers] != nil else { throw noServers(draft.position) }
        if let position = draft.seen[.redisAuth], draft.values.protocolKind != .redis {
            key = Directive.redisAuth.rawValue
            throw error(
                .invalidValue, position,
                Complaint(
                    found: "a password in a memcache pool", expected: "\"redis: true\" beside it",
                    wording: "directive \"redis_auth:\" is only valid for a redis pool"))
        }
        if let (name, position) = draft.sortServers() {
            key = Directive.servers.rawValue
            throw error(
                .duplicateServer, position,
                Complaint(
                    found: "a second server named \(quoted(name))",
                    expected: "every server to have a name of its own",
                    wording: "pool '\(printable(draft.values.name))' has servers with same name"
                        + " '\(printable(name))'"))
        }
    }
}

// MARK: Events

extension DocumentParser {
    /// The next event. Never past the end: the walk stops where libyaml's balanced events do.
    private mutating func take() throws(ConfigurationError) -> YAMLEvent {
        assert(next < events.count)
        let event = events[next]
        next += 1
        if case .disallowed(let token) = event.kind {
            throw error(
                .disallowedToken, event.position,
                Complaint(
                    found: token.hasPrefix("alias") ? "an alias" : "an anchor or a tag",
                    expected: "a plain or quoted value", wording: "\(token) is disallowed"))
        }
        return event
    }

    /// The next key of a mapping, or nil at its end.
    private mutating func takeKey(
        expected: String, depth: Int
    ) throws(ConfigurationError) -> (text: String, position: SourcePosition)? {
        let event = try take()
        switch event.kind {
        case .scalar(let text): return (text, event.position)
        case .mappingEnd: return nil
        default:
            throw structure(
                event, expected: expected, wording: "has invalid empty \"key:\" at depth \(depth)")
        }
    }
}

// MARK: Errors

extension DocumentParser {
    private func error(
        _ kind: ConfigurationError.Kind, _ position: SourcePosition, _ complaint: Complaint
    ) -> ConfigurationError {
        ConfigurationError(
            kind: kind, file: file, position: position, pool: pool, key: key,
            found: complaint.found, expected: complaint.expected, wording: complaint.wording)
    }

    /// `wording` without the file name that twemproxy starts it with.
    private func structure(
        _ event: YAMLEvent, found: String? = nil, expected: String, wording: String
    ) -> ConfigurationError {
        error(
            .structure, event.position,
            Complaint(
                found: found ?? event.kind.noun, expected: expected,
                wording: "'\(printable(file, atMost: .max))' \(wording)"))
    }

    private func tooDeep(_ event: YAMLEvent, expected: String) -> ConfigurationError {
        structure(event, expected: expected, wording: "has a depth greater than 2")
    }

    private func noServers(_ position: SourcePosition) -> ConfigurationError {
        ConfigurationError(
            kind: .missingDirective, file: file, position: position, pool: pool,
            key: Directive.servers.rawValue, found: "no server",
            expected: Directive.servers.expectation,
            wording: "'\(printable(file, atMost: .max))' missing sequence directive at depth 2:"
                + " pool '\(printable(pool ?? ""))' has no servers")
    }

    private func duplicate(
        _ directive: Directive, at position: SourcePosition, earlier: SourcePosition
    ) -> ConfigurationError {
        error(
            .duplicateDirective, position,
            Complaint(
                found: quoted(directive.rawValue),
                expected: "it once in a pool; it stands on line \(earlier.line) already",
                wording: "directive \"\(directive.rawValue)\" is a duplicate"))
    }
}

extension YAMLEvent.Kind {
    /// What an error message calls it.
    fileprivate var noun: String {
        switch self {
        case .scalar(let text): text.isEmpty ? "nothing" : quoted(text)
        case .mappingStart: "a mapping"
        case .sequenceStart: "a list"
        case .disallowed(let token): token
        case .documentStart, .documentEnd, .mappingEnd, .sequenceEnd: "an end"
        }
    }
}
