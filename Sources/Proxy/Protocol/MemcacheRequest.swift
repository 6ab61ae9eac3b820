/// What the line says that a request of the memcache protocol starts with.
///
/// It is read as memcached 1.6.18 does, so that a server takes what is forwarded for one request,
/// and for the same. What memcached refuses without reading on is refused here, in its words;
/// what costs it nothing but a line in answer, such as a delta that is no number, is left to it.
///
/// Reference: memcached's doc/protocol.txt and proto_text.c
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
    /// Bytes of the line, its line end included.
    var lineCount: UInt32 = 0
    /// Of the data block, without its line end; -1 if there is none.
    var dataCount: Int32 = -1
    var name = Extent()
    var key = Extent()

    var hasData: Bool { dataCount >= 0 }

    /// Whether the line is nothing but `get key`, as clients write it.
    var isPlainGet: Bool {
        verb == .get && key.start == 4 && !hasMoreKeys && Int(lineCount) == key.count &+ 6
    }

    /// - Parameters:
    ///   - line: Its line end included.
    ///   - isClean: Whether there is no control character in the line.
    init(line: Span<UInt8>, isClean: Bool) {
        lineCount = UInt32(truncatingIfNeeded: line.count)
        var words = MemcacheWords(to: line.count &- 2)
        guard let name = words.next(in: line) else {
            problem = .unknownCommand
            return
        }
        self.name = name
        verb = MemcacheVerb(line, name)
        switch verb {
        case .unknown: readUnknown(&words, in: line)
        case .get, .gets: readKey(&words, in: line)
        case .gat, .gats:
            guard let expiry = words.next(in: line) else {
                problem = .unknownCommand
                return
            }
            readKey(&words, in: line)
            if problem == .none, line.integer(expiry) == nil { problem = .badExpiry }
        case .set, .add, .replace, .append, .prepend: readStorage(&words, in: line)
        case .cas: readStorage(&words, in: line, hasVersion: true)
        case .incr, .decr, .touch: readSimple(&words, in: line, more: 1...2)
        case .delete: readSimple(&words, in: line, more: 0...2)
        case .flushAll: readWords(&words, in: line, 0...2)
        case .verbosity: readWords(&words, in: line, 1...2)
        case .version, .quit, .stats, .metaNoop: break
        case .metaGet, .metaDelete, .metaArithmetic, .metaDebug, .metaSet:
            readMeta(&words, in: line)
        }
        if !isClean { refuseControlCharacters() }
    }

    init() {}

    /// A control character may be a line end to the server. What would have been a data block is
    /// still one, as the client meant it so.
    private mutating func refuseControlCharacters() {
        guard problem == .none else { return }
        problem = .badLine
    }
}

// MARK: - Parts of a line

extension MemcacheRequest {
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
        // "noreply"
        isNoreply = line.letters(of: last) == 0x796C_7065_726F_6E
        return count
    }

    private mutating func readUnknown(_ words: inout MemcacheWords, in line: Span<UInt8>) {
        problem = .unknownCommand
        var last = Extent()
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
        if count == 0, let version { isNoreply = line.letters(of: version) == 0x796C_7065_726F_6E }
        guard problem == .none else { return }
        guard line.isUnsigned(flags), line.integer(expiry) != nil,
            version.map({ line.isUnsigned($0) }) ?? true,
            let dataCount = line.integer(length), dataCount >= 0, dataCount <= Self.dataCountMax
        else { return problem = .badLine }
        self.dataCount = Int32(truncatingIfNeeded: dataCount)
    }

    /// A meta command: a key, the length of the data block if it has one, and flags.
    private mutating func readMeta(_ words: inout MemcacheWords, in line: Span<UInt8>) {
        guard readKey(&words, in: line) else {
            if verb == .metaDebug { problem = .badLine }
            return
        }
        if verb == .metaSet {
            guard let length = words.next(in: line), let dataCount = line.integer(length),
                dataCount >= 0, dataCount <= Self.dataCountMax
            else { return problem = .badLine }
            self.dataCount = Int32(truncatingIfNeeded: dataCount)
        }
        var flagCount = 0
        while let flag = words.next(in: line) {
            flagCount &+= 1
            switch line[flag.start] {
            case UInt8(ascii: "q"): isQuiet = verb != .metaDebug
            case UInt8(ascii: "b"): isBase64 = true
            case UInt8(ascii: "N") where verb == .metaGet: mayExposeKey = true
            case UInt8(ascii: "M") where verb == .metaSet:
                if isEndMode(flag, in: line) { mayExposeKey = true }
            default: break
            }
        }
        if verb == .metaArithmetic { mayExposeKey = true }
        if verb == .metaSet, flagCount > Self.setFlagsMax {
            problem = .tooManyFlags
            dataCount = -1
        }
    }

    /// Whether a flag says that a value is to be added at an end: `MA` or `MP`.
    private func isEndMode(_ flag: Extent, in line: Span<UInt8>) -> Bool {
        guard flag.count > 1 else { return false }
        let letter = line[flag.start &+ 1] | 0x20
        return letter == UInt8(ascii: "a") || letter == UInt8(ascii: "p")
    }
}
