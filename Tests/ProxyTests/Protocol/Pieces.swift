@testable import Proxy

/// Draws that are the same in every run: one seed, one test.
struct SeededRandom: RandomNumberGenerator {
    private var state: SplitMix64

    init(seed: UInt64) {
        state = SplitMix64(state: seed)
    }

    mutating func next() -> UInt64 { state.next() }
}

/// A message as it may arrive: in pieces, each in memory of its own, so that reading past the end
/// of one traps.
struct Pieces {
    let bytes: [UInt8]
    /// Where each piece but the first starts, rising.
    let cuts: [Int]

    init(_ bytes: [UInt8], cuts: [Int] = []) {
        self.bytes = bytes
        self.cuts = cuts
    }

    var pieces: [[UInt8]] {
        zip([0] + cuts, cuts + [bytes.count]).map { Array(bytes[$0..<$1]) }
    }

    /// Byte by byte.
    static func single(_ bytes: [UInt8]) -> Pieces {
        Pieces(bytes, cuts: bytes.isEmpty ? [] : Array(1..<bytes.count))
    }

    /// One cut at every place, every pair of cuts if the message is short, and byte by byte.
    static func every(of bytes: [UInt8], pairsUpTo pairMax: Int = 40) -> [Pieces] {
        var all = [Pieces(bytes), single(bytes)]
        guard bytes.count > 1 else { return all }
        for cut in 1..<bytes.count {
            all.append(Pieces(bytes, cuts: [cut]))
            guard bytes.count <= pairMax else { continue }
            for second in cut + 1..<max(bytes.count, cut + 1) {
                all.append(Pieces(bytes, cuts: [cut, second]))
            }
        }
        return all
    }

    static func random(of bytes: [UInt8], using random: inout SeededRandom) -> Pieces {
        guard bytes.count > 1 else { return Pieces(bytes) }
        var cuts: Set<Int> = []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            cuts.insert(Int.random(in: 1..<bytes.count, using: &random))
        }
        return Pieces(bytes, cuts: cuts.sorted())
    }
}

/// Bytes as tests write and read them: Latin-1, so that one character is one byte.
func bytes(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
}

func text(_ bytes: [UInt8]) -> String {
    String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) })).debugDescription
}
