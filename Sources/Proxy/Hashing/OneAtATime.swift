/// Bob Jenkins' one-at-a-time hash, over sign-extended bytes.
///
/// Source: twemproxy nc_one_at_a_time.c.
enum OneAtATime {
    static func hash(_ key: Span<UInt8>) -> UInt32 {
        var hash: UInt32 = 0
        var index = 0
        while index < key.count {
            hash &+= key[index].signExtended
            hash &+= hash << 10
            hash ^= hash >> 6
            index &+= 1
        }
        hash &+= hash << 3
        hash ^= hash >> 11
        hash &+= hash << 15
        return hash
    }
}
