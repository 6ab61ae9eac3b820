/// What a reply parser says of the bytes that it was shown.
///
/// Replies to memcached's gets are read in pieces, as each value may be for another request:
///
///     VALUE k 0 3 CR LF │ abc CR LF │ END CR LF
///                    header      value       end
enum ReplyOutcome {
    /// The reply goes on; of gets, in the data of a value.
    case incomplete
    case reply
    /// These bytes are no reply, or none that the request can get.
    case violation
    /// The bytes end in a line: the header of a value, or the one that ends the reply.
    case cutLine
    /// The line has ended that is before a value, and says whose it is.
    case header
    /// A value has ended.
    case value
    /// A value that these bytes have all of, its header first.
    case wholeValue
    /// The line behind all values has ended.
    case end
}

/// What a reply is, as far as it matters to whom it may answer.
enum ReplyKind {
    /// As what is expected: everything. Not a kind of reply.
    static let any: UInt8 = 0
    /// For redis the kind is the marker that a reply starts with.
    static let error = UInt8(ascii: "-")
    /// Of memcached's: `MN`, and all but that and errors.
    static let barrier = UInt8(ascii: "n")
    static let other = UInt8(ascii: "c")
}
