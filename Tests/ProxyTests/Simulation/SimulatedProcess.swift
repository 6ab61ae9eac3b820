import Config
import Synchronization

@testable import Proxy

/// The workers of one proxy, on one thread: the seed says whose turn it is.
struct SimulatedProcess: ~Copyable {
    let world: World
    let state: Shared<ProcessState>
    let board: Shared<CounterBoard>
    let events: EventPipe<LogEvent>
    let workers: FixedArray<Worker<SimulatedRing>>
    private var hasStarted: [Bool]
    var health: HealthWatch

    init(_ pool: PoolConfiguration, in world: World, seed: UInt64) {
        let configuration = Configuration(pools: [pool])
        let count = world.rings.count
        let makeState = {
            Shared(
                ProcessState(
                    configuration, workerCount: count, questions: Pipes.questions,
                    logLevel: LogEvent.Level.debug.rawValue))
        }
        let state = makeState()
        let isSeparate = world.scenario.sabotage == .separateHealth
        let board = Shared(CounterBoard(configuration, workerCount: count))
        let events = Pipes.takeEvents()
        workers = FixedArray(count: count) { index in
            Worker(
                ring: SimulatedRing(world: world, side: world.rings[index]),
                configuration: configuration, listeners: [SimulatedRing.listener],
                limits: world.scenario.limits, seed: seed &+ UInt64(index), index: index,
                process: index > 0 && isSeparate ? makeState() : state, board: board, events: events
            )
        }
        hasStarted = Array(repeating: false, count: count)
        health = HealthWatch(serverCount: pool.servers.count, in: world)
        self.world = world
        self.state = state
        self.board = board
        self.events = events
    }

    deinit {
        Pipes.giveBack(events)
    }

    /// From the start until nothing is in flight any more.
    mutating func run() {
        if workers.count > 1 {
            for ring in world.rings.dropFirst() { ring.runsFrom = world.chance.below(40) }
        } else {
            start(0)
        }
        if world.scenario.isStopped {
            turn { $0.rings.allSatisfy(\.hasEnded) }
            world.exit()
        } else {
            turn { $0.areClientsGone }
            world.shutDown()
        }
        turn { $0.isQuiet }
        if world.failures.isEmpty { checkNothingIsLeft() }
        if world.failures.isEmpty { checkCounters() }
    }

    private mutating func turn(until isOver: (World) -> Bool) {
        let last = world.turn + 20_000 * workers.count
        while world.failures.isEmpty, !isOver(world) {
            guard world.turn < last else { return world.fail("it never ends") }
            world.trace?("turn \(world.turn + 1) at \(world.clock)")
            guard let ring = world.wait() else { continue }
            if workers.count > 1 { world.trace?("  worker \(ring.index)") }
            turn(ring)
        }
    }

    private mutating func turn(_ ring: RingSide) {
        sabotage(ring.index)
        health.willTurn(workers[ring.index], state)
        if hasStarted[ring.index] {
            workers[ring.index].turn()
        } else {
            start(ring.index)
        }
        health.didTurn(workers[ring.index], state, events)
        if world.scenario.ejectsServers { checkProbes() }
        noteSwap()
        ring.deadline = workers[ring.index].deadline
        if !world.hasExited { checkEnd(of: ring) }
        if workers.count > 1, world.chance.percent(world.scenario.lags) {
            ring.runsFrom = world.turn + world.chance.below(world.scenario.lagMax)
        }
    }

    /// As `serve` does it.
    private mutating func start(_ index: Int) {
        hasStarted[index] = true
        state.value.workers[index].didStart(ring: world.rings[index].descriptor)
        workers[index].ring.watch(SimulatedRing.stop, token: Token(.wake))
        workers[index].start()
        world.rings[index].deadline = workers[index].deadline
    }

    /// A worker that is to end does so when its clients are gone, and at its deadline.
    private func checkEnd(of ring: RingSide) {
        let isDraining = workers[ring.index].drainDeadline < .max
        let isLate = workers[ring.index].clients.count > 0
        if isDraining, isLate { world.note(.drain) }
        let isHasty = isDraining && world.scenario.sabotage == .hastyEnd
        guard !workers[ring.index].isRunning || isHasty else {
            if workers[ring.index].now >= workers[ring.index].drainDeadline {
                world.fail("worker \(ring.index) goes on after its time")
            }
            return
        }
        if isLate {
            world.note(.lateEnd)
            if world.clock < workers[ring.index].drainDeadline {
                world.fail("worker \(ring.index) ended with clients, before its time")
            }
        }
        world.trace?("  worker \(ring.index) has ended")
        ring.hasRunOutOfTime = isLate
        ring.hasEnded = true
    }
}

extension SimulatedProcess {
    private func noteSwap() {
        for server in health.changed {
            for index in 0..<workers.count {
                let count = workers[index].counters.value.servers[server].outQueue.current
                if count > 0 { world.note(.swapInFlight) }
            }
        }
    }

    private func sabotage(_ index: Int) {
        switch world.scenario.sabotage {
        case .staleTopology:
            workers[index].healthVersion = state.value.healthVersion.load(ordering: .relaxed)
        case .lostCount where world.areClientsGone:
            state.value.workers[index].clients.add(1)
        default: break
        }
    }

    /// A server that is out is for one worker to probe, and no other server is for any.
    private func checkProbes() {
        guard world.clock < world.stopsAt else { return }
        for server in health.live.indices {
            var count = 0
            for worker in 0..<workers.count { count += workers[worker].probeCount(of: server) }
            if count != (health.live[server] ? 0 : 1) {
                world.fail("\(count) workers probe server \(server)")
            }
        }
    }
}

extension Worker<SimulatedRing> {
    /// How often it probes a server, or is going to.
    fileprivate func probeCount(of server: Int) -> Int {
        var count = probeTimes[server] == .max ? 0 : 1
        var next = connections.next(from: 0)
        while let connection = next {
            next = connections.next(from: connection.index + 1)
            let isOpen = connections[connection].phase.rawValue < closing.rawValue
            if connections[connection].isProbe, isOpen,
                Int(connections[connection].place) == server
            {
                count += 1
            }
        }
        return count
    }

    private var closing: ServerConnection.Phase { .closing }

    /// What `turn` waits for: the ring checks that this is so.
    fileprivate var deadline: UInt64 {
        min(
            min(nextExpiry, nextTrim, nextAccept, nextRelief),
            min(nextProbe, nextReopening, nextAuthentication, nextStall),
            min(drainDeadline, nextDrainTick))
    }
}

/// The pipes that workers write to.
private enum Pipes {
    /// Nobody reads it: a full pipe drops what is written to it.
    static let questions = makePipe(of: UInt32.self)
    /// Empty ones that nobody uses: they are never closed.
    private static let events = Mutex<[EventPipe<LogEvent>]>([])

    static func takeEvents() -> EventPipe<LogEvent> {
        events.withLock { $0.popLast() } ?? makePipe(of: LogEvent.self)
    }

    static func giveBack(_ pipe: EventPipe<LogEvent>) {
        while pipe.next() != nil {}
        events.withLock { $0.append(pipe) }
    }

    private static func makePipe<Record>(of _: Record.Type) -> EventPipe<Record> {
        guard let pipe = EventPipe<Record>() else { fatalError("no descriptor is left") }
        return pipe
    }
}
