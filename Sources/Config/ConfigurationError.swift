/// Why a configuration file was refused: where, what stood there, and what should have.
///
/// The operator's fault, always: the program refuses to start and prints `description`.
package struct ConfigurationError: Error, Equatable, Sendable {
    package var kind: Kind
    /// The path as the operator gave it.
    package var file: String
    /// Nil only when the file could not be read at all.
    package var position: SourcePosition?
    /// The pool and the directive the problem is in, once both are known.
    package var pool: String?
    package var key: String?
    /// What stands in the file, ready to print: `"4s"`, `a list`, `nothing`.
    package var found: String
    /// What may stand there, ready to print: `"true" or "false"`.
    package var expected: String
    /// twemproxy's own words for the same mistake, where it has any: operators search logs for
    /// them.
    package var wording: String?

    package enum Kind: Sendable, Equatable, CaseIterable {
        /// Missing, forbidden, a directory, or failing while it is read.
        case unreadable
        case tooLarge
        /// Not UTF-8, or a control character YAML forbids.
        case invalidText
        case syntax
        /// No document, or more than one.
        case documentCount
        /// An anchor, an alias, or a tag.
        case disallowedToken
        /// A list, mapping or scalar where something else belongs.
        case structure
        case unknownDirective
        case duplicateDirective
        case missingDirective
        case invalidValue
        case duplicateServer
        case duplicatePool
        case duplicateListen
        /// An address that this machine cannot listen on.
        case unusableListen
    }
}

/// A place in a file, both counted from 1; columns count characters, not bytes.
package struct SourcePosition: Sendable, Equatable, Comparable {
    package var line: Int32
    package var column: Int32

    package init(line: Int32, column: Int32) {
        self.line = line
        self.column = column
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// One line, whatever the file holds:
    /// `conf/a.yml:4:12: pool "alpha", key "timeout": found "4s", expected a number of
    /// milliseconds between 0 and 2147483647 (directive "timeout" is not a number)`.
    package var description: String {
        var text = printable(file, atMost: .max)
        if let position { text += ":\(position.line):\(position.column)" }
        text += ": "
        if let pool { text += "pool \(quoted(pool))" }
        if let key { text += "\(pool == nil ? "" : ", ")key \(quoted(key))" }
        if pool != nil || key != nil { text += ": " }
        if expected.isEmpty { return text + (wording ?? found) }
        text += "found \(found), expected \(expected)"
        if let wording { text += " (\(wording))" }
        return text
    }
}

/// What is wrong with one value, before anyone knows where in the file it stood.
struct Complaint: Error, Equatable {
    var found: String
    var expected: String
    var wording: String?
}

/// `text` between quotation marks, on one line and of bounded length.
package func quoted(_ text: String) -> String {
    "\"\(printable(text, atMost: 120))\""
}

/// `text` with control characters spelled as escapes, cut after `limit` characters, so that a
/// hostile file can neither forge a log line nor flood the log.
func printable(_ text: String, atMost limit: Int = 120) -> String {
    var result = ""
    for (index, scalar) in text.unicodeScalars.enumerated() {
        if index >= limit { return result + "…" }
        switch scalar {
        case "\n": result += "\\n"
        case "\r": result += "\\r"
        case "\t": result += "\\t"
        case "\u{2028}", "\u{2029}": result += "\\u{\(String(scalar.value, radix: 16))}"
        case _ where scalar.properties.generalCategory == .control:
            result += "\\u{\(String(scalar.value, radix: 16))}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}
