extension Span<UInt8> {
    /// Whether these are the bytes of a string, in time that depends on the lengths alone, so that
    /// an answer says nothing about how much of a password was right.
    func equals(_ text: String.UTF8View) -> Bool {
        var difference = count ^ text.count
        var index = 0
        for byte in text {
            if index < count { difference |= Int(self[index] ^ byte) }
            index += 1
        }
        return difference == 0
    }
}

extension StaticString {
    func withUTF8Span<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        unsafe body(
            UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount).span)
    }
}
