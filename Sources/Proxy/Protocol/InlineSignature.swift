/// What shows that an inline request is a line of another protocol, and the next lines with it.
///
/// It is told the words of the line, unquoted, byte by byte. Redis could execute none of what it
/// finds: whoever sends that has not talked to redis, and what follows must not be executed.
struct InlineSignature: BitwiseCopyable {
    private(set) var wordCount = 0
    /// The first eight bytes of the first word and of the last, the first byte lowest.
    private var name: UInt64 = 0
    private var last: UInt64 = 0
    private var byteCount = 0
    private var isNumber = true
    /// Whether the third to fifth words are numbers, as far as there are any.
    private var hasNumbers = true

    mutating func beginWord() {
        last = 0
        byteCount = 0
        isNumber = true
    }

    mutating func add(_ byte: UInt8) {
        if byteCount < 8 { last |= UInt64(byte) << UInt64(byteCount &* 8) }
        let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
        let isSign = byte == UInt8(ascii: "-") && byteCount == 0
        if !isDigit, !isSign { isNumber = false }
        byteCount &+= 1
    }

    mutating func endWord() {
        if wordCount == 0 { name = byteCount <= 8 ? last : 0 }
        if wordCount >= 2, wordCount <= 4, !isNumber { hasNumbers = false }
        wordCount &+= 1
    }

    /// Whether it ends as a request line does: `HTTP/1.1`, and RTSP and SIP, which imitate it. An
    /// inline request may end so, too: only if redis has no such command, or not with so many
    /// arguments, it is none.
    var endsInVersion: Bool {
        guard wordCount >= 3, byteCount >= 5 else { return false }
        // "HTTP/" and "RTSP/", then "SIP/".
        let five = last & 0xFF_FFFF_FFFF
        let isLong = five == 0x2F_5054_5448 || five == 0x2F_5053_5452
        let isShort = last & 0xFFFF_FFFF == 0x2F50_4953
        let digit = UInt8(truncatingIfNeeded: last >> (isLong ? 40 : 32))
        return (isLong || isShort) && digit >= UInt8(ascii: "0") && digit <= UInt8(ascii: "9")
    }

    /// Whether it is memcached's: a command with a data block, whose lines would be executed, or
    /// another that redis does not have.
    var isMemcache: Bool {
        switch name {
        // "set", "add", "cas", "append", "replace", "prepend"
        case 0x74_6573, 0x64_6461, 0x73_6163, 0x646E_6570_7061, 0x65_6361_6C70_6572,
            0x64_6E65_7065_7270:
            wordCount >= 5 && hasNumbers
        // "gets", "gat", "gats", "stats", "version"
        case 0x7374_6567, 0x74_6167, 0x7374_6167, 0x73_7461_7473, 0x6E_6F69_7372_6576: true
        default: false
        }
    }
}

extension Span<UInt8> {
    /// Whether a browser, or whatever somebody makes send HTTP here, sends this as the name of a
    /// command: redis ends such connections since 3.2.7 (server.c, processCommand). As there, what
    /// is behind a zero does not count.
    var isHypertextName: Bool {
        guard count >= 4 else { return false }
        if extracting(0..<4).isKeyword("POST") { return count == 4 || self[4] == 0 }
        guard count >= 5, extracting(0..<4).isKeyword("HOST"), self[4] == UInt8(ascii: ":") else {
            return false
        }
        return count == 5 || self[5] == 0
    }
}
