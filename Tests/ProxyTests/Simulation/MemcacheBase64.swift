/// Base64 as the peers of the simulation speak it, written apart from the proxy's own.
private let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8Bytes

func base64(of bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let three = (0..<3).map { start + $0 < bytes.count ? Int(bytes[start + $0]) : 0 }
        let word = three[0] << 16 | three[1] << 8 | three[2]
        for place in 0..<4 {
            let isPadding = start + place > bytes.count
            text.append(isPadding ? UInt8(ascii: "=") : digits[word >> (18 - 6 * place) & 63])
        }
    }
    return String(decoding: text, as: UTF8.self)
}

/// Returns nil if it is no base64.
func bytes(ofBase64 text: [UInt8]) -> [UInt8]? {
    guard !text.isEmpty, text.count % 4 == 0 else { return nil }
    let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    guard padding <= 2 else { return nil }
    var bytes: [UInt8] = []
    var word = 0
    for (index, byte) in text.enumerated() {
        guard let digit = index < text.count - padding ? digits.firstIndex(of: byte) : 0 else {
            return nil
        }
        word = word << 6 | digit
        if index % 4 == 3 {
            bytes += [16, 8, 0].map { UInt8(word >> $0 & 0xFF) }
            word = 0
        }
    }
    return bytes.dropLast(padding)
}
