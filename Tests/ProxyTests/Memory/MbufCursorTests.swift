import Testing

@testable import Proxy

@Suite struct MbufCursorTests {
    /// The bytes that are cut, and the long end that makes them lie in several slices.
    private static let head = Array("0123456789abcdef".utf8)
    private static let tail = [UInt8](repeating: UInt8(ascii: "."), count: 4096)

    /// Every way to cut the head in two places, each part a slice.
    private func withEveryChain(_ body: (inout MbufPool, borrowing MbufChain, [Int]) -> Void) {
        var pool = MbufPool(capacity: 16)
        for first in 1..<Self.head.count {
            for second in first..<Self.head.count {
                var pieces = [Array(Self.head[..<first])]
                if second > first { pieces.append(Array(Self.head[first..<second])) }
                pieces.append(Self.head[second...] + Self.tail)
                var chain = pool.chain(of: pieces)
                body(&pool, chain, [first, second])
                pool.release(&chain)
            }
        }
        let used = [pool.usedCount, pool.nodes.usedCount]
        #expect(used == [0, 0])
    }

    @Test func readsByteByByteAcrossAnyCut() {
        withEveryChain { pool, chain, cuts in
            var cursor = pool.cursor(of: chain)
            #expect(cursor.slice.count == cuts[0])
            var read: [UInt8] = []
            while let byte = cursor.nextByte() { read.append(byte) }
            if read != Self.head + Self.tail { Issue.record("cuts \(cuts)") }
            #expect(cursor.nextByte() == nil)
        }
    }

    @Test func showsBytesInOnePieceAcrossAnyCut() {
        withEveryChain { pool, chain, cuts in
            for start in 0...Self.head.count {
                for count in [0, 1, 2, 5, Self.head.count - start] {
                    var cursor = pool.cursor(of: chain)
                    cursor.skip(start)
                    let shown = cursor.withBytes(count) { span in span.indices.map { span[$0] } }
                    let next = cursor.nextByte()
                    let expected = (Self.head + Self.tail)[start...]
                    if shown != Array(expected.prefix(count))
                        || next != expected.dropFirst(count).first
                    {
                        Issue.record("cuts \(cuts), \(count) bytes from \(start)")
                    }
                }
            }
        }
    }

    @Test func takesSliceBySliceFromAnywhere() {
        withEveryChain { pool, chain, cuts in
            for start in 0...Self.head.count {
                var cursor = pool.cursor(of: chain)
                cursor.skip(start)
                var taken: [UInt8] = []
                while let slice = cursor.nextSlice() {
                    pool.withBytes(of: slice) { span in
                        for index in span.indices { taken.append(span[index]) }
                    }
                }
                if taken != Self.head[start...] + Self.tail {
                    Issue.record("cuts \(cuts), from \(start)")
                }
            }
        }
    }

    @Test func copiesAndSharesAcrossAnyCut() {
        withEveryChain { pool, chain, cuts in
            var copy = MbufChain()
            var cursor = pool.cursor(of: chain)
            cursor.skip(3)
            pool.append(10, from: &cursor, to: &copy)
            pool.append(3 + Self.tail.count, from: &cursor, to: &copy)
            #expect(cursor.nextByte() == nil)
            let contents = pool.contents(of: copy)
            if contents != Self.head[3...] + Self.tail { Issue.record("cuts \(cuts)") }
            pool.release(&copy)
        }
    }

    @Test func skipsNoFurtherThanTheEnd() {
        withEveryChain { pool, chain, _ in
            var cursor = pool.cursor(of: chain)
            cursor.skip(Self.head.count + Self.tail.count + 100)
            #expect(cursor.nextByte() == nil)
        }
    }

    @Test func goesOverASliceOfAnMbuf() {
        var pool = MbufPool(capacity: 1)
        let slice = pool.receive(Self.head)
        var cursor = pool.cursor(of: slice.range(4, 8))
        var read: [UInt8] = []
        while let byte = cursor.nextByte() { read.append(byte) }
        #expect(read == Array("4567".utf8))
        pool.release(slice)
    }
}
