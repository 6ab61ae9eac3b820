/// Why a pool cannot listen where it should, on this machine or beside the others.
package struct ListenProblem: Equatable, Sendable {
    /// Index in the configuration's pools.
    package var pool: Int
    /// As in `ConfigurationError`.
    package var found: String
    package var expected: String
    package var wording: String?

    package init(pool: Int, found: String, expected: String, wording: String? = nil) {
        self.pool = pool
        self.found = found
        self.expected = expected
        self.wording = wording
    }
}

extension Configuration {
    /// Reads and checks a nutcracker configuration file. Resolves no name and opens nothing else.
    ///
    /// - Parameter listenProblem: What else may be wrong with a configuration that says nothing
    ///   wrong by itself.
    package static func load(
        path: String, listenProblem: (Configuration) -> ListenProblem? = { _ in nil }
    ) throws(ConfigurationError) -> Configuration {
        let bytes: [UInt8]
        do { bytes = try readFile(path) } catch { throw ConfigurationError(error, file: path) }
        return try parse(bytes, file: path, listenProblem: listenProblem)
    }

    /// Checks the text of a configuration file; `file` is the name that errors give it.
    package static func parse(
        _ bytes: [UInt8], file: String,
        listenProblem: (Configuration) -> ListenProblem? = { _ in nil }
    ) throws(ConfigurationError) -> Configuration {
        let events: [YAMLEvent]
        do { events = try yamlEvents(in: bytes) } catch {
            throw ConfigurationError(error, file: file, bytes: bytes).clamped(to: bytes)
        }
        var parser = DocumentParser(file: file, events: events)
        let drafts: [PoolDraft]
        do { drafts = try parser.parse() } catch { throw error.clamped(to: bytes) }
        let pools = drafts.enumerated().sorted { left, right in
            if precedes(left.element.values.name, right.element.values.name) { return true }
            if precedes(right.element.values.name, left.element.values.name) { return false }
            return left.offset < right.offset
        }.map(\.element)
        try checkNames(pools, file: file)
        try checkListeners(drafts, file: file)
        let configuration = Configuration(pools: pools.map(\.values))
        if let problem = listenProblem(configuration) {
            let pool = pools[problem.pool]
            throw ConfigurationError(
                kind: .unusableListen, file: file, position: pool.seen[.listen],
                pool: pool.values.name, key: Directive.listen.rawValue, found: problem.found,
                expected: problem.expected, wording: problem.wording)
        }
        return configuration
    }

    /// `pools` are sorted, so that equal names are neighbours.
    private static func checkNames(
        _ pools: [PoolDraft], file: String
    ) throws(ConfigurationError) {
        for (left, right) in zip(pools, pools.dropFirst())
        where isSame(left.values.name, right.values.name) {
            let name = right.values.name
            throw ConfigurationError(
                kind: .duplicatePool, file: file, position: right.position, pool: name,
                found: "a second pool named \(quoted(name))",
                expected: "every pool to have a name of its own;"
                    + " it stands on line \(left.position.line) already",
                // The single quotation mark is twemproxy's.
                wording: "'\(printable(file, atMost: .max))' has pools with same name"
                    + " \(printable(name))'")
        }
    }

    /// Two listeners on one address. Permissions do not tell two sockets of one path apart: the
    /// second would take the file from the first.
    private static func checkListeners(
        _ pools: [PoolDraft], file: String
    ) throws(ConfigurationError) {
        var owners: [[UInt8]: String] = [:]
        for pool in pools {
            let address = pool.values.listen.place
            guard let owner = owners.updateValue(pool.values.name, forKey: Array(address.utf8))
            else { continue }
            throw ConfigurationError(
                kind: .duplicateListen, file: file, position: pool.seen[.listen],
                pool: pool.values.name, key: Directive.listen.rawValue,
                found: "\(quoted(address)), which pool \(quoted(owner)) listens on already",
                expected: "every pool to listen on an address of its own",
                wording: "pools '\(printable(owner))' and '\(printable(pool.values.name))' have"
                    + " the same listen address '\(printable(address))'")
        }
    }
}

extension ListenAddress {
    /// The address as the file spells it, without permissions.
    fileprivate var place: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path, _): path
        }
    }
}

extension ConfigurationError {
    fileprivate func clamped(to bytes: [UInt8]) -> ConfigurationError {
        var error = self
        error.position = position?.clamped(to: bytes)
        return error
    }

    fileprivate init(_ failure: FileFailure, file: String) {
        let name = printable(file, atMost: .max)
        switch failure {
        case .system(let text):
            self.init(
                kind: .unreadable, file: file, found: text, expected: "",
                wording: "failed to open configuration '\(name)': \(text)")
        case .tooLarge:
            self.init(
                kind: .tooLarge, file: file, found: "more than \(fileBytesMax) bytes",
                expected: "a configuration file")
        }
    }

    fileprivate init(_ failure: YAMLFailure, file: String, bytes: [UInt8]) {
        let (found, expected) = failure.account
        self.init(
            kind: .syntax, file: file, position: failure.position, found: found,
            expected: expected,
            wording: "failed (err \(failure.code)) to get the next yaml document")
        switch failure.kind {
        case .text:
            kind = .invalidText
            self.expected = "UTF-8 text"
        case .depth:
            kind = .structure
            self.found = "more than \(yamlDepthMax) levels"
            self.expected = "pools, their directives, and a list of servers"
            wording = "'\(printable(file, atMost: .max))' has a depth greater than 2"
        // The editor's favourite way to break YAML.
        case .syntax where failure.position.holds(UInt8(ascii: "\t"), in: bytes):
            self.found = "a tab"
            self.expected = "blanks"
        // `key:value`; libyaml notices only on the next line.
        case .syntax where failure.context == "while scanning a simple key":
            position = failure.contextPosition ?? failure.position
            self.found = "a line without \": \""
            self.expected = "\"key: value\", with a blank after the colon"
        case .syntax: break
        }
    }
}

extension YAMLFailure {
    /// libyaml's sentence as what was found and what was expected, with what it was doing:
    /// `something else (while parsing a flow sequence that starts on line 3)`, `',' or ']'`.
    fileprivate var account: (found: String, expected: String) {
        var doing = context.isEmpty ? "" : " (\(context))"
        if !context.isEmpty, let start = contextPosition, start.line != position.line {
            doing = " (\(context) that starts on line \(start.line))"
        }
        if let rest = rest(after: "found ") { return (rest + doing, "valid YAML") }
        if let rest = rest(after: "did not find expected ")
            ?? rest(after: "could not find expected ")
        {
            return ("something else" + doing, rest)
        }
        if let rest = rest(after: "control characters are not allowed ") {
            return ("the control character \(rest)", "text")
        }
        return ((kind == .text ? problem : "invalid YAML: \(problem)") + doing, "valid YAML")
    }

    private func rest(after prefix: String) -> String? {
        problem.hasPrefix(prefix) ? String(problem.dropFirst(prefix.count)) : nil
    }
}
