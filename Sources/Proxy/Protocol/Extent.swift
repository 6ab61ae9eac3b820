/// Where some bytes of a request are, counted from the start of the request.
struct Extent: BitwiseCopyable, Equatable {
    var offset: UInt32 = 0
    var length: UInt32 = 0

    var start: Int { Int(offset) }
    var count: Int { Int(length) }
    var range: Range<Int> { start..<start &+ count }
}
