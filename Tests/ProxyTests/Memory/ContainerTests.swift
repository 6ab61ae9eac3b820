import Testing

@testable import Proxy

/// Counts its lives, so that a container which loses or doubles one is found out.
private struct Counted: ~Copyable {
    let value: Int
    private let living: Cell<Int>

    init(_ value: Int, _ living: Cell<Int>) {
        self.value = value
        self.living = living
        living.value += 1
    }

    deinit {
        living.value -= 1
    }
}

@Suite struct SlabTests {
    @Test func findsNothingByAStaleHandle() {
        var slab = Slab<Int>(capacity: 2)
        let first = slab.insert(1)
        slab.remove(first)
        var isFound = slab.contains(first)
        #expect(!isFound)
        // The slot is used again, by another generation.
        let second = slab.insert(2)
        #expect(second.index == first.index)
        #expect(second != first)
        isFound = slab.contains(first)
        #expect(!isFound)
        isFound = slab.contains(second)
        #expect(isFound)
        isFound = slab.contains(.none)
        #expect(!isFound)
        isFound = slab.contains(Handle(index: 2, generation: 1))
        #expect(!isFound)
        isFound = slab.contains(Handle(index: 1, generation: 1))
        #expect(!isFound)
    }

    @Test func generationsStayWithinATokenAndOddWhileInUse() {
        var slab = Slab<Int>(capacity: 1)
        var seen: Set<UInt32> = []
        for round in 0..<1000 {
            let handle = slab.insert(round)
            #expect(handle.generation & 1 == 1)
            #expect(handle.generation <= handleGenerationMask)
            #expect(!handle.isNone)
            seen.insert(handle.generation)
            slab.remove(handle)
        }
        #expect(seen.count == 1000)
    }

    @Test func elementsAreChangedInPlace() {
        var slab = Slab<SIMD2<Int>>(capacity: 2)
        let first = slab.insert([1, 2])
        let second = slab.insert([3, 4])
        slab[first].x += 10
        slab[second].y = 0
        let values = [slab[first], slab[second]]
        #expect(values == [[11, 2], [3, 0]])
    }

    /// Against a dictionary, with walks from any slot.
    @Test func behavesAsADictionary() {
        var random = SeededRandom(seed: 11)
        var slab = Slab<Int>(capacity: 16)
        var model: [Handle<Int>: Int] = [:]
        var removed: [Handle<Int>] = []
        for round in 0..<5000 {
            if !slab.isFull, Int.random(in: 0..<5, using: &random) < 3 {
                let handle = slab.insert(round)
                #expect(model[handle] == nil)
                model[handle] = round
            } else if let handle = model.keys.sorted(by: { $0.index < $1.index })
                .randomElement(using: &random)
            {
                let value = slab[handle]
                #expect(model.removeValue(forKey: handle) == value)
                slab.remove(handle)
                removed.append(handle)
            }
            let count = Int(slab.count)
            let isFull = slab.isFull
            #expect(count == model.count)
            #expect(isFull == (model.count == 16))
            let slot = UInt32.random(in: 0...16, using: &random)
            let next = slab.next(from: slot)
            let expected = model.keys.filter { $0.index >= slot }.min { $0.index < $1.index }
            #expect(next == expected)
        }
        for (handle, value) in model {
            let found = slab[handle]
            #expect(found == value)
        }
        for handle in removed {
            let isFound = slab.contains(handle)
            #expect(!isFound)
        }
    }

    @Test func walksOverEverythingOnce() {
        var slab = Slab<Int>(capacity: 8)
        let handles = (0..<6).map { slab.insert($0) }
        slab.remove(handles[0])
        slab.remove(handles[3])
        slab.remove(handles[5])
        var found: [Handle<Int>] = []
        var next = slab.next(from: 0)
        while let handle = next {
            found.append(handle)
            next = slab.next(from: handle.index + 1)
        }
        #expect(found == [handles[1], handles[2], handles[4]])
    }
}

@Suite struct SmallContainerTests {
    @Test func stackGivesBackTheLastFirst() {
        var stack = HandleStack<Int>(capacity: 3)
        for index in 0..<3 as Range<UInt32> { stack.push(Handle(index: index, generation: 1)) }
        var count = stack.count
        #expect(count == 3)
        var popped = [stack.pop()]
        stack.push(Handle(index: 7, generation: 9))
        for _ in 0..<4 { popped.append(stack.pop()) }
        #expect(popped.map { $0?.index } == [2, 7, 1, 0, nil])
        #expect(popped[1]?.generation == 9)
        count = stack.count
        #expect(count == 0)
    }

    @Test func arrayMakesEachElementOnceAndDestroysItOnce() {
        let living = Cell(0)
        do {
            let array = FixedArray(count: 5) { Counted($0 * 10, living) }
            #expect(living.value == 5)
            let values = (0..<array.count).map { array[$0].value }
            #expect(values == [0, 10, 20, 30, 40])
            array[3] = Counted(7, living)
            #expect(living.value == 5)
            let changed = array[3].value
            #expect(changed == 7)
        }
        #expect(living.value == 0)
        living.free()
    }

    @Test func arrayMayBeEmpty() {
        let array = FixedArray<Int>(count: 0) { $0 }
        let count = array.count
        #expect(count == 0)
    }

    @Test func copiesOfACellShareItsValue() {
        let cell = Cell(1)
        let copy = cell
        copy.value += 41
        #expect(cell.value == 42)
        cell.free()
    }
}

@Suite struct SpanTests {
    @Test func loadsAWordAtAnyOffset() {
        let bytes = (0..<64).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 5) }
        for offset in 0...56 {
            var expected: UInt64 = 0
            for index in (0..<8).reversed() {
                expected = expected << 8 | UInt64(bytes[offset + index])
            }
            #expect(bytes.span.loadWord(at: offset) == expected)
        }
    }

    @Test(arguments: [
        ("", "", true), ("a", "a", true), ("secret", "secret", true), ("grüße", "grüße", true),
        ("", "a", false), ("a", "", false), ("secret", "secre", false), ("secre", "secret", false),
        ("secret", "Secret", false), ("secret", "secreT", false), ("\u{0}", "", false),
        ("", "\u{0}", false), ("a\u{0}", "a", false), ("a", "a\u{0}", false), ("ab", "ba", false),
        ("aa", "bb", false),
    ])
    func comparesBytes(_ first: String, _ second: String, _ isEqual: Bool) {
        let first = Array(first.utf8)
        let second = Array(second.utf8)
        let found = first.span.isEqual(to: second.span)
        #expect(found == isEqual)
    }

    @Test(arguments: [
        ("", false, false), ("PIN", false, false), ("PING", true, true), ("PINGS", false, true),
        ("ping", false, false), (" PING", false, false),
    ])
    func comparesWithAStaticString(_ text: String, _ isEqual: Bool, _ hasPrefix: Bool) {
        let bytes = Array(text.utf8)
        let found = (bytes.span.isEqual(to: "PING"), bytes.span.hasPrefix("PING"))
        #expect(found == (isEqual, hasPrefix))
        let hasEmptyPrefix = bytes.span.hasPrefix("")
        #expect(hasEmptyPrefix)
    }

    @Test(arguments: ["", "a", "a password with ümlauts"])
    func keepsTheBytesOfAText(_ text: String) {
        let fixed = FixedBytes(text)
        let shown = fixed.withSpan { span in span.indices.map { span[$0] } }
        #expect(shown == Array(text.utf8))
        let count = fixed.count
        #expect(count == text.utf8.count)
    }

    @Test func showsAStaticString() {
        let shown = ("PING\r\n" as StaticString).withUTF8Span { span in
            span.indices.map { span[$0] }
        }
        #expect(shown == Array("PING\r\n".utf8))
    }
}
