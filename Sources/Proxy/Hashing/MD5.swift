/// Rivest's MD5, for placing keys and continuum points; it protects nothing.
///
/// Source: RFC 1321.
struct MD5 {
    private var a: UInt32 = 0x6745_2301
    private var b: UInt32 = 0xEFCD_AB89
    private var c: UInt32 = 0x98BA_DCFE
    private var d: UInt32 = 0x1032_5476

    /// The digest as four little-endian words: `words[n]` is its bytes `4 * n` to `4 * n + 3`.
    static func words(_ message: Span<UInt8>) -> InlineArray<4, UInt32> {
        var state = MD5()
        var block = InlineArray<16, UInt32>(repeating: 0)
        var offset = 0
        while message.count &- offset >= 64 {
            for word in 0..<16 {
                block[word] = message.word32(at: offset &+ 4 &* word)
            }
            state.absorb(block.span)
            offset &+= 64
        }
        state.finish(message, from: offset)
        return [state.a, state.b, state.c, state.d]
    }

    /// The first word of the digest: twemproxy's hash `md5`, nc_md5.c.
    static func hash(_ key: Span<UInt8>) -> UInt32 {
        words(key)[0]
    }

    /// Absorbs the last 0 to 63 bytes, a one bit, zeros, and the length in bits.
    private mutating func finish(_ message: Span<UInt8>, from offset: Int) {
        var block = InlineArray<16, UInt32>(repeating: 0)
        let remaining = message.count &- offset
        var word = 0
        while word &* 4 < remaining {
            block[word] = message.paddedWord32(at: offset &+ 4 &* word)
            word &+= 1
        }
        block[remaining >> 2] |= 0x80 << UInt32(truncatingIfNeeded: 8 &* (remaining & 3))
        if remaining >= 56 {
            absorb(block.span)
            block = InlineArray(repeating: 0)
        }
        let bitCount = UInt64(message.count) &* 8
        block[14] = UInt32(truncatingIfNeeded: bitCount)
        block[15] = UInt32(truncatingIfNeeded: bitCount >> 32)
        absorb(block.span)
    }
}

extension MD5 {
    /// The four rounds of sixteen steps; each step also renames the words, so that after four
    /// of them every name is back in its place.
    ///
    /// Each step waits for the last one's `b`, so the expressions meet it as late as they can.
    ///
    /// - Precondition: `block` is sixteen words.
    private mutating func absorb(_ block: Span<UInt32>) {
        precondition(block.count == 16)
        let before = self
        var index = 0
        while index < 16 {
            step(d ^ (b & (c ^ d)), block[index], index, 7)
            step(d ^ (b & (c ^ d)), block[index + 1], index + 1, 12)
            step(d ^ (b & (c ^ d)), block[index + 2], index + 2, 17)
            step(d ^ (b & (c ^ d)), block[index + 3], index + 3, 22)
            index += 4
        }
        while index < 32 {
            step((c & ~d) &+ (b & d), block[(5 * index + 1) & 15], index, 5)
            step((c & ~d) &+ (b & d), block[(5 * index + 6) & 15], index + 1, 9)
            step((c & ~d) &+ (b & d), block[(5 * index + 11) & 15], index + 2, 14)
            step((c & ~d) &+ (b & d), block[(5 * index + 16) & 15], index + 3, 20)
            index += 4
        }
        while index < 48 {
            step((c ^ d) ^ b, block[(3 * index + 5) & 15], index, 4)
            step((c ^ d) ^ b, block[(3 * index + 8) & 15], index + 1, 11)
            step((c ^ d) ^ b, block[(3 * index + 11) & 15], index + 2, 16)
            step((c ^ d) ^ b, block[(3 * index + 14) & 15], index + 3, 23)
            index += 4
        }
        while index < 64 {
            step(c ^ (b | ~d), block[(7 * index) & 15], index, 6)
            step(c ^ (b | ~d), block[(7 * index + 7) & 15], index + 1, 10)
            step(c ^ (b | ~d), block[(7 * index + 14) & 15], index + 2, 15)
            step(c ^ (b | ~d), block[(7 * index + 21) & 15], index + 3, 21)
            index += 4
        }
        a &+= before.a
        b &+= before.b
        c &+= before.c
        d &+= before.d
    }

    private mutating func step(_ mixed: UInt32, _ word: UInt32, _ index: Int, _ shift: UInt32) {
        let sum = (a &+ word &+ Self.sines[index]) &+ mixed
        a = d
        d = c
        c = b
        b = b &+ sum.rotatedLeft(by: shift)
    }

    /// `floor(2^32 * abs(sin(n + 1)))`, RFC 1321 §3.4.
    private static let sines: InlineArray<64, UInt32> = [
        0xD76A_A478, 0xE8C7_B756, 0x2420_70DB, 0xC1BD_CEEE,
        0xF57C_0FAF, 0x4787_C62A, 0xA830_4613, 0xFD46_9501,
        0x6980_98D8, 0x8B44_F7AF, 0xFFFF_5BB1, 0x895C_D7BE,
        0x6B90_1122, 0xFD98_7193, 0xA679_438E, 0x49B4_0821,
        0xF61E_2562, 0xC040_B340, 0x265E_5A51, 0xE9B6_C7AA,
        0xD62F_105D, 0x0244_1453, 0xD8A1_E681, 0xE7D3_FBC8,
        0x21E1_CDE6, 0xC337_07D6, 0xF4D5_0D87, 0x455A_14ED,
        0xA9E3_E905, 0xFCEF_A3F8, 0x676F_02D9, 0x8D2A_4C8A,
        0xFFFA_3942, 0x8771_F681, 0x6D9D_6122, 0xFDE5_380C,
        0xA4BE_EA44, 0x4BDE_CFA9, 0xF6BB_4B60, 0xBEBF_BC70,
        0x289B_7EC6, 0xEAA1_27FA, 0xD4EF_3085, 0x0488_1D05,
        0xD9D4_D039, 0xE6DB_99E5, 0x1FA2_7CF8, 0xC4AC_5665,
        0xF429_2244, 0x432A_FF97, 0xAB94_23A7, 0xFC93_A039,
        0x655B_59C3, 0x8F0C_CC92, 0xFFEF_F47D, 0x8584_5DD1,
        0x6FA8_7E4F, 0xFE2C_E6E0, 0xA301_4314, 0x4E08_11A1,
        0xF753_7E82, 0xBD3A_F235, 0x2AD7_D2BB, 0xEB86_D391,
    ]
}
