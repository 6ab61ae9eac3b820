/// Paul Hsieh's SuperFastHash, begun with 0 where the original begins with the length.
///
/// Source: twemproxy nc_hsieh.c.
enum Hsieh {
    static func hash(_ key: Span<UInt8>) -> UInt32 {
        var hash: UInt32 = 0
        var index = 0
        while key.count &- index >= 4 {
            hash &+= key.word16(at: index)
            hash = hash << 16 ^ (key.word16(at: index &+ 2) << 11 ^ hash)
            hash &+= hash >> 11
            index &+= 4
        }
        return finish(hash, key, from: index)
    }

    /// Mixes in the last nought to three bytes, then every bit into every other.
    private static func finish(_ hash: UInt32, _ key: Span<UInt8>, from index: Int) -> UInt32 {
        var hash = hash
        switch key.count &- index {
        case 3:
            hash &+= key.word16(at: index)
            hash ^= hash << 16
            hash ^= key[index &+ 2].signExtended << 18
            hash &+= hash >> 11
        case 2:
            hash &+= key.word16(at: index)
            hash ^= hash << 11
            hash &+= hash >> 17
        case 1:
            hash &+= UInt32(key[index])
            hash ^= hash << 10
            hash &+= hash >> 1
        default:
            break
        }
        hash ^= hash << 3
        hash &+= hash >> 5
        hash ^= hash << 4
        hash &+= hash >> 17
        hash ^= hash << 25
        hash &+= hash >> 6
        return hash
    }
}
