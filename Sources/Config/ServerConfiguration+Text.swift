extension ServerConfiguration {
    static let expectation = "\"host:port:weight [name]\" or \"/path:weight [name]\""

    /// Reads `host:port:weight[ name]` or `/path:weight[ name]`.
    ///
    /// twemproxy splits from the end: the name follows the last blank, the weight the last colon
    /// before it, the port the colon before that. Beyond twemproxy, any number of blanks may stand
    /// before the name, and a name between quotation marks may hold blanks; it then loses the
    /// marks. A quoted name without blanks keeps them: twemproxy hashes them.
    init(text: String) throws(Complaint) {
        let (address, name) = try Self.splitName(text)
        guard let (place, weightText) = splitAtLast(":", address) else {
            throw Self.formatComplaint(text)
        }
        if place.utf8.first == UInt8(ascii: "/") {
            guard !place.utf8.contains(UInt8(ascii: ":")) else { throw Self.formatComplaint(text) }
            let weight = try Self.weight(weightText)
            try Self.checkPath(place)
            // A server without a name is hashed with the colon that follows its path.
            self.init(
                name: name ?? "\(place):", address: .unix(path: String(place)), weight: weight)
            return
        }
        guard let (host, portText) = splitAtLast(":", place) else {
            throw Self.formatComplaint(text)
        }
        let weight = try Self.weight(weightText)
        guard let port = port(portText) else {
            throw Complaint(
                found: "port \(quoted(String(portText)))",
                expected: "a port between 1 and 65535",
                wording: Self.wording("port"))
        }
        if let problem = problem(ofHost: host) { throw problem }
        // libmemcached hashes a server on memcached's own port by its host alone.
        self.init(
            name: name ?? (port == 11211 ? String(host) : String(place)),
            address: .tcp(host: withoutBrackets(host), port: port),
            weight: weight
        )
    }

    /// The text before the name, and the name.
    private static func splitName(_ text: String) throws(Complaint) -> (Substring, String?) {
        guard !text.utf8.contains(0) else { throw formatComplaint(text) }
        if let (address, name) = quotedName(text) { return (address, name) }
        guard let (before, name) = splitAtLast(" ", text[...]) else { return (text[...], nil) }
        guard !name.isEmpty else {
            throw Complaint(
                found: "a blank at the end of \(quoted(text))", expected: "a name after it")
        }
        return (withoutTrailingBlanks(before), String(name))
    }

    /// Splits `127.0.0.1:6379:1 "my name"`; nil unless the name is quoted and holds a blank.
    private static func quotedName(_ text: String) -> (Substring, String)? {
        let scalars = text.unicodeScalars
        guard let mark = scalars.last, mark == "\"" || mark == "'" else { return nil }
        let end = scalars.index(before: scalars.endIndex)
        guard let start = scalars[..<end].firstIndex(of: mark), start > scalars.startIndex,
            scalars[scalars.index(before: start)] == " "
        else { return nil }
        let name = text[scalars.index(after: start)..<end]
        guard name.utf8.contains(UInt8(ascii: " ")), !name.unicodeScalars.contains(mark) else {
            return nil
        }
        return (withoutTrailingBlanks(text[..<start]), String(name))
    }

    private static func weight(_ text: Substring) throws(Complaint) -> Int32 {
        guard let weight = decimal(text) else { throw weightComplaint(text, "invalid weight") }
        guard weight > 0 else { throw weightComplaint(text, "zero weight") }
        return weight
    }

    private static func checkPath(_ path: Substring) throws(Complaint) {
        guard path.utf8.count <= unixPathBytesMax else {
            throw Complaint(
                found: "a path of \(path.utf8.count) bytes",
                expected: "at most \(unixPathBytesMax)")
        }
    }

    private static func weightComplaint(_ text: Substring, _ problem: String) -> Complaint {
        let article = problem.utf8.first == UInt8(ascii: "i") ? "an" : "a"
        return Complaint(
            found: "weight \(quoted(String(text)))",
            expected: "a weight between 1 and \(Int32.max), then at most one name",
            wording: "directive \"servers\" has \(article) \(problem) in"
                + " \"hostname:port:weight [name]\" format string")
    }

    private static func wording(_ part: String) -> String {
        "directive \"servers\" has an invalid \(part) in"
            + " \"hostname:port:weight [name]\" format string"
    }

    /// The missing blank before `or` is twemproxy's.
    private static func formatComplaint(_ text: String) -> Complaint {
        Complaint(
            found: quoted(text), expected: expectation,
            wording: "directive \"servers\" has an invalid \"hostname:port:weight [name]\"or"
                + " \"/path/unix_socket:weight [name]\" format string")
    }
}
