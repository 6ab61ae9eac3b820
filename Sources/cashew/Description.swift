import Config

// How parts of a configuration are shown, as text and as JSON.

extension ServerAddress {
    /// `host:port`, with brackets around an IPv6 address, or the path of a socket.
    var text: String {
        switch self {
        case .tcp(let host, let port) where host.contains(":"): "[\(host)]:\(port)"
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path): path
        }
    }
}

extension ServerConfiguration {
    /// The name, and the address where that is something else.
    var text: String {
        name == address.text ? printable(name) : printable("\(name) (\(address.text))")
    }

    var json: JSON {
        .object([
            ("name", .string(name)), ("address", .string(address.text)),
            ("weight", .number(UInt64(weight))),
        ])
    }
}

extension HashTag {
    /// As the configuration file has it.
    var text: String { String(decoding: [open, close], as: UTF8.self) }
}

/// `0x0123abcd`
func hexadecimal(_ number: UInt32) -> String {
    let digits = String(number, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.utf8.count) + digits
}

/// Text for one line of a terminal: control characters, and bytes that were not UTF-8, as `?`.
func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        let isControl = scalar.properties.generalCategory == .control || scalar == "\u{FFFD}"
        result.unicodeScalars.append(isControl ? "?" : scalar)
    }
    return result
}

/// Loads a configuration, or prints why that is impossible.
func loadOrExplain(_ path: String, for program: Program) -> Configuration? {
    do {
        return try Configuration.load(path: path)
    } catch {
        printError("\(program.name): \(error)\n")
        return nil
    }
}
