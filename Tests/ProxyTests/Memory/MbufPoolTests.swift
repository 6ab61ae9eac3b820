import Testing

@testable import Proxy

@Suite struct MbufPoolTests {
    @Test(arguments: [
        (1, 128), (127, 128), (128, 128), (129, 256), (256, 256), (257, 512), (512, 512),
        (513, 1024), (1025, 2048), (2049, 4096), (4096, 4096), (4097, 8192), (8192, 8192),
        (8193, 16_384), (16_384, 16_384),
    ])
    func blocksAreTheNextPowerOfTwo(_ count: Int, _ size: Int) {
        var pool = MbufPool(capacity: 2)
        let block = pool.takeBlock(of: count)
        #expect(block.count == size)
        let isBlock = pool.isBlock(block)
        #expect(isBlock == (size < Mbuf.size))
        pool.release(block)
        let used = pool.usedCount
        #expect(used == 0)
    }

    /// One mbuf holds as many blocks as fit, each in a place of its own.
    @Test(arguments: [128, 256, 512, 1024, 2048, 4096, 8192])
    func anMbufIsCutIntoAllItsBlocks(_ size: Int) {
        var pool = MbufPool(capacity: 2)
        let count = Mbuf.size / size
        for _ in 0..<3 {
            var blocks: [MbufSlice] = []
            for _ in 0..<count { blocks.append(pool.takeBlock(of: size)) }
            var used = pool.usedCount
            #expect(used == 1)
            let offsets = blocks.map { Int($0.offset) }.sorted()
            #expect(offsets == Array(stride(from: 0, to: Mbuf.size, by: size)))
            #expect(Set(blocks.map(\.mbuf)).count == 1)
            // The next needs another mbuf, and a free block is taken before an untouched mbuf.
            let other = pool.takeBlock(of: size)
            #expect(other.mbuf != blocks[0].mbuf)
            pool.release(other)
            pool.release(blocks[count / 2])
            blocks[count / 2] = pool.takeBlock(of: size)
            #expect(blocks[count / 2].mbuf == blocks[0].mbuf || count == 1)
            for block in blocks { pool.release(block) }
            used = pool.usedCount
            #expect(used == 0)
        }
    }

    /// Any part of a block stands for it when it is given back.
    @Test func aPartOfABlockGivesItBack() {
        var pool = MbufPool(capacity: 1)
        let blocks = (0..<4).map { _ in pool.takeBlock(of: 4096) }
        for block in blocks { pool.release(block.dropFirst(4095)) }
        let again = (0..<4).map { _ in pool.takeBlock(of: 4096) }
        #expect(Set(again) == Set(blocks))
        for block in again { pool.release(block.prefix(0)) }
        let used = pool.usedCount
        #expect(used == 0)
    }

    @Test func anMbufLivesUntilItsLastReference() {
        var pool = MbufPool(capacity: 2)
        let slice = pool.receive([1, 2, 3])
        pool.retain(slice.mbuf)
        pool.retain(slice.mbuf)
        pool.release(slice.mbuf)
        pool.release(slice.dropFirst(1))
        var used = pool.usedCount
        #expect(used == 1)
        let other = pool.take()
        #expect(other != slice.mbuf)
        let contents = pool.contents(of: slice)
        #expect(contents == [1, 2, 3])
        pool.release(other)
        pool.release(slice)
        used = pool.usedCount
        #expect(used == 0)
    }

    @Test func theLastGivenBackIsTheNextTaken() {
        var pool = MbufPool(capacity: 4)
        let mbufs = (0..<4).map { _ in pool.take() }
        for mbuf in mbufs { pool.release(mbuf) }
        let again = (0..<4).map { _ in pool.take() }
        #expect(again == mbufs.reversed())
        for mbuf in again { pool.release(mbuf) }
    }

    // MARK: - Trimming

    /// Memory that went back to the system reads as zeros.
    @Test func trimGivesBackWhatWasIdleSinceTheLast() {
        var pool = MbufPool(capacity: 10)
        let mbufs = (0..<10).map { _ in pool.receive([7]).mbuf }
        for mbuf in mbufs { pool.release(mbuf) }
        // The first call only starts to watch: until now all of them were needed.
        var hasMore = pool.trim(reserve: 3, limit: 100)
        #expect(hasMore)
        var trimmed = pool.trimmedCount
        #expect(trimmed == 0)
        hasMore = pool.trim(reserve: 3, limit: 5)
        #expect(hasMore)
        trimmed = pool.trimmedCount
        #expect(trimmed == 5)
        hasMore = pool.trim(reserve: 3, limit: 5)
        #expect(!hasMore)
        trimmed = pool.trimmedCount
        #expect(trimmed == 7)
        var first: [UInt8] = []
        for mbuf in mbufs {
            first += pool.contents(of: MbufSlice(mbuf: mbuf, offset: 0, count: 1))
        }
        #expect(first == [0, 0, 0, 0, 0, 0, 0, 7, 7, 7])
        // What is taken again is no longer trimmed.
        let again = (0..<5).map { _ in pool.take() }
        trimmed = pool.trimmedCount
        #expect(trimmed == 5)
        for mbuf in again { pool.release(mbuf) }
        trimmed = pool.trimmedCount
        #expect(trimmed == 5)
    }

    @Test func trimKeepsWhatWasNeededMeanwhile() {
        var pool = MbufPool(capacity: 10)
        var mbufs = (0..<10).map { _ in pool.take() }
        for mbuf in mbufs { pool.release(mbuf) }
        _ = pool.trim(reserve: 0, limit: 100)
        mbufs = (0..<6).map { _ in pool.take() }
        for mbuf in mbufs { pool.release(mbuf) }
        // Six of ten were needed, if not at once with this call.
        var hasMore = pool.trim(reserve: 0, limit: 100)
        let trimmed = pool.trimmedCount
        #expect(trimmed == 4)
        #expect(hasMore)
        hasMore = pool.trim(reserve: 0, limit: 100)
        #expect(!hasMore)
    }

    // MARK: - Against a model

    /// Blocks and mbufs of every size, filled with bytes of their own: none is given out twice,
    /// none is lost.
    @Test(arguments: [21, 22, 23] as [UInt64])
    func givesOutNothingTwice(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var pool = MbufPool(capacity: 400)
        var live: [(slice: MbufSlice, bytes: [UInt8], references: Int)] = []
        for round in 0..<4000 {
            let isGrowing = (round / 500) % 2 == 0
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where !live.isEmpty:
                let index = live.indices.randomElement(using: &random)!
                guard !pool.isBlock(live[index].slice) else { continue }
                pool.retain(live[index].slice.mbuf)
                live[index].references += 1
            case 1:
                _ = pool.trim(
                    reserve: UInt32.random(in: 0...4, using: &random),
                    limit: UInt32.random(in: 1...8, using: &random))
            case isGrowing ? 2...6 : 2...3:
                guard live.count < 350 else { continue }
                let count = Int.random(
                    in: 1...(1 << Int.random(in: 1...14, using: &random)),
                    using: &random)
                let slice = pool.takeBlock(of: count)
                let bytes = random.bytes(min(count, 64))
                pool.fill(slice, with: bytes)
                live.append((slice, bytes, 1))
            default:
                guard let index = live.indices.randomElement(using: &random) else { continue }
                let (slice, bytes, references) = live[index]
                if pool.contents(of: slice.prefix(bytes.count)) != bytes {
                    Issue.record("round \(round): \(slice) was overwritten")
                    return
                }
                pool.release(slice)
                live[index].references -= 1
                if references == 1 { live.remove(at: index) }
            }
            let used = Int(pool.usedCount)
            let expected = Set(live.map(\.slice.mbuf)).count
            if used != expected {
                Issue.record("round \(round): \(used) mbufs in use, not \(expected)")
                return
            }
        }
        for (slice, bytes, references) in live {
            let contents = pool.contents(of: slice.prefix(bytes.count))
            #expect(contents == bytes)
            for _ in 0..<references { pool.release(slice) }
        }
        let used = pool.usedCount
        #expect(used == 0)
    }
}
