import Config
import Foundation
import Testing

/// The golden vectors in Tests/ProxyTests/Vectors: what the code and the binary of twemproxy
/// 0.5.0 answered. Each file says in its `note` how it was made.
enum Vectors {
    struct HashFile: Decodable {
        let vectors: [[String: HexOrNumber]]
    }

    /// A vector's members are all numbers but for the key, which is text.
    enum HexOrNumber: Decodable {
        case hex(String)
        case number(UInt32)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(UInt32.self) {
                self = .number(number)
            } else {
                self = .hex(try container.decode(String.self))
            }
        }

        var number: UInt32? {
            if case .number(let number) = self { number } else { nil }
        }

        var bytes: [UInt8]? {
            if case .hex(let text) = self { Vectors.bytes(hex: text) } else { nil }
        }
    }

    struct DistributionFile: Decodable {
        let keysHex: [String]
        let cases: [Case]

        enum CodingKeys: String, CodingKey {
            case keysHex = "keys_hex"
            case cases
        }
    }

    struct Case: Decodable, CustomTestStringConvertible {
        let name: String
        let distribution: String
        let extra: [String: String]
        let ejected: [String]
        let sortedNames: [String]
        let weights: [Int32]
        let liveCount: Int
        let pointCount: Int
        let points: [Int]
        let continuum: [[UInt32]]?
        let continuumIsFull: Bool
        let chosen: [String: [Int]]

        enum CodingKeys: String, CodingKey {
            case name, distribution, extra, ejected, weights, points, continuum, chosen
            case sortedNames = "sorted_names"
            case liveCount = "nlive"
            case pointCount = "ncontinuum"
            case continuumIsFull = "continuum_is_full"
        }

        var testDescription: String { "\(name), \(distribution)" }
    }

    static func hashes() throws -> HashFile {
        try decode("hash-vectors")
    }

    static func distributions() throws -> DistributionFile {
        try decode("distribution-vectors")
    }

    static func bytes(hex: String) -> [UInt8] {
        let digits = hex.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }

    private static func decode<File: Decodable>(_ name: String) throws -> File {
        let url = Bundle.module.url(
            forResource: name, withExtension: "json", subdirectory: "Vectors")
        guard let url else { throw CocoaError(.fileNoSuchFile) }
        return try JSONDecoder().decode(File.self, from: Data(contentsOf: url))
    }
}
