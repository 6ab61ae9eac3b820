import Config
import Glibc
import Synchronization

/// The addresses of all servers, looked up on a thread of their own, because a name server may
/// take seconds and no client is to wait for it.
///
/// Numeric addresses and unix sockets are known from the start. A name is looked up at the start,
/// and again whenever a connection to it is opened, for the next one.
struct AddressBook: ~Copyable, Sendable {
    private let entries: FixedArray<AddressEntry>
    /// Places to look up; a full pipe drops them, and the next connection asks again.
    private let questions: EventPipe<UInt32>

    /// - Parameter addresses: Per server of all pools.
    init(_ addresses: [ServerAddress], questions: EventPipe<UInt32>) {
        self.questions = questions
        entries = FixedArray(count: addresses.count) { AddressEntry(addresses[$0]) }
    }

    /// Where a server is, as far as is known; nil when its name does not resolve. Has it looked up
    /// anew, unless that was less than a second ago.
    func address(of place: Int, now: UInt64) -> SocketAddress? {
        if entries[place].wantsLookup(now: now) {
            questions.send(UInt32(truncatingIfNeeded: place))
        }
        return entries[place].current
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
    private let known: Mutex<SocketAddress?>
    private let answered: Atomic<Bool>
    private let askedAt = Atomic<UInt64>(0)

    init(_ address: ServerAddress) {
        switch address {
        case .unix(let path):
            name = nil
            known = Mutex(SocketAddress(unixPath: path))
            answered = Atomic(true)
        case .tcp(let host, let port):
            let numeric = SocketAddress(numericHost: host, port: port)
            name = numeric == nil ? (host, port) : nil
            answered = Atomic(numeric != nil)
            known = Mutex(numeric)
        }
    }

    var current: SocketAddress? { known.withLock { $0 } }

    var isAnswered: Bool { answered.load(ordering: .acquiring) }

    func wantsLookup(now: UInt64) -> Bool {
        guard name != nil, now &- askedAt.load(ordering: .relaxed) > 1_000_000_000 else {
            return false
        }
        askedAt.store(now, ordering: .relaxed)
        return true
    }

    /// A name that no longer resolves keeps its last address: the name server may be what failed.
    func lookUp() {
        guard let name else { return }
        if case .success(let found) = SocketAddress.resolve(host: name.host, port: name.port) {
            known.withLock { $0 = found }
        }
        answered.store(true, ordering: .releasing)
    }
}
