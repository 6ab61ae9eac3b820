/// One value with an address of its own, for what must be changed through a copy of whoever
/// refers to it. The owner frees it.
@safe
struct Cell<Value: BitwiseCopyable>: BitwiseCopyable {
    private let pointer: UnsafeMutablePointer<Value>

    init(_ value: Value) {
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: value)
    }

    var value: Value {
        get { unsafe pointer.pointee }
        nonmutating set { unsafe pointer.pointee = newValue }
    }

    func free() {
        unsafe pointer.deallocate()
    }
}
