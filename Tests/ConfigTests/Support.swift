import Testing

@testable import Config

/// A file with one pool, `p`: `listen` on line 2, then `extra` (indented lines), then `servers`.
func pool(
    name: String = "p", listen: String = "127.0.0.1:25001", _ extra: String...,
    servers: [String] = ["127.0.0.1:25011:1 a"]
) -> String {
    var text = "\(name):\n  listen: \(listen)\n"
    for line in extra { text += "  \(line)\n" }
    text += "  servers:\n"
    for server in servers { text += "   - \(server)\n" }
    return text
}

func parse(_ text: String) throws(ConfigurationError) -> Configuration {
    try Configuration.parse(Array(text.utf8), file: "conf/a.yml")
}

/// The one pool of a file.
func parsePool(_ text: String) throws -> PoolConfiguration {
    let pools = try parse(text).pools
    return try #require(pools.count == 1 ? pools.first : nil)
}

/// Why `text` is refused; nil when it is not.
func refusal(of text: String) -> ConfigurationError? {
    refusal(of: Array(text.utf8))
}

func refusal(of bytes: [UInt8]) -> ConfigurationError? {
    do {
        _ = try Configuration.parse(bytes, file: "conf/a.yml")
        return nil
    } catch {
        return error
    }
}

/// The pseudorandom numbers of one seed: SplitMix64.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
