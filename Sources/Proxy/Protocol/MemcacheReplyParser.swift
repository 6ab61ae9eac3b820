/// Finds the end of a memcache reply, across as many slices as it takes to arrive.
///
///     word CR LF                              STORED, DELETED, OK, …
///     word text CR LF                         VERSION, CLIENT_ERROR, SERVER_ERROR, HD, EN, …
///     digits CR LF
///     VALUE key flags size [cas] CR LF bytes CR LF, any number of times, then END CR LF
///     VA size flags CR LF bytes CR LF
///     STAT name value CR LF, any number of times, then END CR LF
struct MemcacheReplyParser: BitwiseCopyable {
    private enum Phase: UInt8 {
        case start, word, blanks, text, digits, lineFeed
        /// In the words before the size of a data block; in the size; behind it.
        case header, size, headerRest
        case data, dataEnd
    }

    /// What a line is, by its first word.
    private enum Line: UInt8 {
        /// Nothing may follow; blanks may; anything may.
        case bare, word, text
        case value, metaValue, statistic
    }

    private var phase = Phase.start
    private(set) var kind: UInt8 = 0
    private var line = Line.bare
    /// There was a line of this reply before.
    private var isInside = false
    private var hasCarriageReturn = false
    /// Of the first word, its first eight letters and the next eight, the first lowest.
    private var letters: UInt64 = 0
    private var moreLetters: UInt64 = 0
    private var letterCount: UInt8 = 0
    /// Words still to come before the size.
    private var wordsLeft: UInt8 = 0
    private var bytesLeft = 0
    private var hasSize = false

    /// Whether the next byte starts a new reply.
    var isAtStart: Bool { phase == .start && !isInside }

    /// Far more than memcached sends.
    static let sizeMax = 1 << 40

    /// Consumes bytes up to the end of one reply.
    ///
    /// - Parameters:
    ///   - position: Where to start, and afterwards where the reply ended, or the count.
    ///   - stopsAtValues: Whether to stop behind each `VALUE` block too, as if it were all.
    mutating func parse(
        _ bytes: Span<UInt8>, from position: inout Int, stopsAtValues: Bool = false
    ) -> ReplyOutcome {
        if phase == .start, let outcome = skipWhole(bytes, &position, stopsAtValues) {
            return outcome
        }
        while position < bytes.count {
            let step: Step
            switch phase {
            case .start: step = start(bytes[position])
            case .word: step = readWord(bytes, &position)
            case .blanks, .digits, .lineFeed: step = endLine(bytes, &position)
            case .text, .headerRest: step = skipText(bytes, &position)
            case .header: step = skipWords(bytes, &position)
            case .size: step = readSize(bytes, &position)
            case .data:
                let skipped = min(bytesLeft, bytes.count &- position)
                position &+= skipped
                bytesLeft &-= skipped
                if bytesLeft == 0 { phase = .dataEnd }
                step = .goesOn
            case .dataEnd: step = endData(bytes, &position)
            }
            switch step {
            case .goesOn: continue
            case .violation: return .violation
            case .line:
                phase = .start
                if stopsAtValues, line == .value { return .value }
                isInside = line == .value || line == .statistic
                if !isInside { return .reply }
            }
        }
        return .incomplete
    }

    /// Moves over values that lie in these bytes as a whole, and over the end of the reply, in the
    /// form that memcached gives them. Nearly all replies are no more than that; what else there is
    /// begins at the new position. Returns nil if there is.
    private mutating func skipWhole(
        _ bytes: Span<UInt8>, _ position: inout Int, _ stopsAtValues: Bool
    ) -> ReplyOutcome? {
        while bytes.count &- position >= 8 {
            let word = bytes.loadWord(at: position)
            if word & 0xFF_FFFF_FFFF == 0x0A0D_444E_45 {  // END CR LF
                return endWhole(&position, count: 5)
            }
            if word == 0x0A0D_4445_524F_5453 {  // STORED CR LF
                return isInside ? nil : endWhole(&position, count: 8)
            }
            guard word & 0xFFFF_FFFF_FFFF == 0x2045_554C_4156,  // VALUE and a blank
                let end = Self.endOfValue(bytes, from: position &+ 6)
            else { return nil }
            _ = note(ReplyKind.classic)
            position = end
            if stopsAtValues { return .value }
            isInside = true
        }
        // What is behind a value may be shorter than a word.
        guard isInside, bytes.count &- position >= 5, position >= 3,
            bytes.loadWord(at: position &- 3) >> 24 & 0xFF_FFFF_FFFF == 0x0A0D_444E_45
        else { return nil }
        return endWhole(&position, count: 5)
    }

    private mutating func endWhole(_ position: inout Int, count: Int) -> ReplyOutcome {
        _ = note(ReplyKind.classic)
        isInside = false
        position &+= count
        return .reply
    }

    /// Where the data block of a value ends; nil if it is not all there, or anything is unusual.
    ///
    /// - Parameter start: Where the key is.
    private static func endOfValue(_ bytes: Span<UInt8>, from start: Int) -> Int? {
        let keyEnd = bytes.firstBlank(from: start)
        let flagsEnd = bytes.firstBlank(from: keyEnd &+ 1)
        guard flagsEnd &+ 3 < bytes.count, keyEnd > start, flagsEnd > keyEnd &+ 1,
            bytes[keyEnd] == UInt8(ascii: " "), bytes[flagsEnd] == UInt8(ascii: " ")
        else { return nil }
        var place = flagsEnd &+ 1
        var size = 0
        while place < bytes.count, place <= flagsEnd &+ 9 {
            let digit = bytes[place] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            size = size &* 10 &+ Int(digit)
            place &+= 1
        }
        guard place > flagsEnd &+ 1, place < bytes.count else { return nil }
        if bytes[place] == UInt8(ascii: " ") { place = bytes.firstBlank(from: place &+ 1) }
        let end = place &+ 2 &+ size
        guard end &+ 2 <= bytes.count, bytes.isLineEnd(at: place), bytes.isLineEnd(at: end)
        else { return nil }
        return end &+ 2
    }

    private enum Step {
        case goesOn, line, violation
    }

    private mutating func start(_ byte: UInt8) -> Step {
        letters = 0
        moreLetters = 0
        letterCount = 0
        bytesLeft = 0
        hasSize = false
        hasCarriageReturn = false
        guard byte &- UInt8(ascii: "0") >= 10 else {
            line = .word
            phase = .digits
            return note(ReplyKind.classic)
        }
        phase = .word
        return .goesOn
    }

    /// The kind of a reply is that of its first line.
    private mutating func note(_ kind: UInt8) -> Step {
        if !isInside { self.kind = kind }
        return .goesOn
    }

    private mutating func readWord(_ bytes: Span<UInt8>, _ position: inout Int) -> Step {
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\r") { return beginLine() }
            guard byte > 0x20, letterCount < 16 else { return .violation }
            let shift = UInt64(letterCount & 7) &* 8
            if letterCount < 8 {
                letters |= UInt64(byte) << shift
            } else {
                moreLetters |= UInt64(byte) << shift
            }
            letterCount &+= 1
            position &+= 1
        }
        return .goesOn
    }

    /// The first word is complete, and what ends it comes next.
    private mutating func beginLine() -> Step {
        let kind: UInt8
        switch (letters, moreLetters) {
        case (0x4555_4C41_56, 0):  // VALUE
            (kind, line) = (ReplyKind.classic, .value)
            wordsLeft = 2
        case (0x4156, 0):  // VA
            (kind, line) = (ReplyKind.meta, .metaValue)
            wordsLeft = 0
        case (0x444E45, 0):  // END
            (kind, line) = (ReplyKind.classic, .bare)
        case (0x4445_524F_5453, 0), (0x524F_5453_5F54_4F4E, 0x4445),  // STORED, NOT_STORED
            (0x5354_5349_5845, 0), (0x4E55_4F46_5F54_4F4E, 0x44),  // EXISTS, NOT_FOUND
            (0x4445_5445_4C45_44, 0), (0x4445_4843_554F_54, 0):  // DELETED, TOUCHED
            (kind, line) = (ReplyKind.classic, .word)
        case (0x4E4F_4953_5245_56, 0):  // VERSION
            (kind, line) = (ReplyKind.classic, .text)
        case (0x524F_5252_45, 0), (0x455F_544E_4549_4C43, 0x524F_5252),  // ERROR, CLIENT_ERROR
            (0x455F_5245_5652_4553, 0x524F_5252):  // SERVER_ERROR
            (kind, line) = (ReplyKind.error, .text)
        case (0x4B4F, 0):  // OK
            (kind, line) = (ReplyKind.done, .word)
        case (0x5441_5453, 0):  // STAT
            (kind, line) = (ReplyKind.statistics, .statistic)
        case (0x4448, 0), (0x4E45, 0), (0x464E, 0), (0x534E, 0), (0x5845, 0),
            (0x454D, 0):  // HD, EN, NF, NS, EX, ME
            (kind, line) = (ReplyKind.meta, .text)
        case (0x4E4D, 0):  // MN
            (kind, line) = (ReplyKind.barrier, .word)
        default: return .violation
        }
        phase =
            switch line {
            case .bare: .lineFeed
            case .word: .blanks
            case .text, .statistic: .text
            case .value, .metaValue: .header
            }
        return note(kind)
    }

    /// Blanks or digits, if the line may have some here, and the line end.
    private mutating func endLine(_ bytes: Span<UInt8>, _ position: inout Int) -> Step {
        let byte = bytes[position]
        position &+= 1
        if hasCarriageReturn { return byte == UInt8(ascii: "\n") ? .line : .violation }
        switch byte {
        case UInt8(ascii: "\r"): hasCarriageReturn = true
        case UInt8(ascii: " ") where phase != .lineFeed: phase = .blanks
        case UInt8(ascii: "0")...UInt8(ascii: "9") where phase == .digits: break
        default: return .violation
        }
        return .goesOn
    }

    private mutating func skipText(_ bytes: Span<UInt8>, _ position: inout Int) -> Step {
        while position < bytes.count {
            position = bytes.firstControlCharacter(from: position)
            guard position < bytes.count else { return .goesOn }
            let byte = bytes[position]
            position &+= 1
            guard byte == UInt8(ascii: "\n") else {
                hasCarriageReturn = byte == UInt8(ascii: "\r")
                continue
            }
            guard hasCarriageReturn else { return .violation }
            hasCarriageReturn = false
            if phase == .text { return .line }
            phase = bytesLeft > 0 ? .data : .dataEnd
            return .goesOn
        }
        return .goesOn
    }

    /// Over one word before the size, or its blank, or to the size.
    private mutating func skipWords(_ bytes: Span<UInt8>, _ position: inout Int) -> Step {
        while position < bytes.count {
            guard bytes[position] == UInt8(ascii: " ") else {
                guard bytes[position] > 0x20 else { return .violation }
                position &+= 1
                continue
            }
            position &+= 1
            if wordsLeft == 0 {
                phase = .size
                return .goesOn
            }
            wordsLeft &-= 1
        }
        return .goesOn
    }

    private mutating func readSize(_ bytes: Span<UInt8>, _ position: inout Int) -> Step {
        while position < bytes.count {
            let byte = bytes[position]
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else {
                guard byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\r"), hasSize
                else { return .violation }
                phase = .headerRest
                return .goesOn
            }
            hasSize = true
            bytesLeft = bytesLeft &* 10 &+ Int(digit)
            guard bytesLeft <= Self.sizeMax else { return .violation }
            position &+= 1
        }
        return .goesOn
    }

    private mutating func endData(_ bytes: Span<UInt8>, _ position: inout Int) -> Step {
        let byte = bytes[position]
        position &+= 1
        guard hasCarriageReturn else {
            hasCarriageReturn = byte == UInt8(ascii: "\r")
            return hasCarriageReturn ? .goesOn : .violation
        }
        hasCarriageReturn = false
        return byte == UInt8(ascii: "\n") ? .line : .violation
    }
}
