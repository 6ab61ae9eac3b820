/// Austin Appleby's MurmurHash2, seeded with a multiple of the length.
///
/// Source: twemproxy nc_murmur.c.
enum Murmur {
    private static let multiplier: UInt32 = 0x5BD1_E995

    static func hash(_ key: Span<UInt8>) -> UInt32 {
        let length = UInt32(truncatingIfNeeded: key.count)
        var hash = (0xDEAD_BEEF &* length) ^ length
        var index = 0
        while key.count &- index >= 4 {
            var word = key.word32(at: index) &* multiplier
            word ^= word >> 24
            hash = (hash &* multiplier) ^ (word &* multiplier)
            index &+= 4
        }
        if index < key.count {
            hash = (hash ^ key.paddedWord32(at: index)) &* multiplier
        }
        hash ^= hash >> 13
        hash &*= multiplier
        hash ^= hash >> 15
        return hash
    }
}
