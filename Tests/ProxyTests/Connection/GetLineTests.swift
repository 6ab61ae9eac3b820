import Testing

@testable import Proxy

@Suite struct GetLineTests {
    @Test func keysJoinTheLineThatIsLast() {
        var line = GetLine()
        let joinsNone = line.admit(1, adding: 2, to: 0)
        #expect(joinsNone == nil)
        line.begin(1, count: 7, end: 107)
        let joins = line.admit(2, adding: 2, to: 107)
        #expect(joins == 1)
        let joinsAgain = line.admit(3, adding: 2, to: 109)
        #expect(joinsAgain == 2)
        // Something else was added behind it.
        let joinsWithin = line.admit(4, adding: 2, to: 120)
        #expect(joinsWithin == nil)
    }

    @Test func noKeyJoinsALineThatIsSent() {
        var line = GetLine()
        line.begin(1, count: 7, end: 7)
        line.close()
        let joins = line.admit(2, adding: 2, to: 7)
        #expect(joins == nil)
        let joinsNothing = line.admit(2, adding: 2, to: 0)
        #expect(joinsNothing == nil)
    }

    @Test func noKeyIsInALineTwice() {
        var line = GetLine()
        line.begin(7, count: 7, end: 7)
        let joins = line.admit(7, adding: 2, to: 7)
        #expect(joins == nil)
        // Nor a mark that cannot be told from another's.
        let joinsAlike = line.admit(7 + 512, adding: 2, to: 7)
        #expect(joinsAlike == nil)
        line.begin(8, count: 7, end: 14)
        let joinsNext = line.admit(7, adding: 2, to: 14)
        #expect(joinsNext == 8)
    }

    @Test func linesEndInTime() {
        var line = GetLine()
        line.begin(0, count: GetLine.countMax - 10, end: 9000)
        let joinsLong = line.admit(1, adding: 11, to: 9000)
        #expect(joinsLong == nil)
        let joins = line.admit(1, adding: 10, to: 9000)
        #expect(joins == 0)
    }

    // MARK: Marks

    /// Keys that differ in one byte, or in length, of all lengths there are.
    @Test func marksTellKeysApart() {
        var random = SeededRandom(seed: 5)
        var equal = 0
        var count = 0
        for length in 1...250 {
            let key = random.bytes(length)
            for index in key.indices {
                var other = key
                other[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                count += 1
                if other.span.keyMark() == key.span.keyMark() { equal += 1 }
            }
            if (key + [0]).span.keyMark() == key.span.keyMark() { equal += 1 }
        }
        // One in 65,536 would be chance.
        #expect(equal < count / 5000)
    }

    @Test func marksUseAllBits() {
        var marks: Set<UInt16> = []
        for number in 0..<100_000 { marks.insert(Array("key:\(number)".utf8).span.keyMark()) }
        #expect(marks.count > 45_000)
    }

    /// A key has the same mark wherever it stands.
    @Test func marksAreOfTheKeyAlone() {
        for length in [1, 3, 4, 7, 8, 9, 15, 16, 17] {
            let key = Array("abcdefghijklmnopqrstuvwxyz".utf8.prefix(length))
            let line = Array("VALUE ".utf8) + key + Array(" 0 5".utf8)
            let mark = line.span.extracting(6..<6 + length).keyMark()
            #expect(mark == key.span.keyMark())
        }
    }
}
