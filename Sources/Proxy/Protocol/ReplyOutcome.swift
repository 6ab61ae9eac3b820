/// What a reply parser says of the bytes that it was shown.
enum ReplyOutcome {
    case incomplete, reply, violation
    /// One of the values of a reply has ended, where that was asked for. The reply goes on.
    case value
}

/// What a reply is, as far as it matters to whom it may answer.
enum ReplyKind {
    /// Fits every request. Not a kind of reply.
    static let any: UInt8 = 0
    /// An error fits every request too. For redis the kind is the marker that a reply starts with.
    static let error = UInt8(ascii: "-")
    /// Replies of memcached's: to a classic command, to a meta command, `OK`, `STAT`, and `MN`.
    static let classic = UInt8(ascii: "c")
    static let meta = UInt8(ascii: "m")
    static let done = UInt8(ascii: "o")
    static let statistics = UInt8(ascii: "s")
    static let barrier = UInt8(ascii: "n")
}
