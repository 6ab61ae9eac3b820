import Admin
import CLinux
import Glibc

// What the program asks of Linux and libc, each thing as one function that takes and returns
// Swift values. This is the only file of the target that says `unsafe`.

let standardOutput: Int32 = STDOUT_FILENO
let standardError: Int32 = STDERR_FILENO

/// A call that failed, by its errno.
struct SystemError: Error, Equatable, CustomStringConvertible {
    let code: Int32

    /// The error of the call that was made last.
    static var last: SystemError { SystemError(code: errno) }

    static let inUse = SystemError(code: EWOULDBLOCK)

    var description: String {
        unsafe String(cString: strerror(code))
    }
}

// MARK: - Command line

/// An option as getopt_long(3) found it.
struct ScannedOption {
    /// The short form's letter, what `OwnOption` says where there is none, or `?` when the
    /// option is unknown or lacks its argument.
    let letter: UInt8
    /// As it was given, which need not be UTF-8. Empty for an option that takes none.
    let bytes: [UInt8]
    /// Which option was refused; 0 for an unknown long one.
    let refusedLetter: UInt8
    /// The word in which the option stood.
    let word: String

    var argument: String { String(decoding: bytes, as: UTF8.self) }
}

/// Reads the next option of the process's command line with glibc's getopt_long, as nutcracker
/// does: the same abbreviations, joined arguments, and options after other words. Nil once
/// everything is read.
///
/// getopt_long keeps its place in globals, so this is for one thread, and one pass.
func nextOption() -> ScannedOption? {
    let longOptions = unsafe [
        long("help", "h"),
        long("version", "V"),
        long("test-conf", "t"),
        long("daemonize", "d"),
        long("describe-stats", "D"),
        long("verbose", "v", takesArgument: true),
        long("output", "o", takesArgument: true),
        long("conf-file", "c", takesArgument: true),
        long("stats-port", "s", takesArgument: true),
        long("stats-addr", "a", takesArgument: true),
        long("stats-interval", "i", takesArgument: true),
        long("pid-file", "p", takesArgument: true),
        long("mbuf-size", "m", takesArgument: true),
        long("where", OwnOption.place, takesArgument: true),
        long("diff", OwnOption.difference),
        long("json", OwnOption.json),
        long("workers", OwnOption.workers, takesArgument: true),
        long("shutdown-timeout", OwnOption.shutdownTimeout, takesArgument: true),
        long("memory", OwnOption.memory, takesArgument: true),
        option(),
    ]
    getopt_be_silent()
    let found = unsafe getopt_long(
        CommandLine.argc, CommandLine.unsafeArgv, "hVtdDv:o:c:s:i:a:p:m:", longOptions, nil)
    guard found != -1 else { return nil }
    return ScannedOption(
        letter: UInt8(truncatingIfNeeded: found),
        bytes: unsafe getopt_argument().map { unsafe bytes(of: $0) } ?? [],
        refusedLetter: UInt8(truncatingIfNeeded: getopt_refused()),
        word: unsafe CommandLine.unsafeArgv[max(0, Int(getopt_position()) - 1)]
            .map { unsafe String(cString: $0) } ?? "")
}

/// The words that are not options, which getopt_long(3) has moved to the end.
///
/// - Precondition: `nextOption()` has returned nil.
func wordsAfterOptions() -> [String] {
    (getopt_position()..<CommandLine.argc).compactMap { index in
        unsafe CommandLine.unsafeArgv[Int(index)].map { unsafe String(cString: $0) }
    }
}

/// A C string without its NUL.
private func bytes(of string: UnsafePointer<CChar>) -> [UInt8] {
    unsafe UnsafeBufferPointer(start: string, count: strlen(string)).map(UInt8.init(bitPattern:))
}

private func long(
    _ name: StaticString, _ letter: OwnOption, takesArgument: Bool = false
) -> option {
    unsafe long(name, Unicode.Scalar(letter.rawValue), takesArgument: takesArgument)
}

private func long(
    _ name: StaticString, _ letter: Unicode.Scalar, takesArgument: Bool = false
) -> option {
    let start = unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    return unsafe option(
        name: start, has_arg: takesArgument ? required_argument : no_argument, flag: nil,
        val: Int32(letter.value))
}

// MARK: - Files

/// Opens a file to write at its end, and creates it where there is none.
func openForAppending(_ path: String) throws(SystemError) -> Int32 {
    let descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .last }
    return descriptor
}

/// Opens a file, creates it where there is none, and locks it for this process.
///
/// Throws `SystemError.inUse` when another process holds the lock.
func createLocked(_ path: String) throws(SystemError) -> Int32 {
    while true {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .last }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let error = SystemError.last
            close(descriptor)
            throw error
        }
        // Its last holder may have removed it between the two calls.
        if isFile(descriptor, at: path) { return descriptor }
        close(descriptor)
    }
}

private func isFile(_ descriptor: Int32, at path: String) -> Bool {
    var opened = stat()
    var named = stat()
    guard unsafe fstat(descriptor, &opened) == 0, unsafe stat(path, &named) == 0 else {
        return false
    }
    return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
}

/// Whether a file may be read by users who are neither its owner nor of its group.
func isReadableByOthers(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IROTH != 0
}

func replaceContents(of descriptor: Int32, with bytes: [UInt8]) {
    ftruncate(descriptor, 0)
    writeAll(bytes[...], to: descriptor)
}

func removeFile(_ path: String) {
    unsafe unlink(path)
}

func closeDescriptor(_ descriptor: Int32) {
    close(descriptor)
}

/// Puts another open file under a descriptor's number, at once for all threads.
func replace(_ descriptor: Int32, with other: Int32) {
    dup2(other, descriptor)
    close(other)
}

/// Writes with one call where the kernel takes everything at once. Errors are dropped: there
/// is nowhere left to report them.
func writeAll(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) {
    var rest = bytes
    while !rest.isEmpty {
        let written = unsafe rest.withUnsafeBytes { bytes in
            unsafe write(descriptor, bytes.baseAddress, bytes.count)
        }
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { return }
        rest = rest.dropFirst(written)
    }
}

/// Prints text as it is on stdout: the answers of the options that nutcracker does not have.
func printOutput(_ text: String) {
    writeAll(Array(text.utf8)[...], to: standardOutput)
}

/// Prints text as it is on stderr, where nutcracker prints everything.
func printError(_ text: String) {
    writeAll(Array(text.utf8)[...], to: standardError)
}

// MARK: - Process

/// Processors that this process may run on.
func coreCount() -> Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

func processID() -> Int32 { getpid() }

func terminate(status: Int32) -> Never { exit(status) }

/// Tells the service manager how far the process is: a line of sd_notify(3), such as `READY=1`.
///
/// Nothing happens without a manager that wants to know, and no error is reported: the manager
/// notices by itself that it heard nothing. The protocol is one datagram to the socket that
/// `NOTIFY_SOCKET` names; a leading `@` stands for the NUL of an abstract name.
func notifyServiceManager(_ state: String) {
    guard let variable = unsafe getenv("NOTIFY_SOCKET") else { return }
    var path = unsafe bytes(of: variable)
    guard let first = path.first else { return }
    if first == UInt8(ascii: "@") { path[0] = 0 }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard path.count < room else { return }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size - room + path.count)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let message = Array(state.utf8)
    _ = unsafe withUnsafePointer(to: &address) { address in
        unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            unsafe sendto(
                descriptor, message, message.count, Int32(MSG_NOSIGNAL), address, size)
        }
    }
}

/// The kernel's name, release and machine: `Linux 6.1.0-18-amd64 x86_64`.
func kernelDescription() -> String {
    var names = utsname()
    unsafe uname(&names)
    return [text(names.sysname), text(names.release), text(names.machine)]
        .joined(separator: " ")
}

/// A C array of characters, up to its NUL.
private func text<Characters>(_ characters: Characters) -> String {
    unsafe withUnsafeBytes(of: characters) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Local time as `2026-11-22 08:35:15.658`.
func localTimestamp() -> String {
    var now = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &now)
    var fields = unsafe tm()
    unsafe localtime_r(&now.tv_sec, &fields)
    let date = unsafe [fields.tm_year + 1900, fields.tm_mon + 1, fields.tm_mday]
    let time = unsafe [fields.tm_hour, fields.tm_min, fields.tm_sec]
    return date.map { padded($0, 2) }.joined(separator: "-") + " "
        + time.map { padded($0, 2) }.joined(separator: ":") + "."
        + padded(Int32(now.tv_nsec / 1_000_000), 3)
}

private func padded(_ number: Int32, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}

/// Leaves the terminal and the parent: twice forked with setsid(2) between, umask 0, the
/// standard descriptors on /dev/null, the working directory as it was. Returns in the daemon;
/// the process that called exits 0 at once.
func becomeDaemon() throws(SystemError) {
    try forkAndLeaveParent()
    guard setsid() >= 0 else { throw .last }
    // The session's leader is about to exit, which sends its children SIGHUP.
    signal(SIGHUP, SIG_IGN)
    try forkAndLeaveParent()
    umask(0)
    let null = unsafe open("/dev/null", O_RDWR)
    guard null >= 0 else { throw .last }
    for descriptor in STDIN_FILENO...STDERR_FILENO { dup2(null, descriptor) }
    if null > STDERR_FILENO { close(null) }
}

private func forkAndLeaveParent() throws(SystemError) {
    let child = fork()
    guard child >= 0 else { throw .last }
    if child > 0 { _exit(0) }
}

// MARK: - Signals

/// The signals of the process, taken one at a time from a queue instead of by handlers.
///
/// Made before the first thread, which inherits that they are blocked.
struct SignalQueue: ~Copyable {
    private let descriptor: Int32

    init(_ signals: [Int32]) throws(SystemError) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in signals {
            unsafe sigaddset(&set, number)
            // A parent, or nohup, may have left it ignored.
            signal(number, SIG_DFL)
        }
        unsafe sigprocmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
        descriptor = unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC))
        guard descriptor >= 0 else { throw .last }
    }

    /// Waits for the next signal, or for `event`: then nil. Serves the statistics port until then.
    func next(
        or event: Event, serving stats: inout StatsServer, writing events: EventLog
    ) -> Int32? {
        var waiting = [
            pollfd(fd: event.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: stats.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: events.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let timeout = stats.millisecondsToDeadline
            guard unsafe poll(&waiting, nfds_t(waiting.count), timeout) >= 0 else { continue }
            stats.serve()
            events.writeAll()
            if waiting[0].revents != 0 { return nil }
            guard waiting[1].revents != 0 else { continue }
            var information = signalfd_siginfo()
            let size = MemoryLayout<signalfd_siginfo>.size
            if unsafe read(descriptor, &information, size) == size {
                return Int32(information.ssi_signo)
            }
        }
    }

    deinit { close(descriptor) }
}

/// Something that happens once, and can be waited for with a descriptor (eventfd), by any
/// thread and in a ring. Lives as long as the process.
struct Event: Sendable {
    /// Readable once it has happened. Never read, so that everyone who waits sees it.
    let descriptor: Int32

    init() throws(SystemError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw .last }
    }

    func happen() {
        var one: UInt64 = 1
        unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
    }
}
