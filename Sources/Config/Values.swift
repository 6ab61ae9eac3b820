// Scalars to values. twemproxy takes every scalar as text, quoted or not, and so does this.

/// `text` as decimal digits only: no sign, blank or point; leading zeros change nothing. Nil for
/// anything else and above 2,147,483,647, where twemproxy wraps around.
func decimal(_ text: some StringProtocol) -> Int32? {
    guard !text.isEmpty else { return nil }
    var value: Int32 = 0
    for byte in text.utf8 {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = shifted.addingReportingOverflow(Int32(byte - UInt8(ascii: "0")))
        if overflow || carry { return nil }
        value = sum
    }
    return value
}

/// `text` as a TCP port, 1 to 65535.
func port(_ text: some StringProtocol) -> UInt16? {
    guard let value = decimal(text), value > 0 else { return nil }
    return UInt16(exactly: value)
}

/// `text` split at its last `separator`, an ASCII character; nil without one.
///
/// Works on bytes: a combining character after a separator does not hide it.
func splitAtLast(_ separator: Unicode.Scalar, _ text: Substring) -> (Substring, Substring)? {
    guard let index = text.unicodeScalars.lastIndex(of: separator) else { return nil }
    return (text[..<index], text[text.unicodeScalars.index(after: index)...])
}

/// sockaddr_un.sun_path holds 108 bytes, the last of which is NUL.
let unixPathBytesMax = 107

/// What is wrong with the name of a host; nil when it could be a host's name or address: letters
/// and digits, `-`, `.` and `_`, the colons and brackets of IPv6, and what may follow its `%`.
/// Everything else is never found, and mostly what a template left.
func problem(ofHost name: Substring) -> Complaint? {
    let address = name.utf8.prefix { $0 != UInt8(ascii: "%") }
    let isPlausible = address.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...0xFF:
            true
        default: "-._:[]".utf8.contains(byte)
        }
    }
    let isZonePlausible = name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
    // glibc takes a single star for the loopback address.
    if name == "*" || isPlausible && isZonePlausible && !address.isEmpty { return nil }
    let isTemplate = name.utf8.contains { "${}<>".utf8.contains($0) }
    return Complaint(
        found: "host \(quoted(String(name)))",
        expected: "a host name or an address"
            + (isTemplate ? "; variables are not replaced in this file" : ""))
}

/// `host` without the brackets of `[::1]`, which twemproxy does not know and everyone writes.
func withoutBrackets(_ host: Substring) -> String {
    guard host.utf8.count > 2, host.utf8.first == UInt8(ascii: "["),
        host.utf8.last == UInt8(ascii: "]")
    else { return String(host) }
    return String(host.unicodeScalars.dropFirst().dropLast())
}

/// `text` without the blanks at its end.
func withoutTrailingBlanks(_ text: Substring) -> Substring {
    guard let last = text.unicodeScalars.lastIndex(where: { $0 != " " }) else { return "" }
    return text[...last]
}

/// twemproxy's order of pools and servers: the shorter name first, then byte by byte.
func precedes(_ left: String, _ right: String) -> Bool {
    let counts = (left.utf8.count, right.utf8.count)
    if counts.0 != counts.1 { return counts.0 < counts.1 }
    return left.utf8.lexicographicallyPrecedes(right.utf8)
}

/// Whether two names are the same bytes. `==` also equates different spellings of one character.
func isSame(_ left: String, _ right: String) -> Bool {
    left.utf8.elementsEqual(right.utf8)
}

extension ListenAddress {
    static let expectation =
        "\"host:port\" with a port between 1 and 65535, or \"/path\" with optional octal"
        + " permissions"

    /// Reads `host:port`, split at the last colon, or `/path`, or `/path 0660`.
    ///
    /// As in twemproxy, permissions that are not octal digits, or 0, leave the file to the umask.
    init(text: String) throws(Complaint) {
        if text.utf8.first == UInt8(ascii: "/") {
            try self.init(unixText: text)
            return
        }
        let format = "\"hostname:port\" format string"
        guard let (host, portText) = splitAtLast(":", text[...]) else {
            throw Self.complaint(quoted(text), "has an invalid \(format)")
        }
        guard let port = port(portText) else {
            throw Self.complaint(
                "port \(quoted(String(portText)))", "has an invalid port in \(format)")
        }
        if let problem = problem(ofHost: host) {
            throw Complaint(
                found: problem.found, expected: problem.expected,
                wording: "directive \"listen\" has an invalid value")
        }
        self = .tcp(host: withoutBrackets(host), port: port)
    }

    private init(unixText text: String) throws(Complaint) {
        let (path, mode) = splitAtLast(" ", text[...]) ?? (text[...], "")
        guard !path.utf8.contains(0) else {
            throw Self.complaint(quoted(text), "has an invalid value")
        }
        guard path.utf8.count <= unixPathBytesMax else {
            throw Complaint(
                found: "a path of \(path.utf8.count) bytes",
                expected: "at most \(unixPathBytesMax)",
                wording: "directive \"listen\" has an invalid value")
        }
        guard let permissions = Self.permissions(mode) else {
            throw Complaint(
                found: "permissions \(quoted(String(mode)))",
                expected: "octal permissions between 0 and 0777",
                wording: "directive \"listen\" has an invalid file permission in"
                    + " \"socket_path permission\" format string")
        }
        self = .unix(path: String(path), permissions: permissions == 0 ? nil : permissions)
    }

    /// What strtol(3) makes of `text` in base 8: its leading octal digits, 0 without any; nil
    /// when negative or above 0777.
    private static func permissions(_ text: Substring) -> UInt16? {
        var digits = text.utf8[...]
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
        var value: UInt16 = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte) else { break }
            value = value * 8 + UInt16(byte - UInt8(ascii: "0"))
            if value > 0o777 { return nil }
        }
        return isNegative && value > 0 ? nil : value
    }

    private static func complaint(_ found: String, _ words: String) -> Complaint {
        Complaint(found: found, expected: expectation, wording: "directive \"listen\" \(words)")
    }
}
