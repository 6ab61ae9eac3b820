import Config

/// The inner parts of a request's life, each in a loop of its own, for `bench/micro`.
///
/// The loops stand in this module because a call across a module border costs several times
/// what the parts take. Each returns a checksum of its results, so that none is optimized away.
package enum MicroBenchmarks {
    /// After so many iterations a loop starts again with the same inputs, so that a checksum of
    /// twice as many is twice the checksum.
    package static let period = 1024
}

extension MicroBenchmarks {
    /// Adds up the last bytes of the keys: what the other loops cost by themselves.
    package static func walk(iterations: Int) -> UInt64 {
        sum(iterations) { key in UInt64(key[key.count &- 1]) }
    }

    /// Finds the end and the key of one request per iteration.
    ///
    /// - Parameter requests: Whole ones, one behind the other; their number divides a period.
    package static func parse(requests: Span<UInt8>, iterations: Int) -> UInt64 {
        var parser = RESPRequestParser()
        var position = 0
        var sum: UInt64 = 0
        var iteration = 0
        while iteration < iterations {
            if position == requests.count { position = 0 }
            guard case .request = parser.parse(requests, from: &position) else { return 0 }
            sum &+= UInt64(position) &+ UInt64(parser.first.length)
            iteration &+= 1
        }
        return sum
    }

    /// Finds the end of one reply per iteration.
    ///
    /// - Parameter replies: As above.
    package static func parse(replies: Span<UInt8>, iterations: Int) -> UInt64 {
        var parser = RESPReplyParser()
        var position = 0
        var sum: UInt64 = 0
        var iteration = 0
        while iteration < iterations {
            if position == replies.count { position = 0 }
            guard case .reply = parser.parse(replies, from: &position) else { return 0 }
            sum &+= UInt64(position) &+ UInt64(parser.kind)
            iteration &+= 1
        }
        return sum
    }

    /// Looks one command up per iteration.
    package static func find(command name: Span<UInt8>, iterations: Int) -> UInt64 {
        let table = CommandTable()
        var sum: UInt64 = 0
        var iteration = 0
        while iteration < iterations {
            // Every other time without its last letter, so that the result is not a constant.
            sum &+= UInt64(table.find(name.extracting(first: name.count &- (iteration & 1))).id)
            iteration &+= 1
        }
        return sum
    }

    /// Hashes one key per iteration.
    package static func hash(with function: HashFunction, iterations: Int) -> UInt64 {
        let hasher = KeyHasher(function)
        return sum(iterations) { key in UInt64(hasher.hash(key)) }
    }

    /// Finds the server of one key per iteration: the hash, and the place on the continuum.
    ///
    /// - Parameter topology: Not a random one, which has no period.
    package static func route(with topology: borrowing Topology, iterations: Int) -> UInt64 {
        var random = SplitMix64(state: 1)
        return sum(iterations) { key in
            UInt64(topology.server(for: key, random: &random)) &+ 1
        }
    }

    /// The sum of what `body` makes of the keys, one per iteration.
    private static func sum(_ iterations: Int, of body: (Span<UInt8>) -> UInt64) -> UInt64 {
        let keys = keys()
        let bytes = keys.span
        var sum: UInt64 = 0
        var iteration = 0
        while iteration < iterations {
            let start = (iteration & (period &- 1)) &* keySize
            sum &+= body(bytes.extracting(start..<start &+ keySize))
            iteration &+= 1
        }
        return sum
    }

    private static let keySize = 16

    /// `key:000000000000`, `key:000000000001`, …: a period of keys, one behind the other. They
    /// fit the first-level cache. No `Array`, so that this module's object code counts no
    /// references.
    private static func keys() -> [16_384 of UInt8] {
        assert(period * keySize == 16_384)
        return [16_384 of UInt8] { index in
            let (number, place) = index.quotientAndRemainder(dividingBy: keySize)
            switch place {
            case 0: return UInt8(ascii: "k")
            case 1: return UInt8(ascii: "e")
            case 2: return UInt8(ascii: "y")
            case 3: return UInt8(ascii: ":")
            default:
                var digit = number
                for _ in place..<keySize - 1 { digit /= 10 }
                return UInt8(ascii: "0") + UInt8(digit % 10)
            }
        }
    }
}
