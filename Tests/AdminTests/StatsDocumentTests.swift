import Config
import Foundation
import Testing

@testable import Admin
@testable import Proxy

@Suite struct StatsDocumentTests {
    /// Layout, order, names and the sums over workers at once.
    @Test func equalsThatOfNutcrackerToTheByte() throws {
        let document = StatsDocument(
            of: Captured.configuration, workers: Captured.workers(), source: "host")
        let text = document.bytes(uptime: 1, timestamp: 1_795_350_878)
        let expected = try Captured.document()
        #expect(String(decoding: text, as: UTF8.self) == String(decoding: expected, as: UTF8.self))
    }

    /// Every number has a value of its own, so that no two can be mixed up.
    @Test func everyCounterHasItsField() throws {
        let configuration = makeConfiguration([("p", ["s"]), ("pool", ["t", "server"])])
        let counters = Shared(WorkerCounters(configuration))
        for index in 0..<2 { setAll(counters.value.pools[index], from: 100 * (index + 1)) }
        for index in 0..<3 { setAll(counters.value.servers[index], from: 1000 * (index + 1)) }
        let document = try parsed(configuration, [counters])
        for (index, (pool, servers)) in [("p", ["s"]), ("pool", ["t", "server"])].enumerated() {
            let fields = try #require(document[pool] as? [String: Any])
            for (offset, name) in ExporterRules.poolFields.enumerated() {
                #expect(fields[name] as? Int == 100 * (index + 1) + offset, "\(pool) \(name)")
            }
            for (place, server) in servers.enumerated() {
                let fields = try #require(fields[server] as? [String: Any])
                for (offset, name) in ExporterRules.serverFields.enumerated() {
                    let expected = 1000 * (index + place + 1) + offset
                    #expect(fields[name] as? Int == expected, "\(pool) \(server) \(name)")
                }
            }
        }
    }

    @Test func gaugesAreNeverNegative() throws {
        let configuration = makeConfiguration([("p", ["s"])])
        let counters = Shared(WorkerCounters(configuration))
        counters.value.currConnections.set(-1)
        counters.value.pools[0].clientConnections.set(-2)
        counters.value.servers[0].serverConnections.set(-3)
        counters.value.servers[0].inQueue.set(-4)
        counters.value.servers[0].inQueueBytes.set(-5)
        counters.value.servers[0].outQueue.set(-6)
        counters.value.servers[0].outQueueBytes.set(.min)
        let document = StatsDocument(of: configuration, workers: [counters], source: "host")
        let text = String(decoding: document.bytes(uptime: 0, timestamp: 0), as: UTF8.self)
        #expect(!text.contains(":-"))
    }

    @Test func sixtyFourBitNumbersAreShownWhole() throws {
        let configuration = makeConfiguration([("p", ["s"])])
        let counters = Shared(WorkerCounters(configuration))
        counters.value.servers[0].responseBytes.set(.max)
        let text = StatsDocument(of: configuration, workers: [counters], source: "host")
            .bytes(uptime: 0, timestamp: 0)
        #expect(
            String(decoding: text, as: UTF8.self)
                .contains("\"response_bytes\":9223372036854775807,"))
    }

    /// Names come back as they were, whatever is in them. JSON's own names would be overwritten
    /// by equal ones, which random names of this length are not.
    @Test(arguments: 0..<50)
    func namesAreEscaped(seed: UInt64) throws {
        var chance = SplitMix(state: seed)
        let names = (0..<4).map { number in
            "\(number)" + String(decoding: chance.bytes(), as: UTF8.self)
        }
        let configuration = makeConfiguration([(names[0], [names[1], names[2]])])
        let document = try parsed(
            configuration, [Shared(WorkerCounters(configuration))], source: names[3])
        #expect(document["source"] as? String == names[3])
        let pool = try #require(document[names[0]] as? [String: Any])
        #expect(pool[names[1]] is [String: Any])
        #expect(pool[names[2]] is [String: Any])
    }

    @Test(arguments: [
        ("plain", #""plain""#), (#"a"b\c"#, #""a\"b\\c""#),
        ("\n\t\u{1}\u{1f}", #""\u000a\u0009\u0001\u001f""#),
        ("\u{7f}é€😀/", "\"\u{7f}é€😀/\""), ("", "\"\""),
    ])
    func textIsEscaped(text: String, expected: String) {
        var written = StatsText()
        written.appendQuoted(text)
        #expect(String(decoding: written.bytes, as: UTF8.self) == expected)
    }

    @Test func strictExportersAcceptIt() throws {
        let document = StatsDocument(
            of: Captured.configuration, workers: Captured.workers(), source: "host")
        let text = document.bytes(uptime: 1, timestamp: 1_795_350_878)
        let read = try ExporterRules.read(text)
        #expect(
            read == [
                "be": ["127.0.0.1", "127.0.0.1:25784"], "alpha": ["127.0.0.1:25783", "cache2"],
            ])
        #expect(text.last == UInt8(ascii: "\n"))
        #expect(!text.dropLast().contains(UInt8(ascii: "\n")))
    }

    /// The rules find what they are there to find.
    @Test(arguments: [
        ("\"fragments\":0, ", ""), ("\"uptime\":1", "\"uptime\":1, \"workers\":1"),
        ("\"in_queue\":1", "\"in_queue\":\"1\""), ("\"fragments\":0", "\"fragments\":0, \"x\":0"),
        ("\"requests\":5", "\"requests\":5.5"), ("\"out_queue\":3", "\"out_queue\":3, \"x\":3"),
    ])
    func strictExportersRefuse(part: String, replacement: String) throws {
        let text = String(decoding: try Captured.document(), as: UTF8.self)
        try #require(text.contains(part))
        let changed = text.replacingOccurrences(of: part, with: replacement)
        #expect(throws: ExporterRules.Refused.self) { try ExporterRules.read(Array(changed.utf8)) }
    }

    private func parsed(
        _ configuration: Configuration, _ workers: [Shared<WorkerCounters>],
        source: String = "host"
    ) throws -> [String: Any] {
        let document = StatsDocument(of: configuration, workers: workers, source: source)
        let data = Data(document.bytes(uptime: 0, timestamp: 0))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func setAll(_ counters: borrowing PoolCounters, from number: Int) {
        counters.clientEOF.set(number)
        counters.clientErr.set(number + 1)
        counters.clientConnections.set(number + 2)
        counters.serverEjects.set(number + 3)
        counters.forwardError.set(number + 4)
        counters.fragments.set(number + 5)
    }

    private func setAll(_ counters: borrowing ServerCounters, from number: Int) {
        counters.serverEOF.set(number)
        counters.serverErr.set(number + 1)
        counters.serverTimedout.set(number + 2)
        counters.serverConnections.set(number + 3)
        counters.serverEjectedAt.set(number + 4)
        counters.requests.set(number + 5)
        counters.requestBytes.set(number + 6)
        counters.responses.set(number + 7)
        counters.responseBytes.set(number + 8)
        counters.inQueue.set(number + 9)
        counters.inQueueBytes.set(number + 10)
        counters.outQueue.set(number + 11)
        counters.outQueueBytes.set(number + 12)
    }
}

/// Random bytes that are hard on a writer of JSON: controls, quotes, cut and whole UTF-8.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func bytes() -> [UInt8] {
        (0..<12 + next() % 20).flatMap { _ -> [UInt8] in
            switch next() % 4 {
            case 0: [UInt8(next() % 0x20)]
            case 1:
                [
                    [UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), 0x7F][
                        Int(next() % 4)]
                ]
            case 2: [UInt8(truncatingIfNeeded: next())]
            default: Array("é€😀\u{2028}".utf8)
            }
        }
    }
}
