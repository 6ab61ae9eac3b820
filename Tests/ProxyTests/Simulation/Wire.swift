/// RESP as the peers of the simulation speak it, written apart from the proxy's own parsers.
enum Reply {
    case simple(String)
    case error(String)
    case integer(Int)
    case bulk([UInt8]?)
    case array([Reply])

    var bytes: [UInt8] {
        switch self {
        case .simple(let text): Array("+\(text)\r\n".utf8)
        case .error(let text): Array("-\(text)\r\n".utf8)
        case .integer(let number): Array(":\(number)\r\n".utf8)
        case .bulk(nil): Array("$-1\r\n".utf8)
        case .bulk(let value?): Array("$\(value.count)\r\n".utf8) + value + Array("\r\n".utf8)
        case .array(let elements):
            elements.reduce(into: Array("*\(elements.count)\r\n".utf8)) { $0 += $1.bytes }
        }
    }

    /// Short enough to print.
    var summary: String {
        switch self {
        case .bulk(let value?): "bulk of \(value.count) \(text(of: value.prefix(40)))"
        case .array(let elements): "array \(elements.map(\.summary))"
        default: text(of: bytes.prefix(80))
        }
    }
}

func text(of bytes: some Sequence<UInt8>) -> String {
    String(decoding: Array(bytes), as: UTF8.self).debugDescription
}

/// A request as redis reads it: an array of bulk strings.
func encode(_ arguments: [[UInt8]]) -> [UInt8] {
    Reply.array(arguments.map { .bulk($0) }).bytes
}

/// Reads whole messages from the front of bytes.
struct WireReader {
    enum Failure: Error {
        case incomplete
        case malformed
    }

    let bytes: UnsafeBufferPointer<UInt8>
    private(set) var position = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    mutating func reply() throws(Failure) -> Reply {
        let head = try line()
        guard let marker = head.first else { throw .malformed }
        let rest = head.dropFirst()
        switch marker {
        case "+": return .simple(String(rest))
        case "-": return .error(String(rest))
        case ":": return .integer(try number(rest))
        case "$":
            let count = try number(rest)
            return .bulk(count < 0 ? nil : try body(count))
        case "*":
            var elements: [Reply] = []
            for _ in 0..<max(0, try number(rest)) { elements.append(try reply()) }
            return .array(elements)
        default: throw .malformed
        }
    }

    /// A request, which is an array of bulk strings.
    mutating func request() throws(Failure) -> [[UInt8]] {
        guard case .array(let elements) = try reply() else { throw .malformed }
        var arguments: [[UInt8]] = []
        for element in elements {
            guard case .bulk(let argument?) = element else { throw .malformed }
            arguments.append(argument)
        }
        return arguments
    }

    func number(_ text: Substring) throws(Failure) -> Int {
        guard let number = Int(text) else { throw .malformed }
        return number
    }

    /// - Parameter mayHoldReturns: Whether a CR that no LF follows is a part of the line.
    mutating func line(mayHoldReturns: Bool = false) throws(Failure) -> String {
        var end = position
        while end + 1 < bytes.count {
            if mayHoldReturns, bytes[end] == 10 { throw .malformed }
            if bytes[end] == 13, bytes[end + 1] == 10 || !mayHoldReturns {
                guard bytes[end + 1] == 10 else { throw .malformed }
                let text = String(decoding: bytes[position..<end], as: UTF8.self)
                position = end + 2
                return text
            }
            end += 1
        }
        throw .incomplete
    }

    mutating func body(_ count: Int) throws(Failure) -> [UInt8] {
        guard bytes.count - position >= count + 2 else { throw .incomplete }
        let end = position + count
        guard bytes[end] == 13, bytes[end + 1] == 10 else { throw .malformed }
        let value = Array(bytes[position..<end])
        position = end + 2
        return value
    }
}
