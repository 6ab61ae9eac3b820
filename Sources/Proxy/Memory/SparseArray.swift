/// An array that may have many elements and mostly has few: its memory is reserved at start-up and
/// becomes resident as elements are set, from the first on.
@safe
struct SparseArray<Element: BitwiseCopyable>: ~Copyable {
    // First, for the reason that `Slab` gives.
    private let elements: UnsafeMutablePointer<Element>

    let capacity: Int
    /// Elements from here on were never set.
    private(set) var count = 0
    /// What those before it are that were never set.
    private let filler: Element

    init(capacity: Int, filler: Element) {
        precondition(capacity > 0)
        self.capacity = capacity
        self.filler = filler
        unsafe elements = .allocate(capacity: capacity)
    }

    deinit {
        unsafe elements.deallocate()
    }

    /// - Precondition: `0 <= index < count`.
    subscript(index: Int) -> Element {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
        return unsafe elements[index]
    }

    /// - Precondition: `0 <= index < capacity`.
    mutating func set(_ element: Element, at index: Int) {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: capacity))
        while count <= index {
            unsafe (elements + count).initialize(to: filler)
            count += 1
        }
        unsafe elements[index] = element
    }
}
