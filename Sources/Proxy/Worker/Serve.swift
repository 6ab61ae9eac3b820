import Config

/// Why the proxy cannot start.
package enum ServeError: Error, CustomStringConvertible {
    /// A listening address of the configuration cannot be used.
    case listen(pool: String, address: String, reason: String)
    /// The kernel refuses io_uring.
    case ring(errno: Int32, reason: String)
    case thread(reason: String)
    /// Each worker would have too little memory to serve anybody.
    case memory(workerCount: Int, memoryMax: Int)

    package var description: String {
        switch self {
        case .listen(let pool, let address, let reason):
            "pool '\(pool)' cannot listen on '\(address)': \(reason)"
        case .ring(let errno, _) where errno == SystemError.outOfMemory:
            "the kernel gives no memory for io_uring: raise the limit of locked memory "
                + "(ulimit -l), 256 KiB per worker are enough"
        case .ring(let errno, let reason):
            "the kernel refuses io_uring (errno \(errno), \(reason)): Linux 6.0 or later is "
                + "needed, kernel.io_uring_disabled must be 0, and a container's seccomp "
                + "profile must allow the io_uring system calls"
        case .thread(let reason): "no thread can be started: \(reason)"
        case .memory(let workerCount, let memoryMax):
            "--memory=\(memoryMax >> 20) is too little for \(workerCount) workers: each needs "
                + "\(WorkerLimits.memoryMin >> 20) MiB"
        }
    }
}

package struct ServeOptions: Sendable {
    /// Bytes of message memory that the proxy may use, all workers together.
    package var memoryMax = 1 << 30
    /// At least 1.
    package var workerCount = 1
    /// How long requests in flight may take to finish when the proxy ends.
    package var shutdownTimeout = Duration.seconds(10)
    /// What the log shows, 0 to 11.
    package var logLevel: UInt8 = 5

    package init() {}
}

/// A proxy that runs, to those who watch it.
package struct Serving: Sendable {
    /// Per worker.
    package let counters: [Shared<WorkerCounters>]
    package let events: EventPipe<LogEvent>
    fileprivate let process: Shared<ProcessState>

    /// Tells the workers what the log shows from now on.
    package func setLogLevel(_ level: UInt8) {
        process.value.logLevel.set(level)
    }
}

/// Opens the listeners and serves them, on a thread per worker.
///
/// This is the module's only entry. It names the concrete ring here, in the module that defines
/// `Worker`, because that is where the compiler can specialize it.
///
/// - Parameters:
///   - stop: A descriptor that becomes readable when the proxy is to end.
///   - ended: An eventfd(2) that is written to when it has ended.
package func serve(
    _ configuration: Configuration, options: ServeOptions, stop: Int32, ended: Int32
) throws(ServeError) -> Serving {
    guard options.memoryMax / options.workerCount >= WorkerLimits.memoryMin else {
        throw .memory(workerCount: options.workerCount, memoryMax: options.memoryMax)
    }
    let descriptorMax = Descriptors.raiseLimit()
    guard let started = NumberPipe(), let events = EventPipe<LogEvent>(),
        let questions = EventPipe<UInt32>()
    else {
        throw .thread(reason: "no descriptor is left")
    }
    defer { started.close() }
    let process = Shared(
        ProcessState(
            configuration, workerCount: options.workerCount, questions: questions,
            logLevel: options.logLevel, descriptorMax: descriptorMax))
    var limits = WorkerLimits(
        clientMax: UInt32(process.value.descriptors.clientMax),
        memoryMax: options.memoryMax, workerCount: options.workerCount)
    limits.drainNanoseconds = options.shutdownTimeout.nanoseconds
    let start = WorkerStart(
        configuration: configuration, listeners: try openListeners(configuration), limits: limits,
        process: process,
        board: Shared(CounterBoard(configuration, workerCount: options.workerCount)),
        running: Shared(AtomicCount()), events: events, started: started,
        stop: stop, ended: ended)
    start.running.value.add(options.workerCount)
    try startResolver(process)
    var counters: [Shared<WorkerCounters>] = []
    for index in 0..<options.workerCount {
        counters.append(start.board.value.workers[index])
        try start.startWorker(index)
    }
    return Serving(counters: counters, events: events, process: process)
}

/// Starts looking up the names of servers, and gives it a moment, so that the first requests find
/// addresses. A name that does not resolve keeps nothing else waiting.
private func startResolver(_ process: Shared<ProcessState>) throws(ServeError) {
    guard !process.value.addresses.isComplete else { return }
    let status = Thread.start { process.value.addresses.answerQuestions() }
    guard status == 0 else { throw .thread(reason: SystemError(errno: status).text) }
    for _ in 0..<100 where !process.value.addresses.isComplete { Thread.sleep(milliseconds: 10) }
}

/// What every worker is started with.
private struct WorkerStart: Sendable {
    let configuration: Configuration
    let listeners: [Socket]
    let limits: WorkerLimits
    let process: Shared<ProcessState>
    let board: Shared<CounterBoard>
    /// Workers that have not ended.
    let running: Shared<AtomicCount>
    let events: EventPipe<LogEvent>
    let started: NumberPipe
    let stop: Int32
    let ended: Int32

    /// Returns when the worker has its ring.
    func startWorker(_ index: Int) throws(ServeError) {
        let status = Thread.start { runWorker(index) }
        guard status == 0 else { throw .thread(reason: SystemError(errno: status).text) }
        let errno = started.receive()
        guard errno == 0 else {
            throw .ring(errno: errno, reason: SystemError(errno: errno).text)
        }
    }

    private func runWorker(_ index: Int) {
        do throws(UringRing.SetupError) {
            let ring = try UringRing.make(
                entries: 1024, bufferCounts: limits.providedMbufs,
                gathers: process.value.workers.count > 1)
            process.value.workers[index].didStart(ring: ring.descriptor)
            started.send(0)
            var worker = Worker(
                ring: ring, configuration: configuration, listeners: listeners, limits: limits,
                seed: UInt64.random(in: 0 ... .max), index: index, process: process,
                board: board, events: events)
            worker.ring.watch(Socket(descriptor: stop), token: Token(.wake))
            worker.run()
        } catch {
            started.send(error.errno)
        }
        if running.value.add(-1) == 0 { Descriptors.signal(ended) }
    }
}

private func openListeners(_ configuration: Configuration) throws(ServeError) -> [Socket] {
    var listeners: [Socket] = []
    for pool in configuration.pools {
        do {
            listeners.append(try openListener(pool))
        } catch {
            for listener in listeners { Sockets.close(listener) }
            throw .listen(pool: pool.name, address: pool.listen.text, reason: error.text)
        }
    }
    return listeners
}

private func openListener(_ pool: PoolConfiguration) throws(ListenError) -> Socket {
    switch pool.listen {
    case .unix(let path, let permissions):
        guard let address = SocketAddress(unixPath: path) else {
            throw ListenError(text: "the path is too long")
        }
        return try Sockets.listen(
            on: address, backlog: pool.backlog, unixPath: path, permissions: permissions)
    case .tcp(let host, let port):
        switch SocketAddress.resolve(host: host, port: port) {
        case .failure(let error):
            throw ListenError(text: "address resolution of '\(host)' failed: \(error.text)")
        case .success(let addresses):
            guard let address = addresses[0] else {
                throw ListenError(text: "'\(host)' has no address")
            }
            return try Sockets.listen(
                on: address, backlog: pool.backlog, unixPath: nil, permissions: nil)
        }
    }
}
