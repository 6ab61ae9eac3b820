/// Handles waiting for a visit, last in first out, in memory reserved at start-up.
@safe
struct HandleStack<Element: ~Copyable>: ~Copyable {
    let capacity: Int
    private(set) var count = 0
    private let handles: UnsafeMutablePointer<Handle<Element>>

    init(capacity: Int) {
        self.capacity = capacity
        unsafe handles = .allocate(capacity: capacity)
    }

    deinit {
        unsafe handles.deallocate()
    }

    /// - Precondition: Fewer than `capacity` handles are waiting.
    mutating func push(_ handle: Handle<Element>) {
        precondition(count < capacity)
        unsafe handles[count] = handle
        count &+= 1
    }

    mutating func pop() -> Handle<Element>? {
        guard count > 0 else { return nil }
        count &-= 1
        return unsafe handles[count]
    }
}
