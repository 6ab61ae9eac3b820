/// One step through a YAML document, as libyaml reports it, free of libyaml's memory.
///
/// Starts and ends always balance, and a document holds exactly one node.
struct YAMLEvent: Equatable {
    var kind: Kind
    var position: SourcePosition

    enum Kind: Equatable {
        case documentStart
        case documentEnd
        case mappingStart
        case mappingEnd
        case sequenceStart
        case sequenceEnd
        /// Quotes and escapes are resolved; an absent value is an empty text.
        case scalar(String)
        /// A node with an anchor or a tag, or an alias: libyaml's token by name and number.
        case disallowed(token: String)
    }
}

/// Why libyaml could not go on.
struct YAMLFailure: Error, Equatable {
    /// libyaml's `yaml_error_type_t`, the number twemproxy prints as `err N`.
    var code: Int
    var kind: Kind
    /// What libyaml says, and what it was doing: `found character that cannot start any token`.
    var problem: String
    var context: String
    var position: SourcePosition
    /// Where what libyaml was doing began, if it says so.
    var contextPosition: SourcePosition?

    enum Kind: Equatable {
        /// The bytes are not UTF-8, or hold a control character YAML forbids.
        case text
        case syntax
        /// More levels than `yamlDepthMax`.
        case depth
    }
}

/// A configuration needs three levels. libyaml's work grows with the square of the depth, so that
/// 100,000 opening brackets would keep it busy for 20 s.
let yamlDepthMax = 16

/// Why a file's bytes could not be had.
enum FileFailure: Error, Equatable {
    /// The system's text for errno, as strerror(3) gives it.
    case system(String)
    case tooLarge
}

extension SourcePosition {
    /// libyaml puts the end of a file without a final line break on a line of its own, which no
    /// editor shows: this is the place after the last character instead.
    func clamped(to bytes: [UInt8]) -> SourcePosition {
        min(self, SourcePosition(ofByte: bytes.count, in: bytes + [UInt8(ascii: " ")]))
    }

    /// Where byte `offset` of `bytes` stands.
    init(ofByte offset: Int, in bytes: [UInt8]) {
        self = Self.last(in: bytes) { index, _ in index <= offset }
    }

    /// Whether `byte` stands here. The position of a CR LF is that of its CR.
    func holds(_ byte: UInt8, in bytes: [UInt8]) -> Bool {
        var isHeld = false
        _ = Self.last(in: bytes) { index, position in
            if position == self && bytes[index] == byte { isHeld = true }
            return position <= self
        }
        return isHeld
    }

    /// The position of the last byte that `isWanted`, which is asked byte by byte until it says
    /// no. Lines end in LF, CR LF or CR; a byte order mark at the start takes no column.
    private static func last(
        in bytes: [UInt8], while isWanted: (Int, SourcePosition) -> Bool
    ) -> SourcePosition {
        var position = SourcePosition(line: 1, column: 1)
        let lineFeed = UInt8(ascii: "\n")
        let carriageReturn = UInt8(ascii: "\r")
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        for index in bytes.indices.dropFirst(start) {
            let isContinuation = bytes[index] & 0xC0 == 0x80
            var next = position
            if index > start {
                let before = bytes[index - 1]
                let isPair = before == carriageReturn && bytes[index] == lineFeed
                if before == lineFeed || (before == carriageReturn && !isPair) {
                    next = SourcePosition(line: position.line &+ 1, column: 1)
                } else if !isContinuation && !isPair {
                    next.column &+= 1
                }
            }
            guard isWanted(index, next) else { return position }
            position = next
        }
        return position
    }
}
