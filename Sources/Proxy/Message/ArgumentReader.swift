/// Goes over the arguments of a redis request, in order.
///
/// The request has been parsed before, so every header is well formed.
struct ArgumentWalker: BitwiseCopyable {
    private(set) var cursor: MbufCursor

    /// - Parameter start: The start of a request that begins with an array header.
    init(start: MbufCursor) {
        cursor = start
        _ = nextHeader()
    }

    /// Moves to the bytes of the next argument and returns their count. They must then be moved
    /// over, by `withBytes` or `skip`.
    ///
    /// - Precondition: There is a next argument.
    mutating func nextHeader() -> Int {
        _ = cursor.nextByte()
        var value = 0
        while let byte = cursor.nextByte(), byte != RESPHeader.lineFeed {
            let digit = Int(byte) &- 0x30
            if digit >= 0, digit < 10 { value = value &* 10 &+ digit }
        }
        return value
    }

    @inline(__always)
    mutating func withBytes<Result>(_ count: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        let result = cursor.withBytes(count, body)
        cursor.skip(2)
        return result
    }

    /// Moves over the bytes of an argument and its line end.
    mutating func skip(_ count: Int) {
        cursor.skip(count &+ 2)
    }

    /// Adds the bytes of an argument and its line end to a chain, and moves over them.
    mutating func append(_ count: Int, to chain: inout MbufChain, of mbufs: inout MbufPool) {
        mbufs.append(count &+ 2, from: &cursor, to: &chain)
    }
}

/// The arguments of a redis request by number, which costs little as long as they are asked for
/// in rising order.
struct ArgumentReader: ArgumentSource {
    /// Where the last look-up ended.
    struct Place: BitwiseCopyable {
        var walker: ArgumentWalker
        /// The argument at which the walker stands.
        var index: Int
    }

    private let start: ArgumentWalker
    private let place: Cell<Place?>

    /// - Parameter place: For this reader alone, as long as it lives.
    init(start: MbufCursor, place: Cell<Place?>) {
        self.start = ArgumentWalker(start: start)
        self.place = place
        place.value = nil
    }

    // Or some bodies stay closures, which are called indirectly.
    @inline(__always)
    func withArgument<Result>(_ index: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        var here = Place(walker: start, index: 0)
        if let last = place.value, last.index <= index { here = last }
        while here.index < index {
            here.walker.skip(here.walker.nextHeader())
            here.index &+= 1
        }
        place.value = here
        let count = here.walker.nextHeader()
        return here.walker.withBytes(min(count, Self.lengthMax), body)
    }

    /// No name, keyword or number is longer.
    private static let lengthMax = 32
}
