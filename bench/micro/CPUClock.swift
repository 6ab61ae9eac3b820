import Glibc

/// The CPU time this process has used, in nanoseconds. Other programs on the same cores do not
/// count in it, as they would in time on the wall.
func cpuNanoseconds() -> UInt64 {
    var time = timespec()
    let result = unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    precondition(result == 0)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
