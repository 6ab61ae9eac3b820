/// One value that several threads see, at an address of its own.
///
/// It is never freed: what the process shares lives as long as the process. The value's own type
/// must be safe to use from all of them, as atomics are.
@safe
package struct Shared<Value: ~Copyable & Sendable>: BitwiseCopyable, @unchecked Sendable {
    private let pointer: UnsafeMutablePointer<Value>

    init(_ value: consuming Value) {
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: value)
    }

    package var value: Value {
        @inline(__always)
        _read { yield unsafe pointer.pointee }
    }
}
