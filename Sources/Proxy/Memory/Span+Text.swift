extension Span<UInt8> {
    /// Whether these are the same bytes, in time that depends on the lengths alone, so that an
    /// answer says nothing about how much of a password was right.
    func isEqual(to other: Span<UInt8>) -> Bool {
        var difference = count ^ other.count
        var index = 0
        while index < count, index < other.count {
            difference |= Int(self[index] ^ other[index])
            index += 1
        }
        return difference == 0
    }

    func isEqual(to text: StaticString) -> Bool {
        text.withUTF8Span { isEqual(to: $0) }
    }

    func hasPrefix(_ text: StaticString) -> Bool {
        text.withUTF8Span { prefix in
            count >= prefix.count && extracting(0..<prefix.count).isEqual(to: prefix)
        }
    }
}

extension StaticString {
    @inline(__always)
    func withUTF8Span<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        unsafe body(
            UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount).span)
    }
}
