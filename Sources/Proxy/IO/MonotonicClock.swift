import Glibc

/// The clock of rings: it never goes back, and is the same for all threads.
enum MonotonicClock {
    /// Nanoseconds.
    static var now: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
