import Testing

@testable import Proxy

@Suite struct ArgumentTests {
    /// Arguments of every kind, and a last one that makes the request lie in several slices.
    private static let arguments: [[UInt8]] =
        ["SET", "", "\r\n$3\r\n", "a long argument that is more than thirty-two bytes long", "k"]
        .map { Array($0.utf8) } + [[UInt8](repeating: UInt8(ascii: "v"), count: 5000)]

    /// Headers as clients may write them: with leading zeros, too.
    private static let request: [UInt8] = {
        var request = Array("*06\r\n".utf8)
        for argument in arguments {
            request += Array("$\(argument.isEmpty ? "00" : "")\(argument.count)\r\n".utf8)
            request += argument + Array("\r\n".utf8)
        }
        return request
    }()

    /// The request cut at every place of its first 100 bytes, which are all but its last argument.
    private func withEveryChain(_ body: (inout MbufPool, borrowing MbufChain, Int) -> Void) {
        var pool = MbufPool(capacity: 16)
        for cut in 1..<Self.request.count - 5000 {
            for width in [1, 2, 7] {
                let end = min(cut + width, Self.request.count - 5000)
                var pieces = [Array(Self.request[..<cut])]
                if end > cut { pieces.append(Array(Self.request[cut..<end])) }
                pieces.append(Array(Self.request[end...]))
                var chain = pool.chain(of: pieces)
                body(&pool, chain, cut)
                pool.release(&chain)
            }
        }
        let used = [pool.usedCount, pool.nodes.usedCount]
        #expect(used == [0, 0])
    }

    @Test func walksOverTheArgumentsAcrossAnyCut() {
        withEveryChain { pool, chain, cut in
            var walker = ArgumentWalker(start: pool.cursor(of: chain))
            for (index, argument) in Self.arguments.enumerated() {
                let count = walker.nextHeader()
                let bytes = walker.withBytes(count) { span in
                    span.withUnsafeBufferPointer { Array($0) }
                }
                if bytes != argument { Issue.record("argument \(index), cut \(cut)") }
            }
            var cursor = walker.cursor
            #expect(cursor.nextByte() == nil)
        }
    }

    @Test func skipsAndCopiesArgumentsAcrossAnyCut() {
        withEveryChain { pool, chain, cut in
            var walker = ArgumentWalker(start: pool.cursor(of: chain))
            var copy = MbufChain()
            for (index, argument) in Self.arguments.enumerated() {
                let count = walker.nextHeader()
                if count != argument.count { Issue.record("argument \(index), cut \(cut)") }
                if index % 2 == 0 {
                    walker.skip(count)
                } else {
                    walker.append(count, to: &copy, of: &pool)
                }
            }
            let lineEnd = Array("\r\n".utf8)
            let expected = [1, 3, 5].flatMap { Self.arguments[$0] + lineEnd }
            let contents = pool.contents(of: copy)
            if contents != expected { Issue.record("cut \(cut)") }
            pool.release(&copy)
        }
    }

    /// No name, keyword or number is longer than what is shown, so that a long argument is never
    /// copied for the look of it.
    @Test func findsArgumentsByNumberInAnyOrder() {
        let place = Cell<ArgumentReader.Place?>(nil)
        withEveryChain { pool, chain, cut in
            let reader = ArgumentReader(start: pool.cursor(of: chain), place: place)
            for index in [0, 0, 1, 3, 3, 2, 5, 4, 0, 5, 5, 1] {
                let shown = reader.withArgument(index) { span in span.indices.map { span[$0] } }
                if shown != Array(Self.arguments[index].prefix(32)) {
                    Issue.record("argument \(index), cut \(cut)")
                }
            }
        }
        place.free()
    }

    /// A place left by another reader is not believed.
    @Test func aNewReaderStartsAtTheStart() {
        var pool = MbufPool(capacity: 4)
        let place = Cell<ArgumentReader.Place?>(nil)
        let requests = ["*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "*2\r\n$3\r\nTTL\r\n$1\r\nb\r\n"]
        for (request, key) in zip(requests, ["a", "b"]) {
            let slice = pool.receive(Array(request.utf8))
            let reader = ArgumentReader(start: pool.cursor(of: slice), place: place)
            let shown = reader.withArgument(1) { span in span.indices.map { span[$0] } }
            #expect(shown == Array(key.utf8))
            pool.release(slice)
        }
        place.free()
    }

    /// What the parser says of name and first argument is where the walker finds them.
    @Test func parserAndWalkerAgree() {
        var pool = MbufPool(capacity: 4)
        let slice = pool.receive(Self.request)
        var parser = RESPRequestParser()
        let count = pool.withBytes(of: slice) { bytes in
            var position = 0
            _ = parser.parse(bytes, from: &position)
            return position
        }
        #expect(count == Self.request.count)
        let arrival = Arrival(slice: slice, chain: MbufChain(), parser: parser, mbufs: pool)
        let found = [
            [arrival.argumentCount],
            pool.contents(of: arrival.slice(of: arrival.name)).map(Int.init),
            pool.contents(of: arrival.slice(of: arrival.first)).map(Int.init),
        ]
        #expect(found == [[6], Self.arguments[0].map(Int.init), []])
        pool.release(slice)
    }
}
