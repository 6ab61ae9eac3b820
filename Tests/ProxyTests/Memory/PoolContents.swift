@testable import Proxy

// What tests need to see of a pool's memory.

extension MbufPool {
    func contents(of slice: MbufSlice) -> [UInt8] {
        withBytes(of: slice) { span in span.withUnsafeBufferPointer { Array($0) } }
    }

    /// All bytes of a chain, which stays as it is.
    func contents(of chain: borrowing MbufChain) -> [UInt8] {
        guard !chain.isEmpty else { return [] }
        var cursor = cursor(of: chain)
        return cursor.withBytes(chain.byteCount) { span in
            span.withUnsafeBufferPointer { Array($0) }
        }
    }

    func fill(_ slice: MbufSlice, with bytes: [UInt8]) {
        precondition(bytes.count <= slice.count)
        memory(of: slice).update(from: bytes, count: bytes.count)
    }

    /// An mbuf as the kernel leaves it: filled from its start.
    mutating func receive(_ bytes: [UInt8]) -> MbufSlice {
        let slice = MbufSlice(mbuf: take(), offset: 0, count: bytes.count)
        fill(slice, with: bytes)
        return slice
    }

    /// A chain of one part per piece. The last piece must be long: only long chains are moved as
    /// they are behind others.
    mutating func chain(of pieces: [[UInt8]]) -> MbufChain {
        var chain = MbufChain()
        for piece in pieces.reversed() {
            var first = MbufChain()
            append(piece.span, to: &first)
            append(moving: &chain, to: &first)
            chain = first.take()
            release(&first)
        }
        return chain
    }

    mutating func partCount(of chain: inout MbufChain) -> Int {
        var count = 0
        while let slice = takeFirst(from: &chain) {
            count += 1
            release(slice)
        }
        return count
    }
}

extension SeededRandom {
    mutating func bytes(_ count: Int) -> [UInt8] {
        let start = UInt8.random(in: 0...255, using: &self)
        let step = UInt8.random(in: 1...255, using: &self) | 1
        return (0..<count).map { start &+ UInt8(truncatingIfNeeded: $0) &* step }
    }
}
