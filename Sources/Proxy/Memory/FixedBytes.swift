/// The bytes of a text that never changes, so that the hot path need not look at a `String`.
@safe
struct FixedBytes: ~Copyable {
    let count: Int
    private let bytes: UnsafeMutablePointer<UInt8>

    init(_ text: String) {
        count = text.utf8.count
        unsafe bytes = .allocate(capacity: max(count, 1))
        for (index, byte) in text.utf8.enumerated() { unsafe bytes[index] = byte }
    }

    deinit {
        unsafe bytes.deallocate()
    }

    @inline(__always)
    func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        unsafe body(UnsafeBufferPointer(start: bytes, count: count).span)
    }
}
