import Foundation

/// The strictest readers of the document: stuartnelson3/twemproxy_exporter and getupcloud's.
///
/// Every key of the top level that they do not know is a pool, every such key of a pool is a
/// server, and every key they know must be there, with a value of its type.
enum ExporterRules {
    static let textFields = ["service", "source", "version"]
    static let topFields = ["uptime", "timestamp", "total_connections", "curr_connections"]
    static let poolFields = [
        "client_eof", "client_err", "client_connections", "server_ejects", "forward_error",
        "fragments",
    ]
    static let serverFields = [
        "server_eof", "server_err", "server_timedout", "server_connections",
        "server_ejected_at", "requests", "request_bytes", "responses", "response_bytes",
        "in_queue", "in_queue_bytes", "out_queue", "out_queue_bytes",
    ]

    struct Refused: Error {
        let reason: String
    }

    /// The servers of each pool, sorted.
    static func read(_ text: [UInt8]) throws -> [String: [String]] {
        var top = try object(try JSONSerialization.jsonObject(with: Data(text)), "document")
        for field in textFields {
            guard top.removeValue(forKey: field) is String else {
                throw Refused(reason: "\(field) is no text")
            }
        }
        try removeNumbers(topFields, from: &top, of: "document")
        return try Dictionary(
            uniqueKeysWithValues: top.map { name, value in
                var pool = try object(value, name)
                try removeNumbers(poolFields, from: &pool, of: name)
                for (name, value) in pool {
                    var server = try object(value, name)
                    try removeNumbers(serverFields, from: &server, of: name)
                    guard server.isEmpty else {
                        throw Refused(reason: "\(name) has \(server.keys)")
                    }
                }
                return (name, pool.keys.sorted())
            })
    }

    private static func object(_ value: Any, _ name: String) throws -> [String: Any] {
        guard let object = value as? [String: Any] else {
            throw Refused(reason: "\(name) is no object")
        }
        return object
    }

    private static func removeNumbers(
        _ fields: [String], from object: inout [String: Any], of name: String
    ) throws {
        for field in fields {
            guard let number = object.removeValue(forKey: field) as? Int, number >= 0 else {
                throw Refused(reason: "\(name) has no whole number \(field)")
            }
        }
    }
}
