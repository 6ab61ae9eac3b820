import Testing

@testable import Proxy

@Suite struct GetLineTests {
    @Test func keysJoinTheLineThatIsLast() {
        var line = GetLine()
        let joinsNone = line.admit(1, adding: 2, to: 0)
        #expect(!joinsNone)
        line.begin(1, count: 7, end: 107)
        let joins = line.admit(2, adding: 2, to: 107)
        #expect(joins)
        let joinsAgain = line.admit(3, adding: 2, to: 109)
        #expect(joinsAgain)
        // Something else was added behind it.
        let joinsWithin = line.admit(4, adding: 2, to: 120)
        #expect(!joinsWithin)
    }

    @Test func noKeyJoinsALineThatIsSent() {
        var line = GetLine()
        line.begin(1, count: 7, end: 7)
        line.close()
        let joins = line.admit(2, adding: 2, to: 7)
        #expect(!joins)
        let joinsNothing = line.admit(2, adding: 2, to: 0)
        #expect(!joinsNothing)
    }

    @Test func noKeyIsInALineTwice() {
        var line = GetLine()
        line.begin(7, count: 7, end: 7)
        let joins = line.admit(7, adding: 2, to: 7)
        #expect(!joins)
        // Nor a mark that cannot be told from another's.
        let joinsAlike = line.admit(7 + 512, adding: 2, to: 7)
        #expect(!joinsAlike)
        line.begin(8, count: 7, end: 14)
        let joinsNext = line.admit(7, adding: 2, to: 14)
        #expect(joinsNext)
    }

    @Test func linesEndInTime() {
        var line = GetLine()
        line.begin(0, count: GetLine.countMax - 10, end: 9000)
        let joinsLong = line.admit(1, adding: 11, to: 9000)
        #expect(!joinsLong)
        let joins = line.admit(1, adding: 10, to: 9000)
        #expect(joins)
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
        #expect(equal == 0)
        #expect(count > 10_000)
    }

    /// Those included that choose who may join a line.
    @Test func marksUseAllBits() {
        var marks: Set<UInt64> = []
        var low: Set<UInt64> = []
        for number in 0..<100_000 {
            let mark = Array("key:\(number)".utf8).span.keyMark()
            marks.insert(mark)
            low.insert(mark & 0xFFFF)
        }
        #expect(marks.count == 100_000)
        // As many as chance has it, less some.
        #expect(low.count > 48_000)
    }

    /// A high bit that goes from one word to the next could be made up for by whoever chooses keys.
    @Test func noBitsOfTwoWordsCancelEachOther() {
        var random = SeededRandom(seed: 6)
        for _ in 0..<2000 {
            let key = random.bytes(16)
            for bits in [[7, 11, 15], [7, 15], [3, 7, 11, 15], [7, 11]] {
                var other = key
                for index in bits { other[index] ^= 0x80 }
                #expect(other.span.keyMark() != key.span.keyMark())
            }
        }
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
