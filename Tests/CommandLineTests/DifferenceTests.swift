import Foundation
import Testing

/// `--diff`: what another configuration does to the keys.
@Suite struct DifferenceTests {
    private static let hashCount: UInt64 = 1 << 32

    private static func servers(_ count: Int, weight: Int = 1) -> [String] {
        (1...count).map { "10.0.0.\($0):6379:\(weight)" }
    }

    /// - Parameter settings: Lines of the pool, `key: value`.
    private func compare(
        _ old: [String], _ new: [String], oldSettings: [String] = [], newSettings: [String] = []
    ) throws -> DifferenceAnswer.Pool {
        let folder = try TemporaryFolder()
        let oldPath = try folder.file("old.yml", pool("alpha", old, oldSettings))
        let newPath = try folder.file("new.yml", pool("alpha", new, newSettings))
        let outcome = try Invocation.run("--diff", oldPath, newPath, "--json")
        #expect(outcome.errors == "")
        #expect(outcome.status == 0)
        let answer = try DifferenceAnswer(outcome.output)
        #expect(answer.old == oldPath)
        #expect(answer.new == newPath)
        try #require(answer.pools.count == 1)
        #expect(answer.pools[0].pool == "alpha")
        return answer.pools[0]
    }

    private func pool(_ name: String, _ servers: [String], _ settings: [String]) -> String {
        """
        \(name):
          listen: 127.0.0.1:25604
          redis: true
        \(settings.map { "  \($0)\n" }.joined())  servers:
        \(servers.map { "   - \($0)\n" }.joined())
        """
    }

    @Test(arguments: ["ketama", "modula"])
    func nothingMovesBetweenEqualFiles(distribution: String) throws {
        let settings = ["distribution: \(distribution)"]
        let pool = try compare(
            Self.servers(5), Self.servers(5), oldSettings: settings, newSettings: settings)
        let movement = try #require(pool.movements?.first)
        #expect(movement.method == "exact")
        #expect(movement.total == Self.hashCount)
        #expect(movement.moved == 0)
        #expect(movement.moves.isEmpty)
        #expect(pool.settings?.isEmpty == true)
        #expect(pool.servers?.isEmpty == true)
    }

    /// Ketama's promise: the new server takes its share from the others, and nothing else moves.
    @Test(arguments: [1, 2, 4, 9])
    func newKetamaServerTakesItsShare(count: Int) throws {
        let pool = try compare(Self.servers(count), Self.servers(count + 1))
        let movement = try #require(pool.movements?.first)
        let name = "10.0.0.\(count + 1):6379"
        let ideal = 1 / Double(count + 1)
        #expect(movement.method == "exact")
        #expect(movement.total == Self.hashCount)
        #expect(movement.moves.map(\.to.name) == Array(repeating: name, count: count))
        #expect(Set(movement.moves.map(\.from.name)).count == count)
        #expect(abs(movement.moved_share - ideal) < ideal / 4)
        #expect(movement.moves.reduce(0) { $0 + $1.count } == movement.moved)
        #expect(pool.servers?.map(\.new?.name) == [name])
        #expect(pool.servers?.map(\.old) == [nil])
    }

    /// The share is that of keys: 2,000 of them, placed with `--where`, agree.
    @Test(arguments: ["ketama", "modula"])
    func shareIsThatOfKeys(distribution: String) throws {
        let settings = ["distribution: \(distribution)", "hash: murmur"]
        let (old, new) = (Self.servers(4), Self.servers(3) + ["10.0.0.4:6379:3"])
        let movement = try compare(old, new, oldSettings: settings, newSettings: settings)
            .movements?.first
        let folder = try TemporaryFolder()
        let places = try [old, new].map { servers in
            let path = try folder.file("alpha.yml", pool("alpha", servers, settings))
            let outcome = try Invocation.run(
                Invocation.cashew,
                ["--json", "-c", path] + (0..<2000).map { "--where=some:key:\($0 * 7919)" })
            return try PlaceAnswer(outcome.output).keys.map { $0.pools[0].server?.name }
        }
        let moved = zip(places[0], places[1]).count { $0 != $1 }
        let share = try #require(movement?.moved_share)
        // Four standard deviations.
        #expect(abs(Double(moved) / 2000 - share) < 0.045)
    }

    /// With 20 remainders, those below 4 are the same by four and by five. 2^32 is 16 more than
    /// a multiple of 20.
    @Test func modulaIsCountedByRemainders() throws {
        let settings = ["distribution: modula"]
        let pool = try compare(
            Self.servers(4), Self.servers(5), oldSettings: settings, newSettings: settings)
        let movement = try #require(pool.movements?.first)
        #expect(movement.method == "exact")
        #expect(movement.moved == Self.hashCount - 4 * (Self.hashCount / 20 + 1))
        #expect(movement.moves.count == 16)
    }

    /// Weights 1 and 1 against 3 and 1: of four remainders, 0 stays, 1 moves to the first, 2
    /// stays, and 3 stays.
    @Test func weightMovesAShare() throws {
        let settings = ["distribution: modula"]
        let pool = try compare(
            ["a:1:1", "b:1:1"], ["a:1:3", "b:1:1"], oldSettings: settings, newSettings: settings)
        let movement = try #require(pool.movements?.first)
        #expect(movement.moved == Self.hashCount / 4)
        #expect(movement.moves.map(\.from.name) == ["b:1"])
        #expect(movement.moves.map(\.to.name) == ["a:1"])
        #expect(pool.servers?.map(\.old?.weight) == [1])
        #expect(pool.servers?.map(\.new?.weight) == [3])
    }

    @Test func ketamaWeightMovesMostlyToTheHeavier() throws {
        let pool = try compare(["a:1:1", "b:1:1"], ["a:1:3", "b:1:1"])
        let movement = try #require(pool.movements?.first)
        let toHeavier = movement.moves.filter { $0.to.name == "a:1" }.reduce(0) { $0 + $1.share }
        #expect(abs(toHeavier - 0.25) < 0.06)
        #expect(movement.moved_share - toHeavier < 0.06)
    }

    /// Between four servers by ketama and the same by modula, a quarter stays by chance.
    @Test(arguments: [("ketama", "modula"), ("modula", "ketama")])
    func otherDistributionIsCounted(old: String, new: String) throws {
        let pool = try compare(
            Self.servers(4), Self.servers(4), oldSettings: ["distribution: \(old)"],
            newSettings: ["distribution: \(new)"])
        let movement = try #require(pool.movements?.first)
        #expect(movement.method == "exact")
        #expect(movement.total == Self.hashCount)
        #expect(abs(movement.moved_share - 0.75) < 0.001)
        #expect(movement.moves.count == 12)
        #expect(pool.settings?.map(\.setting) == ["distribution"])
    }

    @Test func otherHashIsSampled() throws {
        let pool = try compare(
            Self.servers(4), Self.servers(4), oldSettings: ["hash: fnv1a_64"],
            newSettings: ["hash: murmur"])
        let movement = try #require(pool.movements?.first)
        #expect(movement.method == "sampled")
        #expect(movement.unit == "keys")
        #expect(movement.total == 100_000)
        #expect(abs(movement.moved_share - 0.75) < 0.02)
        #expect(pool.settings?.map(\.setting) == ["hash"])
        #expect(pool.settings?.map(\.old) == ["fnv1a_64"])
        #expect(pool.settings?.map(\.new) == ["murmur"])
    }

    @Test func otherHashTagMeansNothingToKeysWithout() throws {
        let pool = try compare(
            Self.servers(4), Self.servers(4), newSettings: ["hash_tag: \"{}\""])
        let movements = try #require(pool.movements)
        #expect(movements.map(\.keys.kind) == ["untagged", "tagged"])
        #expect(movements.map(\.method) == ["exact", "sampled"])
        #expect(movements[0].moved == 0)
        #expect(abs(movements[1].moved_share - 0.75) < 0.02)
        #expect(movements[1].keys.tag == "{}")
    }

    /// libmemcached's crc32 has fifteen bits, and by ketama they all fall before the first few
    /// points.
    @Test func onlyHashesThatOccurAreCounted() throws {
        let settings = ["hash: crc32", "distribution: modula"]
        let pool = try compare(
            Self.servers(2), Self.servers(4), oldSettings: settings, newSettings: settings)
        let movement = try #require(pool.movements?.first)
        #expect(movement.total == 1 << 15)
        #expect(movement.moved == 1 << 14)
    }

    @Test func serverWithANewAddressTakesItsKeysAlong() throws {
        let pool = try compare(
            ["a:1:1 one", "b:1:1 two", "c:1:1 three"], ["a:1:1 one", "b:1:1 two", "d:1:1 three"])
        let movement = try #require(pool.movements?.first)
        #expect(movement.moved == 0)
        #expect(abs(movement.followed_share - 1 / 3) < 0.1)
        #expect(movement.moves.map(\.follows) == [true])
        #expect(pool.servers?.map(\.new?.address) == ["d:1"])
    }

    /// What counts is where the data is.
    @Test func renamedModulaServersKeepTheirKeys() throws {
        let settings = ["distribution: modula"]
        let pool = try compare(
            ["a:1:1 k1", "b:1:1 k2"], ["a:1:1 n1", "b:1:1 n2"], oldSettings: settings,
            newSettings: settings)
        #expect(pool.movements?.first?.moved == 0)
        #expect(pool.servers?.map(\.old?.name) == ["k1", "k2"])
        #expect(pool.servers?.map(\.new?.name) == ["n1", "n2"])
    }

    @Test(arguments: [(["distribution: random"], []), ([], ["distribution: random"])])
    func chanceHasNoPlaces(old: [String], new: [String]) throws {
        let pool = try compare(
            Self.servers(2), Self.servers(3), oldSettings: old, newSettings: new)
        #expect(pool.applicable == false)
        #expect(pool.movements?.isEmpty == true)
    }

    /// Steps would be 35 million.
    @Test func tooManyRemaindersAreSampled() throws {
        let settings = ["distribution: modula"]
        let all = (0...4200).map { "10.0.\($0 / 256).\($0 % 256):6379:1" }
        let pool = try compare(
            all.dropLast(), all, oldSettings: settings, newSettings: settings)
        let movement = try #require(pool.movements?.first)
        #expect(movement.method == "sampled")
        #expect(movement.moved_share > 0.99)
    }

    @Test func textNamesPoolsAndMoves() throws {
        let folder = try TemporaryFolder()
        let settings = ["distribution: modula", "hash: md5"]
        let old = try folder.file(
            "old.yml",
            pool("alpha", ["a:1:1", "b:1:1"], settings)
                + pool("beta", ["a:1:1"], [])
                .replacing("25604", with: "25605"))
        let new = try folder.file(
            "new.yml",
            pool("alpha", ["a:1:3", "b:1:1"], settings)
                + pool("gamma", ["a:1:1"], [])
                .replacing("25604", with: "25605"))
        let outcome = try Invocation.run("--diff", old, new)
        let expected = """
            pool beta: only in \(old)

            pool alpha
              changed a:1: weight 1 -> 3
              all keys: 25.00 % move (exact, of 4294967296 hashes)
                 25.00 %  b:1 -> a:1

            pool gamma: only in \(new)

            """
        #expect(outcome == Outcome(output: expected, errors: "", status: 0))
        let json = try Invocation.run("--json", "--diff", old, new)
        #expect(
            try DifferenceAnswer(json.output).pools.map { "\($0.pool) \($0.in)" } == [
                "beta old", "alpha both", "gamma new",
            ])
    }

    @Test(arguments: [true, false])
    func unusableFileIsExplained(isOld: Bool) throws {
        let folder = try TemporaryFolder()
        let good = try folder.file("good.yml", pool("alpha", Self.servers(1), []))
        let bad = try folder.file("bad.yml", "alpha: [")
        let outcome = try Invocation.run("--diff", isOld ? bad : good, isOld ? good : bad)
        #expect(outcome.output == "")
        #expect(outcome.errors.hasPrefix("cashew: \(bad):1:"))
        #expect(outcome.status == 1)
    }
}

/// What `--diff --json` prints.
struct DifferenceAnswer: Decodable {
    let old: String
    let new: String
    let pools: [Pool]

    struct Pool: Decodable {
        let pool: String
        let `in`: String
        let settings: [Setting]?
        let servers: [Server]?
        let applicable: Bool?
        let movements: [Movement]?
    }

    struct Setting: Decodable {
        let setting: String
        let old: String
        let new: String
    }

    struct Server: Decodable {
        let old: ServerAnswer?
        let new: ServerAnswer?
    }

    struct Movement: Decodable {
        let keys: Keys
        let method: String
        let unit: String
        let total: UInt64
        let moved: UInt64
        let moved_share: Double
        let followed: UInt64
        let followed_share: Double
        let moves: [Move]
    }

    struct Keys: Decodable {
        let kind: String
        let tag: String?
    }

    struct Move: Decodable {
        let from: ServerAnswer
        let to: ServerAnswer
        let follows: Bool
        let count: UInt64
        let share: Double
    }

    init(_ text: String) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(text.utf8))
    }
}
