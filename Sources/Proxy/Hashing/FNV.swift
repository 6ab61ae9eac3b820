/// Fowler, Noll and Vo's hashes, as twemproxy computes them.
///
/// Each byte is sign-extended before it is mixed in: twemproxy reads keys through a signed
/// `char`. One byte costs a multiplication and an exclusive or, each waiting for the last.
/// Source: twemproxy nc_fnv.c.
enum FNV {
    private static let prime32: UInt32 = 0x0100_0193
    private static let start32: UInt32 = 0x811C_9DC5

    /// The lower half of the 64-bit prime. Nothing carries from the upper half into the lower,
    /// and twemproxy keeps only the lower, so 32 bits are all there is to compute.
    private static let prime64: UInt32 = 0x1B3
    private static let start64: UInt32 = 0x8422_2325

    static func fnv1_64(_ key: Span<UInt8>) -> UInt32 {
        multiplyFirst(key, from: start64, by: prime64)
    }

    static func fnv1a_64(_ key: Span<UInt8>) -> UInt32 {
        multiplyLast(key, from: start64, by: prime64)
    }

    static func fnv1_32(_ key: Span<UInt8>) -> UInt32 {
        multiplyFirst(key, from: start32, by: prime32)
    }

    static func fnv1a_32(_ key: Span<UInt8>) -> UInt32 {
        multiplyLast(key, from: start32, by: prime32)
    }

    private static func multiplyFirst(
        _ key: Span<UInt8>, from start: UInt32, by prime: UInt32
    ) -> UInt32 {
        var hash = start
        var index = 0
        while index < key.count {
            hash = (hash &* prime) ^ key[index].signExtended
            index &+= 1
        }
        return hash
    }

    private static func multiplyLast(
        _ key: Span<UInt8>, from start: UInt32, by prime: UInt32
    ) -> UInt32 {
        var hash = start
        var index = 0
        while index < key.count {
            hash = (hash ^ key[index].signExtended) &* prime
            index &+= 1
        }
        return hash
    }
}
