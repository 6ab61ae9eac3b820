/// What the line says that a request of the memcache protocol starts with.
///
/// It is read as memcached 1.6.18 does, so that a server takes what is forwarded for one request,
/// and for the same. What memcached refuses without reading on is refused here, in its words;
/// what costs it nothing but a line in answer, such as a delta that is no number, is left to it.
///
/// Versions differ in what they take: 1.6.45 no blanks at the start of a line, and no `+` in a
/// length; 1.4.5 no `touch`, and says so even to `noreply`. A line goes out only in a form that all
/// from 1.4 to 1.6.45 give the same number of replies to, and take the same data block with. What
/// only some would take is refused, and its data block is swallowed.
///
/// Reference: memcached's doc/protocol.txt, proto_text.c and proto_parser.c
struct MemcacheRequest: BitwiseCopyable {
    static let keyLengthMax = 250
    /// Of a data block: what memcached refuses, and 64-bit numbers cut to 32 are no lengths.
    static let dataCountMax = Int(Int32.max) - 2
    /// memcached reads the flags of `ms` as far as this, and the others then as a new line.
    static let setFlagsMax = 16

    var verb = MemcacheVerb.unknown
    var problem = MemcacheProblem.none
    /// Whether memcached would not say if it was done.
    var isNoreply = false
    /// A meta command with `q`: some replies are left out.
    var isQuiet = false
    /// A meta command with `b`: the key is in base64, and stored decoded.
    var isBase64 = false
    /// A meta command that may make memcached forget that it was told a key in base64: from then on
    /// it answers `k` with the key as it is, line ends and all.
    var mayExposeKey = false
    /// Whether more keys may follow the first.
    var hasMoreKeys = false
    /// A server is to be asked for a reply that the client does not want: it might give one anyway.
    var dropsReply = false
    /// Bytes of the line, its line end included.
    var lineCount: UInt32 = 0
    /// What of the line a server gets, CR LF behind it: no blanks before the name, and no `noreply`
    /// that it might not know there.
    var kept = Extent()
    /// Of the data block, without its line end; -1 if there is none.
    var dataCount: Int32 = -1
    var name = Extent()
    var key = Extent()

    var hasData: Bool { dataCount >= 0 }

    /// Whether a server may get the line as it came.
    var isRegular: Bool { kept.start == 0 && kept.count &+ 2 == lineCount }

    /// Whether the line is nothing but `get key`, as clients write it.
    var isPlainGet: Bool {
        verb == .get && key.start == 4 && !hasMoreKeys && Int(lineCount) == key.count &+ 6
            && isRegular
    }

    /// - Parameters:
    ///   - line: Its line end included.
    ///   - hasNull: Whether there is a NUL in the line.
    init(line: Span<UInt8>, hasNull: Bool) {
        lineCount = UInt32(truncatingIfNeeded: line.count)
        let end = line.count &- line.lineEndCount
        var words = MemcacheWords(to: end)
        guard let name = words.next(in: line) else {
            problem = .unknownCommand
            return
        }
        self.name = name
        keep(to: end)
        verb = MemcacheVerb(line, name)
        switch verb {
        case .unknown: readUnknown(name, &words, in: line)
        case .get, .gets: readKeys(&words, in: line)
        case .gat, .gats:
            guard let expiry = words.next(in: line) else {
                problem = .unknownCommand
                return
            }
            readKeys(&words, in: line)
            if problem == .none, MemcacheNumber(line, expiry)?.isSigned != true {
                problem = .badExpiry
            }
        case .set, .add, .replace, .append, .prepend: readStorage(&words, in: line)
        case .cas: readStorage(&words, in: line, hasVersion: true)
        case .incr, .decr: readSimple(&words, in: line, more: 1...2)
        case .touch:
            readSimple(&words, in: line, more: 1...2)
            dropNoreplyOfTouch(in: line)
        case .delete:
            readSimple(&words, in: line, more: 0...2)
            checkDelete(in: line)
        case .flushAll: readWords(&words, in: line, 0...2)
        case .verbosity: readWords(&words, in: line, 1...2)
        case .version, .quit, .stats, .metaNoop: break
        case .metaGet, .metaDelete, .metaArithmetic, .metaDebug, .metaSet:
            readMeta(&words, in: line)
        }
        // Some versions end the line there. What would have been a data block is still one, as the
        // client meant it so.
        if hasNull, problem == .none { problem = .unknownCommand }
    }

    init() {}

    /// The same, of a line that has become what of it is kept.
    var regular: MemcacheRequest {
        var copy = self
        copy.name.offset &-= kept.offset
        if key.count > 0 { copy.key.offset &-= kept.offset }
        copy.kept.offset = 0
        copy.lineCount = kept.length &+ 2
        return copy
    }

    private mutating func keep(to end: Int) {
        kept.offset = name.offset
        kept.length = UInt32(truncatingIfNeeded: end) &- name.offset
    }
}

// MARK: - Parts of a line

extension MemcacheRequest {
    /// All keys that are left, and whether they may be some.
    private mutating func readKeys(_ words: inout MemcacheWords, in line: Span<UInt8>) {
        readKey(&words, in: line)
        guard hasMoreKeys else { return }
        while let key = words.next(in: line) {
            if key.count > Self.keyLengthMax { problem = .badLine }
        }
    }

    /// The key, and whether it may be one. Returns whether it may.
    @discardableResult
    private mutating func readKey(_ words: inout MemcacheWords, in line: Span<UInt8>) -> Bool {
        guard let key = words.next(in: line) else {
            problem = .unknownCommand
            return false
        }
        self.key = key
        hasMoreKeys = words.hasMore(in: line)
        if key.count > Self.keyLengthMax { problem = .badLine }
        return problem == .none
    }

    /// All words that are left. Returns their count; `noreply` counts only as the last.
    private mutating func readRest(_ words: inout MemcacheWords, in line: Span<UInt8>) -> Int {
        var count = 0
        var last = Extent()
        while let word = words.next(in: line) {
            last = word
            count &+= 1
        }
        isNoreply = line.isNoreply(last)
        return count
    }

    /// `touch` is unknown to memcached before 1.4.8, which says so even to `noreply`. So that is
    /// left out, and the reply is for nobody.
    private mutating func dropNoreplyOfTouch(in line: Span<UInt8>) {
        guard isNoreply, problem == .none else { return }
        var words = wordsBehindKey
        guard let expiry = words.next(in: line), words.hasMore(in: line),
            MemcacheNumber(line, expiry)?.isSigned == true
        else { return problem = .badExpiry }
        keep(to: expiry.start &+ expiry.count)
        dropsReply = true
    }

    /// `delete` may have a time, which must be 0, and `noreply`. Both is an error to memcached
    /// 1.4.0, which says so even to `noreply`; 1.6.45 deletes whatever the words are.
    private mutating func checkDelete(in line: Span<UInt8>) {
        var words = wordsBehindKey
        guard problem != .unknownCommand, let time = words.next(in: line) else { return }
        let isZero = time.count == 1 && line[time.start] == UInt8(ascii: "0")
        let isLast = !words.hasMore(in: line)
        guard isLast ? isZero || isNoreply : isZero && isNoreply else {
            return problem = .badDelete
        }
        guard !isLast, problem == .none else { return }
        keep(to: key.start &+ key.count)
        dropsReply = true
    }

    private var wordsBehindKey: MemcacheWords {
        MemcacheWords(from: key.start &+ key.count, to: kept.start &+ kept.count)
    }

    private mutating func readUnknown(
        _ name: Extent, _ words: inout MemcacheWords, in line: Span<UInt8>
    ) {
        problem = .unknownCommand
        var last = name
        while let word = words.next(in: line) { last = word }
        if line.extracting(last.range).hasPrefix("HTTP/") { problem = .hypertext }
    }

    /// A command of a key and some words more.
    private mutating func readSimple(
        _ words: inout MemcacheWords, in line: Span<UInt8>, more: ClosedRange<Int>
    ) {
        readKey(&words, in: line)
        guard problem != .unknownCommand else { return }
        if !more.contains(readRest(&words, in: line)) { refuseAsUnknown() }
    }

    /// A command of no key.
    private mutating func readWords(
        _ words: inout MemcacheWords, in line: Span<UInt8>, _ counts: ClosedRange<Int>
    ) {
        if !counts.contains(readRest(&words, in: line)) { refuseAsUnknown() }
    }

    /// memcached says so even to `noreply`, which it has not looked for yet.
    private mutating func refuseAsUnknown() {
        problem = .unknownCommand
        isNoreply = false
    }

    /// A command with a data block: key, flags, expiry, length, and the version of `cas`.
    private mutating func readStorage(
        _ words: inout MemcacheWords, in line: Span<UInt8>, hasVersion: Bool = false
    ) {
        readKey(&words, in: line)
        guard problem != .unknownCommand, let flags = words.next(in: line),
            let expiry = words.next(in: line), let length = words.next(in: line)
        else { return problem = .unknownCommand }
        var version: Extent?
        if hasVersion {
            version = words.next(in: line)
            guard version != nil else { return problem = .unknownCommand }
        }
        let count = readRest(&words, in: line)
        guard count <= 1 else { return refuseAsUnknown() }
        if count == 0 { isNoreply = line.isNoreply(version ?? length) }
        guard problem == .none else { return }
        guard let flags = MemcacheNumber(line, flags), flags.isUnsigned,
            let expiry = MemcacheNumber(line, expiry), expiry.isSigned,
            let length = MemcacheNumber(line, length), let dataCount = length.length
        else { return problem = .badLine }
        var isPlain = flags.isPlainUnsigned && expiry.isPlain && length.isPlainLength
        if let version {
            guard let version = MemcacheNumber(line, version), version.isUnsigned
            else { return problem = .badLine }
            isPlain = isPlain && version.isPlainVersion
        }
        self.dataCount = dataCount
        if !isPlain { problem = .badLine }
    }

    /// A meta command: a key, the length of the data block if it has one, and flags.
    private mutating func readMeta(_ words: inout MemcacheWords, in line: Span<UInt8>) {
        guard readKey(&words, in: line) else {
            if verb == .metaDebug { problem = .badLine }
            return
        }
        var length: MemcacheNumber?
        if verb == .metaSet {
            guard let word = words.next(in: line) else { return problem = .badLine }
            length = MemcacheNumber(line, word)
        }
        var flags = MetaFlags()
        while let flag = words.next(in: line) {
            let letter = line[flag.start]
            flags.add(letter)
            switch letter {
            case UInt8(ascii: "q"): isQuiet = verb != .metaDebug
            case UInt8(ascii: "b"):
                if verb != .metaDebug || flags.count == 1 && flag.count == 1 { isBase64 = true }
            case UInt8(ascii: "F"):
                if !isFlagsFlag(flag, in: line) { flags.refuse(.badLine) }
            case UInt8(ascii: "N") where verb == .metaGet: mayExposeKey = true
            case UInt8(ascii: "M") where verb == .metaSet:
                if isEndMode(flag, in: line) { mayExposeKey = true }
            default: break
            }
        }
        if verb == .metaArithmetic { mayExposeKey = true }
        switch verb {
        case .metaSet: readData(length, flags)
        case .metaGet: problem = flags.problem
        case .metaDebug: problem = flags.isStrange ? .badLine : .none
        default: problem = flags.problem == .none ? .none : .badFlag
        }
    }

    private mutating func readData(_ length: MemcacheNumber?, _ flags: MetaFlags) {
        guard flags.count <= Self.setFlagsMax else { return problem = .tooManyFlags }
        guard let length, let dataCount = length.length else { return problem = .badLine }
        self.dataCount = dataCount
        problem = length.isPlainLength ? flags.problem : .badLine
    }

    /// Whether the number in a flag `F` is one for every version of memcached.
    private func isFlagsFlag(_ flag: Extent, in line: Span<UInt8>) -> Bool {
        let word = Extent(offset: flag.offset &+ 1, length: flag.length &- 1)
        guard let number = MemcacheNumber(line, word) else { return false }
        return number.isPlainLength && !number.isNegative
            && number.magnitude <= UInt64(UInt32.max)
    }

    /// Whether a flag says that a value is to be added at an end: `MA` or `MP`.
    private func isEndMode(_ flag: Extent, in line: Span<UInt8>) -> Bool {
        guard flag.count > 1 else { return false }
        let letter = line[flag.start &+ 1] | 0x20
        return letter == UInt8(ascii: "a") || letter == UInt8(ascii: "p")
    }
}

/// The flags of a meta command, by their first bytes.
///
/// memcached 1.6.45 takes the line for no request, and a data block for the next ones, if a flag
/// starts with anything but a letter, a digit, or a sign between the capital and small letters.
/// Versions before it swallow the data block, and say what the first thing wrong is.
private struct MetaFlags: BitwiseCopyable {
    private(set) var count = 0
    private(set) var isStrange = false
    private var seen: UInt64 = 0
    private var isRefused = false
    private var first = MemcacheProblem.none

    var problem: MemcacheProblem { isRefused ? first : .none }

    mutating func add(_ letter: UInt8) {
        count &+= 1
        if letter > 64, letter < 123 {
            let bit: UInt64 = 1 << UInt64(letter &- 65)
            if seen & bit != 0, first == .none { first = .duplicateFlag }
            seen |= bit
        } else if letter &- UInt8(ascii: "0") >= 10 {
            isStrange = true
            refuse(letter < 127 ? .invalidFlag : .duplicateFlag)
        }
    }

    mutating func refuse(_ problem: MemcacheProblem) {
        isRefused = true
        if first == .none { first = problem }
    }
}
