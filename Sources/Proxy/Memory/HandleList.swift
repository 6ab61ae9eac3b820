/// Handles with a number each, in the order in which they were added, in memory reserved at
/// start-up and touched as it is used.
///
/// For the rare lists of those that wait for something. Finding takes time linear in the length. A
/// handle may go stale while it stands here: whoever looks at it asks its slab.
@safe
struct HandleList<Element: ~Copyable>: ~Copyable {
    struct Entry: BitwiseCopyable {
        let handle: Handle<Element>
        let number: UInt64
    }

    let capacity: Int
    private(set) var count = 0
    private let entries: UnsafeMutablePointer<Entry>

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        unsafe entries = .allocate(capacity: capacity)
    }

    deinit {
        unsafe entries.deallocate()
    }

    /// - Precondition: `0 <= index < count`.
    subscript(index: Int) -> Entry {
        get {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            return unsafe entries[index]
        }
        nonmutating set {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            unsafe entries[index] = newValue
        }
    }

    /// - Precondition: Fewer than `capacity` handles are in the list.
    mutating func append(_ handle: Handle<Element>, number: UInt64) {
        precondition(count < capacity)
        unsafe entries[count] = Entry(handle: handle, number: number)
        count &+= 1
    }

    /// Forgets all entries from an index on.
    mutating func truncate(to count: Int) {
        precondition(count <= self.count)
        self.count = count
    }
}
