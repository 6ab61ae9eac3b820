import Config
import Testing

@testable import Proxy

@Suite struct HashTests {
    @Test(arguments: HashFunction.allCases)
    func agreesWithTwemproxy(_ function: HashFunction) throws {
        let vectors = try Vectors.hashes().vectors
        #expect(vectors.count == 127)
        for vector in vectors {
            let key = try #require(vector["hex"]?.bytes)
            let expected = try #require(vector[function.rawValue]?.number)
            #expect(try #require(vector["len"]?.number) == UInt32(key.count))
            let hash = hashUnguarded(function, key.span)
            #expect(hash == expected, "\(key.count) bytes: \(key.prefix(40))")
        }
    }

    @Test(arguments: HashFunction.allCases)
    func anEmptyKeyHashesToZero(_ function: HashFunction) {
        let empty: [UInt8] = []
        #expect(KeyHasher(function).hash(empty.span) == 0)
        let tag = HashTag(open: UInt8(ascii: "{"), close: UInt8(ascii: "}"))
        #expect(KeyHasher(function, tag: tag).hash(empty.span) == 0)
    }

    @Test(arguments: HashFunction.allCases)
    func aKeyHasherChoosesItsFunction(_ function: HashFunction) {
        let key = Array("user:1000:profile".utf8)
        #expect(KeyHasher(function).hash(key.span) == hashUnguarded(function, key.span))
    }

    /// A key is a part of a larger buffer: what stands around it must not matter.
    @Test(arguments: HashFunction.allCases)
    func readsNothingOutsideTheKey(_ function: HashFunction) {
        let key = (0..<70).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        for count in 0...key.count {
            let alone = Array(key[..<count])
            let expected = hashUnguarded(function, alone.span)
            for padding: UInt8 in [0x00, 0xFF] {
                let buffer = [padding, padding, padding] + alone + [padding, padding, padding]
                let hash = hashUnguarded(function, buffer.span.extracting(3..<(3 + count)))
                #expect(hash == expected, "\(count) bytes")
            }
        }
    }

    /// RFC 1321 appendix A.5, and the lengths at which the padding takes another block.
    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a"
        ),
        (String(repeating: "a", count: 55), "ef1772b6dff9a122358552954ad0df65"),
        (String(repeating: "a", count: 56), "3b0c8ac703f828b04c6c197006d17218"),
        (String(repeating: "a", count: 63), "b06521f39153d618550606be297466d5"),
        (String(repeating: "a", count: 64), "014842d480b571495a4a0363793f7367"),
    ])
    func md5AgreesWithItsStandard(_ message: String, _ digest: String) {
        let bytes = Array(message.utf8)
        let words = MD5.words(bytes.span)
        let text = words.indices.flatMap { index in
            (0..<4).map { words[index] >> UInt32(8 * $0) & 0xFF }
        }
        #expect(text.map { UInt8($0) } == Vectors.bytes(hex: digest))
    }
}

/// The function itself, without the rule for empty keys.
private func hashUnguarded(_ function: HashFunction, _ key: Span<UInt8>) -> UInt32 {
    switch function {
    case .oneAtATime: OneAtATime.hash(key)
    case .md5: MD5.hash(key)
    case .crc16: CRC.crc16(key)
    case .crc32: CRC.crc32(key)
    case .crc32a: CRC.crc32a(key)
    case .fnv1_64: FNV.fnv1_64(key)
    case .fnv1a_64: FNV.fnv1a_64(key)
    case .fnv1_32: FNV.fnv1_32(key)
    case .fnv1a_32: FNV.fnv1a_32(key)
    case .hsieh: Hsieh.hash(key)
    case .murmur: Murmur.hash(key)
    case .jenkins: Jenkins.hash(key)
    }
}
