import Testing

@testable import Proxy

/// That the clients of a memcache pool notice what is wrong. Else no run of theirs would mean much.
@Suite struct MemcacheSymptomTests {
    private static func scenario(_ lie: MemcacheLie?) -> Scenario {
        var scenario = Scenario()
        scenario.protocolKind = .memcache
        scenario.requestCount = 20...40
        scenario.lie = lie
        return scenario
    }

    /// With servers that answer what memcached never would, though nothing has failed.
    @Test(arguments: MemcacheLie.allCases) func liesAreNoticed(lie: MemcacheLie) {
        let seeds = 76_000_000..<76_000_040 as Range<UInt64>
        #expect(seeds.contains { !Simulation.run(seed: $0, Self.scenario(lie)).failures.isEmpty })
    }

    /// The same runs, in which nothing else is wrong.
    @Test func honestServersAreBelieved() {
        Simulation.run(20, of: Self.scenario(nil), from: 76)
    }

    // MARK: One key

    private static func moment(
        _ seconds: ClosedRange<Int>, isSettled: Bool = true, mayBeLost: Bool = false
    ) -> MemcacheKeyState.Moment {
        MemcacheKeyState.Moment(
            seconds: seconds, isSettled: isSettled, mayBeLost: { _ in mayBeLost })
    }

    private static func store(
        _ text: String, _ mode: MemcacheAction.Mode = .set, lifetime: Int = 0,
        version: UInt64? = nil
    ) -> MemcacheAction {
        .store(
            MemcacheAction.Store(
                mode: mode, data: text.utf8Bytes, flags: "0", lifetime: lifetime,
                version: version))
    }

    private static func found(_ text: String, version: UInt64? = nil) -> MemcacheSighting {
        var sighting = MemcacheSighting(.done)
        sighting.data = text.utf8Bytes
        sighting.version = version
        return sighting
    }

    private static let read = MemcacheAction.read(lifetime: nil)
    private static let done = MemcacheSighting(.done)
    private static let missing = MemcacheSighting(.missing)

    @Test func versionsAreOfOneWrite() {
        var state = MemcacheKeyState()
        let now = Self.moment(5...5)
        state.take(Self.store("a"), Self.done, at: now)
        state.take(Self.read, Self.found("a", version: 7), at: now)
        #expect(!state.allows(Self.read, Self.found("a", version: 8), at: now))
        #expect(!state.allows(Self.store("b", version: 6), Self.done, at: now))
        state.take(Self.store("b", version: 7), Self.done, at: now)
        #expect(!state.allows(Self.store("c", version: 7), Self.done, at: now))
        #expect(!state.allows(Self.read, Self.found("b", version: 7), at: now))
        state.take(Self.store("c", version: 7), MemcacheSighting(.exists), at: now)
        state.take(Self.read, Self.found("b", version: 9), at: now)
    }

    @Test func itemsEndInTime() {
        var state = MemcacheKeyState()
        let store = Self.store("a", lifetime: 10)
        state.take(store, Self.done, at: Self.moment(100...102))
        #expect(!state.allows(Self.read, Self.missing, at: Self.moment(108...109)))
        #expect(!state.allows(Self.read, Self.found("a"), at: Self.moment(112...112)))
        state.take(Self.read, Self.found("a"), at: Self.moment(110...110))
        var other = state
        other.take(Self.read, Self.missing, at: Self.moment(111...111))
        #expect(!other.allows(Self.read, Self.found("a"), at: Self.moment(111...111)))
        // It was there in second 110, and so was stored in 101 or later.
        #expect(!state.allows(Self.read, Self.missing, at: Self.moment(110...110)))
    }

    /// An append that failed may be done until its connection is gone, but once.
    @Test func failedRequestsAreDoneOnceOrNever() {
        var state = MemcacheKeyState()
        let now = Self.moment(5...5)
        let open = Self.moment(5...5, isSettled: false)
        state.take(Self.store("a"), Self.done, at: now)
        state.noteFailure(of: Self.store("b", .append), madeAt: 5)
        #expect(!state.allows(Self.read, Self.found("abb"), at: open))
        state.take(Self.read, Self.found("a"), at: open)
        var other = state
        other.take(Self.read, Self.found("ab"), at: open)
        #expect(!other.allows(Self.read, Self.found("a"), at: open))
        // It may be done between the reply and the end of the connection.
        state.take(Self.read, Self.found("a"), at: now)
        other = state
        other.take(Self.read, Self.found("ab"), at: now)
        state.take(Self.read, Self.found("a"), at: now)
        #expect(!state.allows(Self.read, Self.found("ac"), at: now))
    }

    @Test func unansweredRequestsAreDoneUnlessTheServerFails() {
        var state = MemcacheKeyState()
        state.take(Self.store("1"), Self.done, at: Self.moment(5...5))
        let count = MemcacheAction.count(MemcacheAction.Count(delta: 5))
        state.noteUnanswered(count, madeAt: 5, since: 3)
        #expect(!state.allows(Self.read, Self.found("1"), at: Self.moment(5...5)))
        var other = state
        other.take(Self.read, Self.found("6"), at: Self.moment(5...5))
        state.take(Self.read, Self.found("1"), at: Self.moment(5...5, mayBeLost: true))
    }

    // MARK: Keys of all

    @Test func oneVersionIsReplacedOnce() {
        let races = MemcacheRaces()
        let key = "r".utf8Bytes
        for text in ["a", "b", "c"] { races.offer(text.utf8Bytes, at: key) }
        #expect(races.observe(Self.read, Self.found("a", version: 4), at: key, after: 0))
        #expect(!races.observe(Self.read, Self.found("b", version: 4), at: key, after: 0))
        #expect(!races.observe(Self.read, Self.found("x", version: 5), at: key, after: 0))
        #expect(!races.observe(Self.read, Self.found("a", version: 4), at: key, after: 5))
        #expect(races.observe(Self.store("b", version: 4), Self.done, at: key, after: 4))
        #expect(!races.observe(Self.store("c", version: 4), Self.done, at: key, after: 4))
        #expect(races.observe(Self.read, Self.found("b", version: 6), at: key, after: 4))
        races.offer("d".utf8Bytes, at: key)
        #expect(!races.observe(Self.store("d", version: 5), Self.done, at: key, after: 5))
    }

    // MARK: Words

    /// As memcached 1.6.18 says it.
    @Test func flagsComeBackAsTheyWereAskedFor() {
        let command = MetaCommand(
            key: "n".utf8Bytes, action: Self.read, isBase64: true, isQuiet: true,
            flags: ["q", "t", "k", "v", "O7", "b", "c"], madeAt: 5)
        func isTaken(_ flags: [String], _ data: String?, code: String = "VA") -> Bool {
            let reply = MemcacheReply.meta(code: code, flags: flags, data: data?.utf8Bytes)
            return command.sighting(in: reply) != nil
        }
        #expect(command.bytes == "mg bg== q t k v O7 b c\r\n".utf8Bytes)
        #expect(isTaken(["t-1", "kbg==", "b", "O7", "c18446744073709551615"], "1"))
        #expect(isTaken(["t-1", "kn", "O7", "c3"], "1"))
        #expect(!isTaken(["t-1", "kbg==", "O7", "c3"], "1"))
        #expect(!isTaken(["t-1", "km", "O7", "c3"], "1"))
        #expect(!isTaken(["t-1", "kn", "O8", "c3"], "1"))
        #expect(!isTaken(["t-1", "kn", "c3", "O7"], "1"))
        #expect(!isTaken(["t-1", "kn", "O7", "c3", "s1"], "1"))
        #expect(!isTaken(["t-1", "kn", "O7"], "1"))
        #expect(!isTaken(["t-1", "kn", "O7", "c3"], nil, code: "HD"))
        #expect(!isTaken(["kbg==", "b", "O7"], nil, code: "EN"))
    }

    @Test func base64IsThatOfTheStandard() {
        for (text, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            #expect(base64(of: text.utf8Bytes) == code)
            #expect(text.isEmpty || bytes(ofBase64: code.utf8Bytes) == text.utf8Bytes)
        }
        #expect(base64(of: [0xFF, 0xEF, 0x3E]) == "/+8+")
        #expect(bytes(ofBase64: "Zg=".utf8Bytes) == nil)
        #expect(bytes(ofBase64: "Z.==".utf8Bytes) == nil)
    }
}

extension MemcacheKeyState {
    fileprivate func allows(
        _ action: MemcacheAction, _ sighting: MemcacheSighting, at moment: Moment
    ) -> Bool {
        var next = self
        return next.observe(action, sighting, at: moment)
    }

    fileprivate mutating func take(
        _ action: MemcacheAction, _ sighting: MemcacheSighting, at moment: Moment,
        location: SourceLocation = #_sourceLocation
    ) {
        let isAllowed = observe(action, sighting, at: moment)
        #expect(isAllowed, sourceLocation: location)
    }
}
