/// What of a client's next requests must not be executed, because of what it was refused before.
///
/// A client may send more before it reads that something was refused. What only makes sense
/// behind it must then not be done as if it had worked.
struct ClientRestrictions: OptionSet, BitwiseCopyable {
    let rawValue: UInt8

    /// It has not sent the password of its pool.
    static let unauthenticated = ClientRestrictions(rawValue: 1)

    /// MULTI was refused: nothing is executed up to EXEC or DISCARD.
    static let refusedTransaction = ClientRestrictions(rawValue: 2)

    /// SELECT of a database that the pool has not was refused: what follows is meant for that one.
    static let refusedDatabase = ClientRestrictions(rawValue: 4)
}
