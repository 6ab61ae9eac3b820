/// A short name (of a command, say) as words, so that two names compare in a few instructions.
///
/// The words overlap when the name is not a whole number of them long; together with the length
/// of the name they hold every byte. Bytes past the end of a name are never read.
///
///     3 bytes:  first = b0 b1 b2 0 0 0 0 0          last = middle = 0
///     6 bytes:  first = b0…b3 b2…b5                 last = middle = 0
///     11 bytes: first = b0…b7       last = b3…b10   middle = 0
///     20 bytes: first = b0…b7       last = b12…b19  middle = b8…b15
struct NameWords: Equatable, BitwiseCopyable {
    /// The longest name there can be, in bytes.
    static let countMax = 24

    var first: UInt64 = 0
    var middle: UInt64 = 0
    var last: UInt64 = 0
}

extension Span<UInt8> {
    /// - Precondition: `0 < count <= NameWords.countMax`.
    func nameWords() -> NameWords {
        precondition(count > 0)
        precondition(count <= NameWords.countMax)
        var words = NameWords()
        if count >= 8 {
            words.first = loadWord(at: 0)
            words.last = loadWord(at: count &- 8)
            if count > 16 { words.middle = loadWord(at: 8) }
        } else if count >= 4 {
            words.first = UInt64(word32(at: 0)) | UInt64(word32(at: count &- 4)) << 32
        } else {
            words.first = UInt64(self[0]) | UInt64(self[count >> 1]) << 8
            words.first |= UInt64(self[count &- 1]) << 16
        }
        return words
    }

    /// Whether redis takes these bytes for `keyword`: in any mix of cases, and whatever follows a
    /// zero, as it compares with strcasecmp(3). `BLOCK\0x` blocks.
    ///
    /// - Parameter keyword: Capital letters only: clearing bit 5 then maps nothing but the two
    ///   cases of a letter to that letter.
    func isKeyword(_ keyword: StaticString) -> Bool {
        let length = keyword.utf8CodeUnitCount
        guard count == length || (count > length && self[length] == 0) else { return false }
        let letters = unsafe keyword.utf8Start
        for index in 0..<length where unsafe self[index] & 0xDF != letters[index] {
            return false
        }
        return true
    }
}
