/// One reply of memcached's, as its clients read it.
enum MemcacheReply {
    /// STORED, END without values, SERVER_ERROR …, VERSION …, OK, a number.
    case line(String)
    case values([Value])
    /// VA, HD, EN, NS, NF, EX, ME, with the flags that it gives back; `mn` is a reply without any.
    case meta(code: String, flags: [String], data: [UInt8]?)
    /// The lines of STAT, without that word.
    case statistics([String])

    struct Value {
        let key: [UInt8]
        let flags: String
        /// What `gets` tells.
        let version: String?
        let data: [UInt8]
    }

    static let undecodable = "CLIENT_ERROR error decoding key"
    static let notNumeric = "CLIENT_ERROR cannot increment or decrement non-numeric value"

    var isBarrier: Bool {
        if case .meta("MN", _, _) = self { true } else { false }
    }

    /// What follows the word that says that it is an error, not of the client's.
    var error: String? {
        guard case .line(let line) = self, line.hasPrefix("SERVER_ERROR ") else { return nil }
        return String(line.dropFirst(13))
    }

    /// Short enough to print.
    var summary: String {
        switch self {
        case .line(let line): line
        case .values(let values):
            "\(values.map { "\(text(of: $0.key.prefix(20))): \(text(of: $0.data.prefix(40)))" })"
        case .meta(let code, let flags, let data):
            "\(code) \(flags) \(data.map { text(of: $0.prefix(40)) } ?? "")"
        case .statistics(let lines): "\(lines)"
        }
    }
}

/// memcached's protocol as the peers of the simulation speak it, written apart from the proxy's
/// own parsers.
extension WireReader {
    /// The words of a line, and behind them the data block if there is one.
    mutating func memcacheRequest() throws(Failure) -> [[UInt8]] {
        let line = try line(mayHoldReturns: true)
        let words = line.split(separator: " ")
        guard let name = words.first else { throw .malformed }
        var request = words.map { Array($0.utf8) }
        if let place = Self.sizePlace(of: name) {
            guard words.count > place else { throw .malformed }
            request.append(try body(try number(words[place])))
        }
        return request
    }

    /// Which word of a request is the size of the data block, if there is one.
    static func sizePlace(of name: some StringProtocol) -> Int? {
        switch name {
        case "set", "add", "replace", "append", "prepend", "cas": 4
        case "ms": 2
        default: nil
        }
    }

    mutating func memcacheReply() throws(Failure) -> MemcacheReply {
        let first = try line(mayHoldReturns: true)
        let words = first.split(separator: " ")
        switch words.first {
        case "VALUE", "END": return .values(try values(from: first))
        case "VA":
            guard words.count > 1 else { throw .malformed }
            let data = try body(try number(words[1]))
            return .meta(code: "VA", flags: words.dropFirst(2).map { String($0) }, data: data)
        case "HD", "EN", "NS", "NF", "EX", "ME", "MN":
            return .meta(
                code: String(words[0]), flags: words.dropFirst().map { String($0) }, data: nil)
        case "STAT":
            var lines: [String] = []
            var next = first
            while next != "END" {
                guard next.hasPrefix("STAT ") else { throw .malformed }
                lines.append(String(next.dropFirst(5)))
                next = try line(mayHoldReturns: true)
            }
            return .statistics(lines)
        case nil: throw .malformed
        default: return .line(first)
        }
    }

    private mutating func values(from first: String) throws(Failure) -> [MemcacheReply.Value] {
        var values: [MemcacheReply.Value] = []
        var header = first
        while header != "END" {
            let words = header.split(separator: " ")
            guard words.first == "VALUE", 4...5 ~= words.count else { throw .malformed }
            values.append(
                MemcacheReply.Value(
                    key: Array(words[1].utf8), flags: String(words[2]),
                    version: words.count == 5 ? String(words[4]) : nil,
                    data: try body(try number(words[3]))))
            header = try line(mayHoldReturns: true)
        }
        return values
    }
}
