/// Swift source reduced to what the compiler acts on: comments and the text of string literals
/// become blanks, so that offsets and line numbers stay. Interpolated code stays.
///
/// Not a parser: it relies on the formatter, and knows as much of the language as the rules ask.
struct SwiftCode {
    let bytes: [UInt8]

    init(_ text: String) {
        var reader = Blanker(bytes: Array(text.utf8))
        reader.readCode(until: nil)
        bytes = reader.bytes
    }

    /// An identifier and where it stands.
    struct Word: Equatable {
        let text: String
        let line: Int
        /// A dot comes before: a member, which says nothing of types at the top.
        let isMember: Bool
        /// The argument of `Handle<…>`, which is a number: it says whose number it is, and
        /// depends on nothing of the type.
        let isReferredTo: Bool
    }

    var words: [Word] {
        let handle = Array("Handle<".utf8)
        var words: [Word] = []
        var line = 1
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\n") { line += 1 }
            guard isIdentifier(bytes[index]) else {
                index += 1
                continue
            }
            let end = bytes[index...].firstIndex { !isIdentifier($0) } ?? bytes.count
            let isMember = index > 0 && bytes[index - 1] == UInt8(ascii: ".")
            let text = String(decoding: bytes[index..<end], as: UTF8.self)
            let isReferredTo = bytes[..<index].suffix(handle.count).elementsEqual(handle)
            words.append(
                Word(text: text, line: line, isMember: isMember, isReferredTo: isReferredTo))
            index = end
        }
        return words
    }

    var lines: [String] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

private func isIdentifier(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
    default: false
    }
}

/// Walks over source and blanks what is not code.
private struct Blanker {
    var bytes: [UInt8]
    var position = 0

    /// Reads up to the closing parenthesis of an interpolation, or to the end.
    mutating func readCode(until closing: UInt8?) {
        var depth = 0
        while position < bytes.count {
            if starts("//") {
                blank(while: { $0.bytes[$0.position] != UInt8(ascii: "\n") })
            } else if starts("/*") {
                blank(while: { !$0.starts("*/") })
                blank(count: 2)
            } else if let hashes = openingHashes() {
                readString(hashes: hashes)
            } else {
                if bytes[position] == UInt8(ascii: "(") { depth += 1 }
                if bytes[position] == UInt8(ascii: ")") { depth -= 1 }
                position += 1
                if closing != nil && depth < 0 { return }
            }
        }
    }

    /// The number of `#` before a quotation mark that opens a string here, or nil.
    private func openingHashes() -> Int? {
        var end = position
        while end < bytes.count && bytes[end] == UInt8(ascii: "#") { end += 1 }
        guard end < bytes.count, bytes[end] == UInt8(ascii: "\"") else { return nil }
        return end - position
    }

    private mutating func readString(hashes: Int) {
        blank(count: hashes)
        let quotes = starts("\"\"\"") ? "\"\"\"" : "\""
        let suffix = String(repeating: "#", count: hashes)
        blank(count: quotes.utf8.count)
        while position < bytes.count && !starts(quotes + suffix) {
            if starts("\\" + suffix + "(") {
                blank(count: 2 + hashes)
                readCode(until: UInt8(ascii: ")"))
            } else {
                blank(count: starts("\\") ? 2 : 1)
            }
        }
        blank(count: quotes.utf8.count + hashes)
    }

    private func starts(_ text: String) -> Bool {
        bytes[position...].starts(with: text.utf8)
    }

    private mutating func blank(while condition: (Self) -> Bool) {
        while position < bytes.count && condition(self) { blank(count: 1) }
    }

    private mutating func blank(count: Int) {
        let end = min(position + count, bytes.count)
        for index in position..<end where bytes[index] != UInt8(ascii: "\n") {
            bytes[index] = UInt8(ascii: " ")
        }
        position = end
    }
}

// MARK: - Declarations

extension SwiftCode {
    /// A function, initializer, deinitializer, subscript or accessor block with its length.
    struct Function: Equatable {
        let name: String
        let line: Int
        /// In lines, from the first of the signature to the closing brace.
        let length: Int
    }

    /// Types and type aliases that other files can name without naming another type first.
    ///
    /// Relies on the formatter: what stands at the left margin is at the top level.
    var topLevelTypes: [String] {
        let declaration =
            #/^(?:@\w+ |package |public |internal |final |indirect )*/#
        return lines.compactMap { line in
            let rest = line.trimmingPrefix(declaration)
            return rest.firstMatch(of: #/^(?:struct|enum|protocol|class|actor|typealias) (\w+)/#)
                .map { String($0.output.1) }
        }
    }

    /// Every type, type alias and generic parameter the file declares, at any depth.
    var declaredTypes: Set<String> {
        Set(
            lines.flatMap { line in
                line.matches(
                    of: #/\b(?:struct|enum|protocol|class|actor|typealias|associatedtype) (\w+)/#
                ).map { String($0.output.1) }
            })
    }

    var functions: [Function] {
        let keyword =
            #/^ *(?:@?\w+(?:\([^)]*\))? )*?(func [^ (<]+|init\b|deinit\b|subscript\b)/#
        var offset = 0
        return lines.enumerated().compactMap { index, line in
            let start = offset
            offset += line.utf8.count + 1
            guard let match = line.firstMatch(of: keyword) else { return nil }
            guard let length = bodyLength(from: start) else { return nil }
            return Function(name: String(match.output.1), line: index + 1, length: length)
        }
    }

    /// How many lines a declaration has that starts at an offset, to the brace that closes its
    /// body; nil for a requirement of a protocol, or a call, which has none.
    private func bodyLength(from start: Int) -> Int? {
        var (length, parentheses, braces) = (1, 0, 0)
        var last = UInt8(ascii: " ")
        for byte in bytes[start...] {
            switch byte {
            case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
            case UInt8(ascii: "{"): braces += 1
            case UInt8(ascii: "}"):
                braces -= 1
                if braces < 0 { return nil }
                if braces == 0 { return length }
            case UInt8(ascii: "\n"):
                // A signature that goes on ends its line in an operator or a comma.
                let isDone = isIdentifier(last) || last == UInt8(ascii: ")")
                let goesOn = parentheses > 0 || braces > 0 || !isDone
                if !goesOn && !continuesSignature(after: start, line: length) { return nil }
                length += 1
            default: break
            }
            if byte != UInt8(ascii: " ") && byte != UInt8(ascii: "\n") { last = byte }
        }
        return nil
    }

    /// Whether the line after the given one of a declaration belongs to its signature.
    private func continuesSignature(after start: Int, line: Int) -> Bool {
        let rest = bytes[start...].split(
            separator: UInt8(ascii: "\n"), maxSplits: line + 1, omittingEmptySubsequences: false)
        guard rest.count > line else { return false }
        let next = String(decoding: rest[line], as: UTF8.self)
        return next.contains(#/^ *(?:->|where\b|\{|async\b|throws\b|\))/#)
    }
}
