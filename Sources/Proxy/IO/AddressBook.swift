import Config
import Glibc
import Synchronization

/// The addresses of all servers, looked up on a thread of their own, because a name server may
/// take seconds and no client is to wait that long for it.
///
/// Numeric addresses and unix sockets are known from the start. A name is looked up at the start,
/// and again before a connection to it is opened, if what is known is older than a second.
struct AddressBook: ~Copyable, Sendable {
    private let entries: FixedArray<AddressEntry>
    /// Places to look up; a full pipe drops them, and the next connection asks again.
    private let questions: EventPipe<UInt32>

    /// - Parameter addresses: Per server of all pools.
    init(_ addresses: [ServerAddress], questions: EventPipe<UInt32>) {
        self.questions = questions
        entries = FixedArray(count: addresses.count) { AddressEntry(addresses[$0]) }
    }

    /// Whether what is known of a server's place was true less than a second ago. Has it looked up
    /// if not.
    ///
    /// - Parameter now: Nanoseconds of CLOCK_MONOTONIC.
    func isFresh(_ place: Int, now: UInt64) -> Bool {
        guard !entries[place].isFresh(now: now) else { return true }
        if entries[place].wantsLookup(now: now) {
            questions.send(UInt32(truncatingIfNeeded: place))
        }
        return false
    }

    /// One of the addresses of a server; nil when there is none: its name does not resolve.
    ///
    /// - Parameter index: Any number: they are in a circle.
    func address(of place: Int, at index: Int) -> SocketAddress? {
        entries[place].known.withLock { $0[index] }
    }

    func addressCount(of place: Int) -> Int { entries[place].known.withLock { $0.count } }

    /// The address to try first: the one that worked last.
    func preferredIndex(of place: Int) -> Int { entries[place].known.withLock { $0.preferred } }

    /// From now on this address of a server is the first to be tried.
    func prefer(_ index: Int, of place: Int) {
        entries[place].known.withLock { $0.prefer(index) }
    }

    /// Looks up every name once, then what is asked for. Does not return.
    func answerQuestions() {
        for place in 0..<entries.count { entries[place].lookUp() }
        var readable = pollfd(fd: questions.readEnd, events: Int16(POLLIN), revents: 0)
        while true {
            while let place = questions.next() { entries[Int(place)].lookUp() }
            _ = unsafe poll(&readable, 1, -1)
        }
    }

    /// Whether every name was looked up at least once, with or without success.
    var isComplete: Bool {
        for place in 0..<entries.count where !entries[place].isAnswered { return false }
        return true
    }
}

/// One server of an address book. (Not private: swiftc 6.3.1 crashes on a private type that a
/// noncopyable one stores.)
struct AddressEntry: ~Copyable, Sendable {
    /// nil when there is nothing to look up.
    private let name: (host: String, port: UInt16)?
    let known: Mutex<SocketAddresses>
    private let answered: Atomic<Bool>
    private let askedAt = Atomic<UInt64>(0)
    /// When the lookup began that was answered last, in nanoseconds.
    private let lookedUpAt = Atomic<UInt64>(0)

    /// How old an answer may be, and how often a name is looked up.
    private static var ageMax: UInt64 { 1_000_000_000 }

    init(_ address: ServerAddress) {
        let found: SocketAddress?
        switch address {
        case .unix(let path):
            name = nil
            found = SocketAddress(unixPath: path)
            answered = Atomic(true)
        case .tcp(let host, let port):
            found = SocketAddress(numericHost: host, port: port)
            name = found == nil ? (host, port) : nil
            answered = Atomic(found != nil)
        }
        var known = SocketAddresses()
        if let found { known.append(found) }
        self.known = Mutex(known)
    }

    var isAnswered: Bool { answered.load(ordering: .acquiring) }

    func isFresh(now: UInt64) -> Bool {
        let answeredAt = lookedUpAt.load(ordering: .acquiring)
        return name == nil || answeredAt > now || now - answeredAt <= Self.ageMax
    }

    func wantsLookup(now: UInt64) -> Bool {
        guard now &- askedAt.load(ordering: .relaxed) > Self.ageMax else { return false }
        askedAt.store(now, ordering: .relaxed)
        return true
    }

    /// A name that no longer resolves keeps its last addresses: the name server may be what failed.
    func lookUp() {
        guard let name else { return }
        let startedAt = MonotonicClock.now
        if case .success(let found) = SocketAddress.resolve(host: name.host, port: name.port) {
            known.withLock { $0.replace(with: found) }
        }
        lookedUpAt.store(startedAt, ordering: .releasing)
        answered.store(true, ordering: .releasing)
    }
}

/// The first addresses of a name, in a circle.
struct SocketAddresses: BitwiseCopyable {
    static var countMax: Int { 8 }

    private var addresses = InlineArray<8, SocketAddress?>(repeating: nil)
    private(set) var count = 0
    /// The one to try first.
    private(set) var preferred = 0

    /// Drops those beyond `countMax`.
    mutating func append(_ address: SocketAddress) {
        guard count < Self.countMax else { return }
        addresses[count] = address
        count += 1
    }

    subscript(index: Int) -> SocketAddress? { count == 0 ? nil : addresses[index % count] }

    mutating func prefer(_ index: Int) {
        if count > 0 { preferred = index % count }
    }

    /// The preferred address stays so if it is still there: name servers give them in any order.
    mutating func replace(with found: SocketAddresses) {
        let old = self[preferred]
        self = found
        for index in 0..<count where self[index] == old { preferred = index }
    }
}
