import Config

/// One thread's share of the proxy: a ring, the connections it serves, and their memory.
///
/// The worker owns everything it touches. It is a noncopyable value on its thread's stack: no
/// reference counts, no locks, and no run-time exclusivity checks.
///
/// Read `turn()` first, then `handle(_:)`: all control flow starts there. The other steps stand in
/// a file each, in the order of a request's life: Receive, Parse, Route, Forward, Reply, Send; the
/// life of connections in Clients and Servers.
///
/// All its methods are mutating, also those that change nothing: to call another from a mutating
/// one, swiftc copies all of the worker.
struct Worker<IO: Ring & ~Copyable>: ~Copyable {
    var ring: IO
    let limits: WorkerLimits
    /// Its number in the process, from 0. The first accepts for all.
    let index: Int
    let process: Shared<ProcessState>
    let counters: Shared<WorkerCounters>
    let board: Shared<CounterBoard>
    let events: EventPipe<LogEvent>
    let pools: FixedArray<Pool>
    let commands = CommandTable()

    var clients: Slab<ClientConnection>
    var connections: Slab<ServerConnection>
    var requests: Slab<Request>
    var gatherings: Slab<Gathering>
    var mbufs: MbufPool

    /// Connections that something happened to in this turn.
    var dirtyClients: HandleStack<ClientConnection>
    var dirtyConnections: HandleStack<ServerConnection>

    let argumentPlace = Cell<ArgumentReader.Place?>(nil)
    let noted: NotedCommands
    /// For a request that is being split or put together: per server of its pool, its part.
    let parts: FixedArray<Part>

    /// The process' health version that the topologies are of.
    var healthVersion = 0
    /// Per server of all pools, when to probe it, if it is for this worker to do; else `.max`.
    let probeTimes: FixedArray<UInt64>
    let logLimits: LogLimits

    /// Per server of all pools.
    let reopenings: FixedArray<Reopening>

    /// Nanoseconds, read once per turn.
    var now: UInt64 = 0 {
        didSet { milliseconds = UInt32(truncatingIfNeeded: now / 1_000_000) }
    }
    /// The same in whole milliseconds; wraps after 49 days.
    private(set) var milliseconds: UInt32 = 0
    var startedAt: UInt64 = 0
    /// When the oldest request may be too old; some time before that is harmless.
    var nextExpiry = UInt64.max
    var nextTrim = UInt64.max
    /// When the next ejected server is to be probed.
    var nextProbe = UInt64.max
    var nextReopening = UInt64.max
    /// When the time of a client to authenticate may be over.
    var nextAuthentication = UInt64.max
    /// When to end even if clients are left; `.max` while the proxy is not to end.
    var drainDeadline = UInt64.max
    var drainStartedAt: UInt64 = 0
    /// When to look again which clients are quiet, while the proxy ends.
    var nextDrainTick = UInt64.max
    /// Whether clients may still come.
    var isAccepting = true
    /// When to accept again after the system had no descriptor left.
    var nextAccept = UInt64.max
    var nextRelief = UInt64.max
    /// Whether memory is short, and when that is looked at again.
    var shortage = Shortage()

    /// Clients that wait for a server connection, each with the number of its handle.
    var held: HandleList<ClientConnection>
    /// Clients that must go on reading, each with the time, in nanoseconds, when it last did.
    var slow: HandleList<ClientConnection>
    /// When to look for clients and server connections that do not move.
    var nextStall = UInt64.max
    /// Whether there is no room for the request being taken among those in flight.
    var lacksRoom = false
    /// The connection that the request just taken has filled; `none` if it has filled none.
    var filled = Handle<ServerConnection>.none
    /// Server connections set apart.
    var setApartCount = 0
    var isRunning = true

    init(
        ring: consuming IO, configuration: Configuration, listeners: [Socket],
        limits: WorkerLimits, seed: UInt64, index: Int = 0, process: Shared<ProcessState>,
        board: Shared<CounterBoard>, events: EventPipe<LogEvent>
    ) {
        precondition(listeners.count == configuration.pools.count)
        self.ring = ring
        self.limits = limits
        self.index = index
        self.process = process
        counters = board.value.workers[index]
        self.board = board
        self.events = events
        var firstServer = 0
        pools = FixedArray(count: listeners.count) { index in
            defer { firstServer += configuration.pools[index].servers.count }
            return Pool(
                configuration: configuration.pools[index], listener: listeners[index],
                firstServer: firstServer, seed: seed &+ UInt64(index), laneMax: limits.laneMax)
        }
        probeTimes = FixedArray(count: firstServer) { _ in .max }
        reopenings = FixedArray(count: firstServer) { _ in Reopening() }
        logLimits = LogLimits(serverCount: firstServer, poolCount: listeners.count)
        let connectionMax = configuration.connectionMax(
            laneMax: limits.laneMax, descriptorMax: process.value.descriptors.total)
        clients = Slab(capacity: limits.clientMax)
        // Twice as many as are in use at once, because old ones linger until the kernel is done.
        connections = Slab(capacity: connectionMax * 2 + 64)
        requests = Slab(capacity: limits.requestMax)
        gatherings = Slab(capacity: limits.requestMax)
        mbufs = MbufPool(capacity: limits.mbufReserve)
        dirtyClients = HandleStack(capacity: Int(limits.clientMax))
        dirtyConnections = HandleStack(capacity: Int(connectionMax) * 2 + 64)
        held = HandleList(capacity: Int(limits.clientMax))
        slow = HandleList(capacity: Int(limits.clientMax))
        let serverMax = configuration.pools.map(\.servers.count).max() ?? 1
        parts = FixedArray(count: serverMax) { _ in Part() }
        noted = NotedCommands(commands)
    }

    deinit {
        argumentPlace.free()
    }
}

extension Configuration {
    /// Server connections of all pools together.
    fileprivate func connectionMax(laneMax: Int, descriptorMax: Int) -> UInt32 {
        let wanted = pools.reduce(0) {
            $0 + $1.servers.count * min(Int($1.serverConnections), laneMax)
        }
        return UInt32(min(wanted, descriptorMax))
    }
}

// MARK: - Turns

extension Worker where IO: ~Copyable {
    mutating func run() {
        start()
        while isRunning { turn() }
        reportNoMbufs()
    }

    mutating func start() {
        now = ring.now
        startedAt = now
        provideMbufs()
        if index == 0 {
            counters.value.totalConnections.add(pools.count)
            counters.value.currConnections.add(pools.count)
            for pool in 0..<pools.count { startAccept(pool: pool) }
        }
        for pool in 0..<pools.count where pools[pool].configuration.preconnect {
            for server in 0..<pools[pool].servers.count { preconnect(to: server, in: pool) }
        }
        settle()
    }

    /// One turn of the event loop: submit everything, wait once, take everything, act on it. With
    /// several workers, which have some of the clients each, it takes what came meanwhile too.
    mutating func turn() {
        let deadline = min(
            min(nextExpiry, nextTrim, nextAccept, nextRelief),
            min(nextProbe, nextReopening, nextAuthentication, nextStall),
            min(drainDeadline, nextDrainTick))
        ring.submitAndWait(until: deadline)
        adoptHealth()
        repeat {
            now = ring.now
            while let completion = ring.nextCompletion() { handle(completion) }
        } while ring.gather()
        if now >= nextExpiry { expireRequests() }
        if now >= nextProbe { probeServers() }
        if now >= nextReopening { reopenConnections() }
        if now >= nextStall { checkStalls() }
        if now >= nextDrainTick { tickDrain() }
        if now >= nextAuthentication { expireAuthentications() }
        adoptHealth()
        settle()
        if drainDeadline != .max { finishDrain() }
        if now >= nextAccept { resumeAccept() }
        limitMemory()
        provideMbufs()
        trimMemory()
    }

    private mutating func handle(_ completion: Completion) {
        let token = completion.token
        switch token.purpose {
        case .ignored, .acceptReady: break
        case .wake: beginDrain()
        case .handover:
            didAccept(Socket(descriptor: completion.result), pool: Int(token.index))
        case .handed: didHand(completion)
        case .accept: didAccept(completion, pool: Int(token.index))
        case .clientReceive:
            didReceive(completion, from: token.handle(of: ClientConnection.self))
        case .clientSend:
            didSend(completion, to: token.handle(of: ClientConnection.self))
        case .clientClose:
            didClose(token.handle(of: ClientConnection.self))
        case .serverConnect:
            didConnect(completion, token.handle(of: ServerConnection.self))
        case .serverReceive:
            didReceive(completion, from: token.handle(of: ServerConnection.self))
        case .serverSend:
            didSend(completion, to: token.handle(of: ServerConnection.self))
        case .serverClose:
            didClose(token.handle(of: ServerConnection.self))
        }
    }

    /// Puts a client into the list of those to look after at the end of the turn.
    mutating func touch(_ client: Handle<ClientConnection>) {
        guard !clients[client].isDirty else { return }
        clients[client].isDirty = true
        dirtyClients.push(client)
    }

    mutating func touch(_ connection: Handle<ServerConnection>) {
        guard !connections[connection].isDirty else { return }
        connections[connection].isDirty = true
        dirtyConnections.push(connection)
    }

    /// Does what the connections want that something happened to. Clients come first, as what they
    /// held back may go to servers.
    mutating func settle() {
        while true {
            if let client = dirtyClients.pop() {
                clients[client].isDirty = false
                resume(client)
                act(for: client)
            } else if let connection = dirtyConnections.pop() {
                connections[connection].isDirty = false
                act(for: connection)
            } else {
                return
            }
        }
    }
}
