import Testing

@testable import Proxy

@Suite struct MbufChainTests {
    @Test(arguments: [1, 127, 128, 129, 4095, 4096, 16_384, 16_385, 40_000, 100_000])
    func keepsWhatIsAppended(_ count: Int) {
        var random = SeededRandom(seed: UInt64(count))
        var pool = MbufPool(capacity: 64)
        var chain = MbufChain()
        let bytes = random.bytes(count)
        pool.append(bytes.span, to: &chain)
        pool.append(bytes.span, to: &chain)
        let contents = pool.contents(of: chain)
        #expect(contents == bytes + bytes)
        let byteCount = chain.byteCount
        #expect(byteCount == 2 * count)
        pool.release(&chain)
        let isEmpty = chain.isEmpty
        #expect(isEmpty)
        expectNothingInUse(pool)
    }

    @Test(arguments: [0, 1, -1, 9, 10, 99, 100, 12_345, .max, .min + 1, -1_000_000])
    func writesNumbersInDecimal(_ number: Int) {
        var pool = MbufPool(capacity: 1)
        var chain = MbufChain()
        pool.append(decimal: number, to: &chain)
        let contents = pool.contents(of: chain)
        #expect(contents == Array("\(number)".utf8))
        pool.release(&chain)
        expectNothingInUse(pool)
    }

    /// Small slices are copied, large ones keep their mbuf alive.
    @Test(arguments: [(4095, false), (4096, true), (16_384, true)])
    func referencesFromTheCopyBorderOn(_ count: Int, _ isReferenced: Bool) {
        var pool = MbufPool(capacity: 4)
        var chain = MbufChain()
        let bytes = [UInt8](repeating: 1, count: count)
        let slice = pool.receive(bytes)
        pool.append(slice, to: &chain)
        let first = pool.cursor(of: chain).slice
        #expect((first.mbuf == slice.mbuf) == isReferenced)
        pool.release(slice.mbuf)
        let contents = pool.contents(of: chain)
        #expect(contents == bytes)
        pool.release(&chain)
        expectNothingInUse(pool)
    }

    /// A block has one owner, so it is copied whatever its size.
    @Test func neverReferencesABlock() {
        var pool = MbufPool(capacity: 4)
        var chain = MbufChain()
        let block = pool.takeBlock(of: 8192)
        pool.fill(block, with: [UInt8](repeating: 3, count: 8192))
        pool.append(block, to: &chain)
        pool.release(block)
        let other = pool.takeBlock(of: 8192)
        pool.fill(other, with: [UInt8](repeating: 4, count: 8192))
        let contents = pool.contents(of: chain)
        #expect(contents == [UInt8](repeating: 3, count: 8192))
        pool.release(other)
        pool.release(&chain)
        expectNothingInUse(pool)
    }

    /// What is written behind a chain that was moved does not reach into what it shares.
    @Test func appendsBehindAReferenceInMemoryOfItsOwn() {
        var pool = MbufPool(capacity: 4)
        var chain = MbufChain()
        let received = pool.receive([UInt8](repeating: 5, count: 16_384))
        pool.append(received.prefix(8192), to: &chain)
        pool.append("end", to: &chain)
        let contents = pool.contents(of: received)
        #expect(contents == [UInt8](repeating: 5, count: 16_384))
        pool.release(received.mbuf)
        pool.release(&chain)
        expectNothingInUse(pool)
    }

    @Test func aThousandSmallRepliesMakeFewParts() {
        var pool = MbufPool(capacity: 8)
        var outgoing = MbufChain()
        for _ in 0..<1000 {
            var reply = MbufChain()
            pool.append("+OK\r\n", to: &reply)
            pool.append(moving: &reply, to: &outgoing)
            let isEmpty = reply.isEmpty
            #expect(isEmpty)
        }
        let count = outgoing.byteCount
        #expect(count == 5000)
        let parts = pool.partCount(of: &outgoing)
        #expect(parts <= 8)
        expectNothingInUse(pool)
    }

    // MARK: - Sends

    @Test(arguments: [0, 1, 63, 64, 65, 128, 129])
    func aSendHasSixtyFourPartsAtMost(_ count: Int) {
        var pool = MbufPool(capacity: 200)
        var chain = MbufChain()
        var bytes: [UInt8] = []
        for index in 0..<count {
            let part = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 4096)
            let slice = pool.receive(part)
            pool.append(slice, to: &chain)
            pool.release(slice.mbuf)
            bytes += part
        }
        var sent: [UInt8] = []
        var sizes: [Int] = []
        while !chain.isEmpty {
            var send = pool.takeSend(from: &chain)
            let total = send.byteCount + chain.byteCount + sent.count
            #expect(total == bytes.count)
            sent += pool.contents(of: send)
            sizes.append(pool.partCount(of: &send))
        }
        #expect(sent == bytes)
        #expect(
            sizes == Array(repeating: 64, count: count / 64) + (count % 64 > 0 ? [count % 64] : []))
        var nothing = pool.takeSend(from: &chain)
        let isEmpty = nothing.isEmpty
        #expect(isEmpty)
        pool.release(&nothing)
        // The rest of a chain can still be written to.
        pool.append("more", to: &chain)
        let contents = pool.contents(of: chain)
        #expect(contents == Array("more".utf8))
        pool.release(&chain)
        expectNothingInUse(pool)
    }

    @Test func takesSlicesOutInOrder() {
        var pool = MbufPool(capacity: 8)
        let pieces = [[1], [2, 3], [UInt8](repeating: 4, count: 5000)] as [[UInt8]]
        var chain = pool.chain(of: pieces)
        for piece in pieces {
            let slice = pool.takeFirst(from: &chain)
            let contents = slice.map { pool.contents(of: $0) }
            #expect(contents == piece)
            if let slice { pool.release(slice) }
        }
        let last = pool.takeFirst(from: &chain)
        #expect(last == nil)
        let isEmpty = chain.isEmpty
        #expect(isEmpty)
        pool.append("again", to: &chain)
        let contents = pool.contents(of: chain)
        #expect(contents == Array("again".utf8))
        pool.release(&chain)
        expectNothingInUse(pool)
    }

    private func expectNothingInUse(_ pool: borrowing MbufPool) {
        let used = [pool.usedCount, pool.nodes.usedCount]
        #expect(used == [0, 0])
    }
}

/// Four chains and the arrays that they should equal, through every operation at random.
@Suite struct MbufChainModelTests {
    private struct Model: ~Copyable {
        var pool = MbufPool(capacity: 2000)
        let chains = FixedArray(count: 4) { _ in MbufChain() }
        var arrays = [[UInt8]](repeating: [], count: 4)
        /// Received mbufs, of which slices are appended.
        var received: [(slice: MbufSlice, bytes: [UInt8])] = []
        var random: SeededRandom

        init(seed: UInt64) {
            random = SeededRandom(seed: seed)
        }

        mutating func step() {
            let index = Int.random(in: 0..<4, using: &random)
            switch Int.random(in: 0..<16, using: &random) {
            case 0...2: appendBytes(to: index)
            case 3:
                let number = Int.random(in: -5000...5000, using: &random)
                pool.append(decimal: number, to: &chains[index])
                arrays[index] += "\(number)".utf8
            case 4:
                pool.append(UInt8(index), to: &chains[index])
                pool.append("static", to: &chains[index])
                arrays[index] += [UInt8(index)] + Array("static".utf8)
            case 5: replaceLast(of: index)
            case 6...7: appendSlice(to: index)
            case 8...9: move(to: index)
            case 10: send(from: index)
            case 11: takeFirst(from: index)
            case 12...13: appendFromCursor(to: index)
            case 14 where arrays[index].count > 30_000:
                pool.release(&chains[index])
                arrays[index] = []
            default: receive()
            }
        }

        /// Anything from a byte to more than an mbuf, short more often than long.
        private mutating func length() -> Int {
            Int.random(in: 1...(1 << Int.random(in: 1...15, using: &random)), using: &random)
        }

        private mutating func appendBytes(to index: Int) {
            let bytes = random.bytes(length())
            pool.append(bytes.span, to: &chains[index])
            arrays[index] += bytes
        }

        /// Bytes that were just appended make room for others.
        private mutating func replaceLast(of index: Int) {
            appendBytes(to: index)
            let count = min(arrays[index].count, Int.random(in: 1...4, using: &random))
            let byteCount = chains[index].byteCount
            if pool.removeLast(count, from: &chains[index]) {
                arrays[index].removeLast(count)
            } else if chains[index].byteCount != byteCount {
                Issue.record("took some, and said that it did not")
            }
            pool.append("other", to: &chains[index])
            arrays[index] += Array("other".utf8)
        }

        private mutating func receive() {
            if received.count == 4 { pool.release(received.removeFirst().slice.mbuf) }
            let bytes = random.bytes(min(length(), Mbuf.size))
            received.append((pool.receive(bytes), bytes))
        }

        private mutating func appendSlice(to index: Int) {
            guard let (slice, bytes) = received.randomElement(using: &random) else { return }
            let start = Int.random(in: 0...bytes.count, using: &random)
            let end = Int.random(in: start...bytes.count, using: &random)
            if Bool.random(using: &random) {
                pool.append(slice.range(start, end), to: &chains[index])
            } else {
                pool.append(copyOf: slice.range(start, end), to: &chains[index])
            }
            arrays[index] += bytes[start..<end]
        }

        private mutating func move(to index: Int) {
            let other = (index + Int.random(in: 1...3, using: &random)) % 4
            pool.append(moving: &chains[other], to: &chains[index])
            arrays[index] += arrays[other]
            arrays[other] = []
        }

        private mutating func send(from index: Int) {
            var sent = pool.takeSend(from: &chains[index])
            let bytes = pool.contents(of: sent)
            if bytes != Array(arrays[index].prefix(bytes.count)) { Issue.record("sent others") }
            arrays[index].removeFirst(bytes.count)
            let parts = pool.partCount(of: &sent)
            if parts > 64 || parts < 64 && !arrays[index].isEmpty { Issue.record("\(parts) parts") }
        }

        private mutating func takeFirst(from index: Int) {
            guard let slice = pool.takeFirst(from: &chains[index]) else {
                return #expect(arrays[index].isEmpty)
            }
            let bytes = pool.contents(of: slice)
            if bytes != Array(arrays[index].prefix(bytes.count)) { Issue.record("took others") }
            arrays[index].removeFirst(bytes.count)
            pool.release(slice)
        }

        private mutating func appendFromCursor(to index: Int) {
            let other = (index + Int.random(in: 1...3, using: &random)) % 4
            guard !arrays[other].isEmpty else { return }
            let start = Int.random(in: 0...arrays[other].count, using: &random)
            let count = min(Int.random(in: 0...20_000, using: &random), arrays[other].count - start)
            var cursor = pool.cursor(of: chains[other])
            cursor.skip(start)
            pool.append(count, from: &cursor, to: &chains[index])
            arrays[index] += arrays[other][start..<start + count]
        }

        /// Returns whether the chains are what they should be.
        func isRight() -> Bool {
            (0..<4).allSatisfy { index in
                chains[index].byteCount == arrays[index].count
                    && pool.contents(of: chains[index]) == arrays[index]
            }
        }

        mutating func end() -> [UInt32] {
            for index in 0..<4 { pool.release(&chains[index]) }
            for (slice, _) in received { pool.release(slice.mbuf) }
            return [pool.usedCount, pool.nodes.usedCount]
        }
    }

    @Test(arguments: [31, 32, 33] as [UInt64])
    func chainsBehaveAsArrays(seed: UInt64) {
        var model = Model(seed: seed)
        for round in 0..<1500 {
            model.step()
            guard round % 25 == 0 else { continue }
            if !model.isRight() {
                Issue.record("after \(round + 1) steps")
                return
            }
        }
        let used = model.end()
        #expect(used == [0, 0])
    }
}
