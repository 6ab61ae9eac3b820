import Config
import Proxy

/// Prints, for `--where`, which server every pool has for every key. Returns the exit status.
func printPlaces(_ options: Options) -> Int32 {
    let path = options.configurationPath
    guard let configuration = loadOrExplain(path, for: options.program) else { return 1 }
    let places = options.keys.map { key in
        (key: key, places: configuration.pools.map { Place(of: key, in: $0) })
    }
    if options.printsJSON {
        let keys = places.map { key, places in
            JSON.object([
                ("key", .string(String(decoding: key, as: UTF8.self))),
                ("key_hex", .string(hexadecimal(key))),
                ("pools", .array(places.map(\.json))),
            ])
        }
        let answer = JSON.object([("configuration", .string(path)), ("keys", .array(keys))])
        printOutput(answer.text + "\n")
    } else {
        for (key, places) in places {
            printOutput("key \(printable(String(decoding: key, as: UTF8.self)))\n")
            printOutput(places.map(\.text).joined())
        }
    }
    return 0
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// Where one pool sends a key as long as all its servers are live.
struct Place {
    let pool: PoolConfiguration
    let hash: UInt32
    /// The part of the key that alone is hashed; nil where the whole key is.
    let tag: [UInt8]?
    /// Nil where chance decides.
    let server: ServerConfiguration?

    init(of key: [UInt8], in pool: PoolConfiguration) {
        let topology = Topology(pool: pool) { _ in true }
        self.pool = pool
        hash = topology.hash(of: key.span)
        tag = pool.hashTag?.range(in: key.span).map { Array(key[$0]) }
        let isChance = pool.distribution == .random && pool.servers.count > 1
        server = isChance ? nil : pool.servers[topology.server(forHash: hash)]
    }

    /// An indented block of lines.
    var text: String {
        var lines = ["  pool    \(printable(pool.name))"]
        lines.append("  hash    \(hash) \(hexadecimal(hash)) (\(pool.hash.rawValue))")
        if let tag {
            lines.append("  tag     \(printable(String(decoding: tag, as: UTF8.self)))")
        }
        if let server {
            lines.append("  server  \(printable(server.name)) \(printable(server.address.text))")
        } else {
            lines.append("  server  any of \(pool.servers.count), at random")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    var json: JSON {
        .object([
            ("pool", .string(pool.name)),
            ("distribution", .string(pool.distribution.rawValue)),
            ("hash_function", .string(pool.hash.rawValue)),
            ("hash", .number(UInt64(hash))),
            ("hash_hex", .string(hexadecimal(hash))),
            ("tag", tag.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null),
            ("server", server?.json ?? .null),
        ])
    }
}
