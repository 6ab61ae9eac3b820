/// Bob Jenkins' lookup3 `hashlittle`, with initial value 13.
///
/// Source: twemproxy nc_jenkins.c; http://burtleburtle.net/bob/c/lookup3.c.
enum Jenkins {
    static func hash(_ key: Span<UInt8>) -> UInt32 {
        let length = UInt32(truncatingIfNeeded: key.count)
        let start = 0xDEAD_BEEF &+ length &+ 13
        guard !key.isEmpty else { return start }
        var state = State(a: start, b: start, c: start)
        var index = 0
        while key.count &- index > 12 {
            state.a &+= key.word32(at: index)
            state.b &+= key.word32(at: index &+ 4)
            state.c &+= key.word32(at: index &+ 8)
            state.mix()
            index &+= 12
        }
        state.a &+= key.paddedWord32(at: index)
        state.b &+= key.paddedWord32(at: index &+ 4)
        state.c &+= key.paddedWord32(at: index &+ 8)
        state.finish()
        return state.c
    }

    private struct State {
        var a: UInt32
        var b: UInt32
        var c: UInt32

        /// Reversible mixing between blocks of twelve bytes.
        mutating func mix() {
            a = (a &- c) ^ c.rotatedLeft(by: 4)
            c &+= b
            b = (b &- a) ^ a.rotatedLeft(by: 6)
            a &+= c
            c = (c &- b) ^ b.rotatedLeft(by: 8)
            b &+= a
            a = (a &- c) ^ c.rotatedLeft(by: 16)
            c &+= b
            b = (b &- a) ^ a.rotatedLeft(by: 19)
            a &+= c
            c = (c &- b) ^ b.rotatedLeft(by: 4)
            b &+= a
        }

        /// Final mixing, after which `c` is the hash.
        mutating func finish() {
            c = (c ^ b) &- b.rotatedLeft(by: 14)
            a = (a ^ c) &- c.rotatedLeft(by: 11)
            b = (b ^ a) &- a.rotatedLeft(by: 25)
            c = (c ^ b) &- b.rotatedLeft(by: 16)
            a = (a ^ c) &- c.rotatedLeft(by: 4)
            b = (b ^ a) &- a.rotatedLeft(by: 14)
            c = (c ^ b) &- b.rotatedLeft(by: 24)
        }
    }
}
