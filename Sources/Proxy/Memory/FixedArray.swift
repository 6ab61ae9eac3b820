/// A fixed number of elements in one allocation, which never move.
///
/// Unlike an `Array` it holds noncopyable elements, counts no references, and cannot grow.
@safe
package struct FixedArray<Element: ~Copyable>: ~Copyable {
    // First: building for ThreadSanitizer, swiftc 6.3.1 takes what stands here for a pointer
    // wherever the subscript changes an element, and crashes if it is none.
    private let elements: UnsafeMutablePointer<Element>

    package let count: Int

    /// - Parameter element: Makes the element of an index; called once each, in order.
    init(count: Int, element: (Int) -> Element) {
        precondition(count >= 0)
        self.count = count
        unsafe elements = .allocate(capacity: count)
        for index in 0..<count {
            unsafe (elements + index).initialize(to: element(index))
        }
    }

    deinit {
        unsafe elements.deinitialize(count: count)
        unsafe elements.deallocate()
    }

    /// The element itself, in place. As in a `Slab`, changing an element does not count as
    /// changing the array.
    ///
    /// - Precondition: `0 <= index < count`.
    package internal(set) subscript(index: Int) -> Element {
        _read {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            yield unsafe elements[index]
        }
        nonmutating _modify {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            yield unsafe &elements[index]
        }
    }
}

/// As safe to share as its elements: the memory itself never changes.
extension FixedArray: @unchecked Sendable where Element: ~Copyable & Sendable {}
