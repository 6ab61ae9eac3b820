import Glibc

/// A pipe of fixed-size records, from many threads to one.
///
/// Writing never blocks: a record that finds the pipe full is dropped.
@safe
package struct EventPipe<Record: BitwiseCopyable & Sendable>: Sendable {
    /// Becomes readable when there are records.
    package let readEnd: Int32
    private let writeEnd: Int32

    /// - Returns: nil when the system has no descriptors left.
    package init?() {
        var ends: (Int32, Int32) = (0, 0)
        let status = unsafe withUnsafeMutableBytes(of: &ends) { memory in
            unsafe memory.bindMemory(to: Int32.self).baseAddress.map { unsafe pipe($0) } ?? -1
        }
        guard status == 0 else { return nil }
        (readEnd, writeEnd) = ends
        for end in [readEnd, writeEnd] {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
    }

    func send(_ record: Record) {
        unsafe withUnsafeBytes(of: record) { bytes in
            _ = unsafe write(writeEnd, bytes.baseAddress, bytes.count)
        }
    }

    /// The next record; nil when there is none.
    package func next() -> Record? {
        unsafe withUnsafeTemporaryAllocation(of: Record.self, capacity: 1) { memory in
            let size = MemoryLayout<Record>.size
            guard unsafe read(readEnd, memory.baseAddress, size) == size else { return nil }
            return unsafe memory[0]
        }
    }
}
