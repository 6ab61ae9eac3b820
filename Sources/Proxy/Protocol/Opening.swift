/// Another protocol than that of a port, which a client turns out to speak.
package enum ForeignProtocol: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    case tls, proxyHeader, ssh, hypertext, mail, dictionary
    case redis, memcache, memcacheBinary
}

/// The first bytes of a connection, as long as they may be those of another protocol.
///
/// What is looked for begins no request of the port's own protocol, and is known before the first
/// line of it ends: nothing of it is executed, however it is cut. Nearly all connections are
/// decided with their first byte.
package struct Opening: BitwiseCopyable {
    /// The patterns that all bytes so far agree with, a bit each; none once it is decided.
    private var candidates: UInt16
    private var byteCount: UInt8 = 0

    private init(_ candidates: UInt16) {
        self.candidates = candidates
    }

    /// Of a port that speaks redis' protocol, or memcached's, or that only tells statistics.
    static var redis: Opening { Opening(everywhere | browsed | 1 << memcacheBinary) }
    static var memcache: Opening { Opening(everywhere | browsed | 1 << redisArray) }
    package static var statistics: Opening { Opening(everywhere) }

    package var isDecided: Bool { candidates == 0 }

    /// Goes on with the bytes that came next. Returns what the connection is, if it is foreign.
    package mutating func read(_ bytes: Span<UInt8>) -> ForeignProtocol? {
        var position = 0
        while !isDecided, position < bytes.count {
            if let found = read(bytes[position]) {
                candidates = 0
                return found
            }
            position &+= 1
        }
        return nil
    }

    private mutating func read(_ byte: UInt8) -> ForeignProtocol? {
        for index in 0..<Self.patternCount where candidates >> UInt16(index) & 1 == 1 {
            let (pattern, foreign) = Self.pattern(index)
            let agrees = pattern.withUTF8Span { $0[Int(byteCount)] == byte }
            let count = Int(byteCount) &+ 1
            if agrees, count == pattern.utf8CodeUnitCount { return foreign }
            if !agrees { candidates &= ~(1 << UInt16(index)) }
        }
        // No text has it: 0x80, the magic byte of a binary request.
        if candidates >> Self.memcacheBinary & 1 == 1 {
            if byte == 0x80 { return .memcacheBinary }
            candidates &= ~(1 << Self.memcacheBinary)
        }
        byteCount &+= 1
        return nil
    }

    // MARK: Patterns

    private static let everywhere: UInt16 = 0b1111
    private static let browsed: UInt16 = 0b1111_0000
    private static let redisArray: UInt16 = 8
    private static let memcacheBinary: UInt16 = 9
    private static let patternCount = 9

    private static func pattern(_ index: Int) -> (StaticString, ForeignProtocol) {
        switch index {
        // A handshake record, then the version's first byte, which has been 3 since SSL 3.0
        // (RFC 8446 §5.1).
        case 0: ("\u{16}\u{3}", .tls)
        // HAProxy's proxy-protocol.txt, §2.1 and §2.2.
        case 1: ("PROXY ", .proxyHeader)
        case 2: ("\r\n\r\n\0\r\nQUIT\n", .proxyHeader)
        // RFC 4253 §4.2.
        case 3: ("SSH-", .ssh)
        // The preface of HTTP/2 (RFC 9113 §3.4). Other requests for HTTP are known by their line.
        case 4: ("PRI * HTTP/", .hypertext)
        case 5: ("EHLO ", .mail)
        case 6: ("HELO ", .mail)
        // curl, made to open a dict:// address by somebody who wants its port to be another's.
        case 7: ("CLIENT libcurl ", .dictionary)
        default: ("*", .redis)
        }
    }
}
