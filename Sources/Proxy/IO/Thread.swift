import Glibc

/// A POSIX thread that runs one function and is never joined: it says itself when it is done.
enum Thread {
    /// - Returns: 0, or the errno of pthread_create(3).
    static func start(_ body: consuming @escaping @Sendable () -> Void) -> Int32 {
        let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, box)
        if status != 0 {
            unsafe Unmanaged<Box>.fromOpaque(box).release()
        } else {
            pthread_detach(thread)
        }
        return status
    }

    static func sleep(milliseconds: UInt32) {
        usleep(milliseconds * 1000)
    }

    /// Only while the thread starts.
    private final class Box: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) {
            self.body = body
        }
    }
}

/// Two ends of a pipe, to hand one number from a thread to the one that waits for it.
struct NumberPipe: Sendable {
    private let readEnd: Int32
    private let writeEnd: Int32

    init?() {
        var ends: (Int32, Int32) = (0, 0)
        let status = unsafe withUnsafeMutableBytes(of: &ends) { memory in
            unsafe memory.bindMemory(to: Int32.self).baseAddress.map { unsafe pipe($0) } ?? -1
        }
        guard status == 0 else { return nil }
        (readEnd, writeEnd) = ends
    }

    func send(_ number: Int32) {
        var number = number
        _ = unsafe write(writeEnd, &number, MemoryLayout<Int32>.size)
    }

    func receive() -> Int32 {
        var number: Int32 = 0
        while unsafe read(readEnd, &number, MemoryLayout<Int32>.size) < 0, errno == EINTR {}
        return number
    }

    func close() {
        _ = Glibc.close(readEnd)
        _ = Glibc.close(writeEnd)
    }
}

package enum Descriptors {
    /// Raises the limit of open files as far as it goes, and returns it.
    static func raiseLimit() -> UInt64 {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return 1024
        }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 {
                limit = raised
            }
        }
        return UInt64(limit.rlim_cur)
    }

    /// Wakes whoever watches an eventfd(2).
    static func signal(_ descriptor: Int32) {
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
    }
}
