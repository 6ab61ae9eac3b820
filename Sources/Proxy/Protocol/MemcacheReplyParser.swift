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
        case start, word, reason, blanks, text, digits, lineFeed
        /// In the words before the size of a data block; in the size; behind it.
        case header, size, headerRest
        case data, dataEnd
    }

    /// What a line is, by its first word.
    private enum Line: UInt8 {
        /// Nothing may follow; blanks may; anything may; what follows tells more.
        case bare, word, text, reason
        case value, metaValue, statistic
    }

    private var phase = Phase.start
    private(set) var kind: UInt8 = 0
    private var line = Line.bare
    /// There was a line of this reply before.
    private var isInside = false
    private var hasCarriageReturn = false
    /// Of a word, its first eight letters and the next eight, the first lowest.
    private var letters: UInt64 = 0
    private var moreLetters: UInt64 = 0
    private var letterCount: UInt8 = 0
    /// Words still to come before the size.
    private var wordsLeft: UInt8 = 0
    private var bytesLeft = 0
    private var hasSize = false
    private var keyCount: UInt8 = 0

    /// Whether the next byte starts a new reply.
    var isAtStart: Bool { phase == .start && !isInside }

    /// Where the key is in the header of a value, from the start of the line.
    var keyOfValue: Range<Int> { 6..<6 &+ Int(keyCount) }

    /// Far more than memcached sends.
    static let sizeMax = 1 << 40

    /// Consumes bytes up to the end of one reply; of a get, up to the end of a piece of it.
    ///
    /// - Parameters:
    ///   - position: Where to start, and afterwards where the reply ended, or the count.
    ///   - words: What the reply may start with. Those with `value` are of gets.
    mutating func parse(
        _ bytes: Span<UInt8>, from position: inout Int, expecting words: MemcacheReplyWords
    ) -> ReplyOutcome {
        if phase == .start, let outcome = skipWhole(bytes, &position, words) { return outcome }
        while position < bytes.count {
            let step: Step
            switch phase {
            case .start: step = start(bytes[position], words)
            case .word: step = readWord(bytes, &position, words)
            case .reason: step = readReason(bytes, &position, words)
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
            case .header: return .header
            case .line:
                phase = .start
                if line == .value { return .value }
                isInside = line == .statistic
                if !isInside { return words.contains(.value) ? .end : .reply }
            }
        }
        let isInData = phase == .data || phase == .dataEnd
        return words.contains(.value) && !isInData ? .cutLine : .incomplete
    }

    /// Moves over a value that lies in these bytes as a whole, or over the end of a get's reply, or
    /// the reply to a `set`, in the form that memcached gives them. Nearly all replies are no more
    /// than that. Returns nil for everything else.
    private mutating func skipWhole(
        _ bytes: Span<UInt8>, _ position: inout Int, _ words: MemcacheReplyWords
    ) -> ReplyOutcome? {
        guard bytes.count &- position >= 8 else {
            // What is behind a value may be shorter than a word.
            guard words.contains(.value), bytes.count &- position >= 5, position >= 3,
                bytes.loadWord(at: position &- 3) >> 24 == 0x0A0D_444E_45  // END CR LF
            else { return nil }
            return endWhole(.end, &position, count: 5)
        }
        let word = bytes.loadWord(at: position)
        guard words.contains(.value) else {
            guard word == 0x0A0D_4445_524F_5453, words.contains(.stored) else { return nil }
            return endWhole(.reply, &position, count: 8)  // STORED CR LF
        }
        if word & 0xFF_FFFF_FFFF == 0x0A0D_444E_45 { return endWhole(.end, &position, count: 5) }
        guard word & 0xFFFF_FFFF_FFFF == 0x2045_554C_4156,  // VALUE and a blank
            let end = endOfValue(bytes, from: position &+ 6)
        else { return nil }
        return endWhole(.wholeValue, &position, count: end &- position)
    }

    private mutating func endWhole(
        _ outcome: ReplyOutcome, _ position: inout Int, count: Int
    ) -> ReplyOutcome {
        kind = ReplyKind.other
        isInside = false
        position &+= count
        return outcome
    }

    /// Where the data block of a value ends; nil if it is not all there, or anything is unusual.
    ///
    /// - Parameter start: Where the key is.
    private mutating func endOfValue(_ bytes: Span<UInt8>, from start: Int) -> Int? {
        let keyEnd = bytes.firstBlank(from: start)
        let flagsEnd = bytes.firstBlank(from: keyEnd &+ 1)
        guard flagsEnd &+ 3 < bytes.count, keyEnd > start, flagsEnd > keyEnd &+ 1,
            keyEnd &- start <= MemcacheRequest.keyLengthMax,
            bytes[keyEnd] == UInt8(ascii: " "), bytes[flagsEnd] == UInt8(ascii: " ")
        else { return nil }
        keyCount = UInt8(truncatingIfNeeded: keyEnd &- start)
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
        case goesOn, header, line, violation
    }

    private mutating func start(_ byte: UInt8, _ words: MemcacheReplyWords) -> Step {
        letters = 0
        moreLetters = 0
        letterCount = 0
        bytesLeft = 0
        keyCount = 0
        hasSize = false
        hasCarriageReturn = false
        guard byte &- UInt8(ascii: "0") >= 10 else {
            line = .word
            phase = .digits
            return note(.number, of: words)
        }
        phase = .word
        return .goesOn
    }

    /// A line is of this kind. The kind of a reply is that of its first line.
    private mutating func note(
        _ word: MemcacheReplyWords, of words: MemcacheReplyWords, _ kind: UInt8 = ReplyKind.other
    ) -> Step {
        if !isInside { self.kind = kind }
        return words.contains(word) ? .goesOn : .violation
    }

    /// Keeps one more letter of a word.
    private mutating func add(_ letter: UInt8) {
        let shift = UInt64(letterCount & 7) &* 8
        if letterCount < 8 {
            letters |= UInt64(letter) << shift
        } else {
            moreLetters |= UInt64(letter) << shift
        }
        letterCount &+= 1
    }

    private mutating func readWord(
        _ bytes: Span<UInt8>, _ position: inout Int, _ words: MemcacheReplyWords
    ) -> Step {
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\r") { return beginLine(words) }
            guard byte > 0x20, letterCount < 16 else { return .violation }
            add(byte)
            position &+= 1
        }
        return .goesOn
    }

    /// The first word is complete, and what ends it comes next.
    private mutating func beginLine(_ words: MemcacheReplyWords) -> Step {
        guard let (word, line) = Self.line(letters, moreLetters) else { return .violation }
        self.line = line
        phase =
            switch line {
            case .bare: .lineFeed
            case .word: word == .ok && words.contains(.metaDone) ? .text : .blanks
            case .text, .statistic: .text
            case .reason: .reason
            case .value, .metaValue: .header
            }
        wordsLeft = line == .value ? 2 : 0
        letters = 0
        moreLetters = 0
        letterCount = 0
        guard line != .reason else { return .goesOn }
        let kind =
            switch word {
            case .serverError, .misunderstood: ReplyKind.error
            case .barrier: ReplyKind.barrier
            default: ReplyKind.other
            }
        return note(word, of: words, kind)
    }

    private static func line(
        _ letters: UInt64, _ moreLetters: UInt64
    ) -> (MemcacheReplyWords, Line)? {
        switch (letters, moreLetters) {
        case (0x4555_4C41_56, 0): (.value, .value)  // VALUE
        case (0x444E45, 0): (.end, .bare)  // END
        case (0x4445_524F_5453, 0): (.stored, .word)  // STORED
        case (0x524F_5453_5F54_4F4E, 0x4445): (.notStored, .word)  // NOT_STORED
        case (0x5354_5349_5845, 0): (.exists, .word)  // EXISTS
        case (0x4E55_4F46_5F54_4F4E, 0x44): (.notFound, .word)  // NOT_FOUND
        case (0x4445_5445_4C45_44, 0): (.deleted, .word)  // DELETED
        case (0x4445_4843_554F_54, 0): (.touched, .word)  // TOUCHED
        case (0x4E4F_4953_5245_56, 0): (.version, .text)  // VERSION
        case (0x524F_5252_45, 0): (.misunderstood, .text)  // ERROR
        case (0x455F_544E_4549_4C43, 0x524F_5252): (.otherClientError, .reason)  // CLIENT_ERROR
        case (0x455F_5245_5652_4553, 0x524F_5252): (.serverError, .text)  // SERVER_ERROR
        case (0x4B4F, 0): (.ok, .word)  // OK
        case (0x5441_5453, 0): (.statistic, .statistic)  // STAT
        case (0x4156, 0): (.metaValue, .metaValue)  // VA
        case (0x4448, 0): (.metaDone, .text)  // HD
        case (0x4E45, 0): (.metaMiss, .text)  // EN
        case (0x464E, 0): (.metaNotFound, .text)  // NF
        case (0x534E, 0): (.metaNotStored, .text)  // NS
        case (0x5845, 0): (.metaExists, .text)  // EX
        case (0x454D, 0): (.metaDebug, .text)  // ME
        case (0x4E4D, 0): (.barrier, .word)  // MN
        default: nil
        }
    }

    /// The first sixteen bytes behind `CLIENT_ERROR`, its blank included, say what is wrong.
    private mutating func readReason(
        _ bytes: Span<UInt8>, _ position: inout Int, _ words: MemcacheReplyWords
    ) -> Step {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte >= 0x20, letterCount < 16 else {
                phase = .text
                return note(Self.reason(letters, moreLetters), of: words, ReplyKind.error)
            }
            add(byte)
            position &+= 1
        }
        return .goesOn
    }

    private static func reason(_ letters: UInt64, _ moreLetters: UInt64) -> MemcacheReplyWords {
        switch (letters, moreLetters) {
        case (0x6D6F_6320_6461_6220, _),  // " bad com"mand line format
            (0x6F74_2065_6E69_6C20, _):  // " line to"o long
            .misunderstood
        case (0x7461_6420_6461_6220, _): .badDataChunk  // " bad dat"a chunk
        case (0x2074_6F6E_6E61_6320, _): .notNumeric  // " cannot "increment
        case (0x6469_6C61_766E_6920, 0x6369_7265_6D75_6E20): .badDelta  // " invalid numeric"
        case (0x6469_6C61_766E_6920, 0x656D_6974_7078_6520): .badExpiry  // " invalid exptime"
        case (0x615F_6873_756C_6620, _): .notAllowed  // " flush_a"ll not allowed
        case (0x6568_7475_616E_7520, _), (0x746E_6568_7475_6120, _),  // " unauthe", " authent"
            (0x6F74_2068_7475_6120, _), (0x7475_6120_6461_6220, _):  // " auth to", " bad aut"
            .unauthenticated
        default: .otherClientError
        }
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
            return line == .value ? .header : .goesOn
        }
        return .goesOn
    }

    /// Over one word before the size, or its blank, or to the size.
    private mutating func skipWords(_ bytes: Span<UInt8>, _ position: inout Int) -> Step {
        while position < bytes.count {
            guard bytes[position] == UInt8(ascii: " ") else {
                guard takeHeader(bytes[position]) else { return .violation }
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

    /// One more byte of a word before the size. Returns whether it may be there: in a key all but
    /// NUL and line feeds may.
    private mutating func takeHeader(_ byte: UInt8) -> Bool {
        guard line == .value, wordsLeft == 1 else { return byte > 0x20 }
        guard byte != 0, byte != UInt8(ascii: "\n"), keyCount < MemcacheRequest.keyLengthMax
        else { return false }
        keyCount &+= 1
        return true
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
