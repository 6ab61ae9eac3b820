/// Cyclic redundancy checks, as twemproxy computes them.
///
/// Source: twemproxy nc_crc16.c and nc_crc32.c.
enum CRC {
    /// CCITT's polynomial in a 32-bit register that is never cut to 16 bits: what leaves the
    /// lower half stays in the upper, and takes part in choosing the server.
    static func crc16(_ key: Span<UInt8>) -> UInt32 {
        var sum: UInt32 = 0
        var index = 0
        while index < key.count {
            let entry = (sum >> 8 ^ UInt32(key[index])) & 0xFF
            sum = sum << 8 ^ CRCTables.crc16[Int(entry)]
            index &+= 1
        }
        return sum
    }

    /// The fifteen bits that libmemcached takes from `crc32a`.
    static func crc32(_ key: Span<UInt8>) -> UInt32 {
        crc32a(key) >> 16 & 0x7FFF
    }

    /// The CRC of Ethernet and zlib, four bytes per step.
    static func crc32a(_ key: Span<UInt8>) -> UInt32 {
        var sum = ~UInt32(0)
        var index = 0
        while key.count &- index >= 4 {
            sum ^= key.word32(at: index)
            sum =
                CRCTables.crc32[Int(768 &+ (sum & 0xFF))]
                ^ CRCTables.crc32[Int(512 &+ (sum >> 8 & 0xFF))]
                ^ CRCTables.crc32[Int(256 &+ (sum >> 16 & 0xFF))]
                ^ CRCTables.crc32[Int(sum >> 24)]
            index &+= 4
        }
        while index < key.count {
            sum = sum >> 8 ^ CRCTables.crc32[Int((sum ^ UInt32(key[index])) & 0xFF)]
            index &+= 1
        }
        return ~sum
    }
}
