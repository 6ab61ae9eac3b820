import Glibc

/// Bytes on their way: added at the end, taken from the front.
struct ByteQueue {
    private var bytes: [UInt8] = []
    private var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ added: [UInt8]) {
        bytes.append(contentsOf: added)
    }

    mutating func append(_ added: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: added)
    }

    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(bytes[start..<start + count])
        drop(count)
        return taken
    }

    mutating func drop(_ count: Int) {
        start += count
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 1 << 16 {
            bytes.removeFirst(start)
            start = 0
        }
    }

    mutating func removeAll() {
        drop(count)
    }

    func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        bytes.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[start...])) }
    }
}

/// Compares with memcmp(3): `==` costs too much in a build without optimization.
func areSame(_ left: [UInt8]?, _ right: [UInt8]?) -> Bool {
    guard let left, let right else { return left == nil && right == nil }
    guard left.count == right.count else { return false }
    return left.withUnsafeBytes { left in
        right.withUnsafeBytes { right in
            left.count == 0 || memcmp(left.baseAddress!, right.baseAddress!, left.count) == 0
        }
    }
}
