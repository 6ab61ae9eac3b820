/// A few words of somebody else's, such as a server's error: the first bytes of them.
package struct ShortText: BitwiseCopyable, Sendable {
    package static let countMax = 120

    private var bytes = InlineArray<120, UInt8>(repeating: 0)
    private var byteCount: UInt8 = 0

    package var indices: Range<Int> { 0..<Int(byteCount) }

    package subscript(index: Int) -> UInt8 { bytes[index] }

    /// What there is no room for is left out.
    mutating func append(_ byte: UInt8) {
        guard Int(byteCount) < Self.countMax else { return }
        bytes[Int(byteCount)] = byte
        byteCount &+= 1
    }

    mutating func append(_ more: Span<UInt8>) {
        for index in more.indices { append(more[index]) }
    }
}
