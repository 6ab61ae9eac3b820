/// The commands of memcached's text protocol that the proxy knows. All others are refused.
enum MemcacheVerb: UInt8 {
    case unknown
    case get, gets, gat, gats
    case set, add, replace, append, prepend, cas
    case incr, decr, touch, delete
    case flushAll, verbosity, version, quit, stats
    case metaGet, metaSet, metaDelete, metaArithmetic, metaDebug, metaNoop

    init(_ line: Span<UInt8>, _ word: Extent) {
        switch line.letters(of: word) {
        case 0x746567: self = .get
        case 0x73746567: self = .gets
        case 0x746167: self = .gat
        case 0x73746167: self = .gats
        case 0x746573: self = .set
        case 0x646461: self = .add
        case 0x6563616C706572: self = .replace
        case 0x646E65707061: self = .append
        case 0x646E6570657270: self = .prepend
        case 0x736163: self = .cas
        case 0x72636E69: self = .incr
        case 0x72636564: self = .decr
        case 0x6863756F74: self = .touch
        case 0x6574656C6564: self = .delete
        case 0x6E6F6973726576: self = .version
        case 0x74697571: self = .quit
        case 0x7374617473: self = .stats
        case 0x676D: self = .metaGet
        case 0x736D: self = .metaSet
        case 0x646D: self = .metaDelete
        case 0x616D: self = .metaArithmetic
        case 0x656D: self = .metaDebug
        case 0x6E6D: self = .metaNoop
        case 0:
            let name = line.extracting(word.range)
            self =
                name.isEqual(to: "flush_all")
                ? .flushAll : name.isEqual(to: "verbosity") ? .verbosity : .unknown
        default: self = .unknown
        }
    }

    var hasData: Bool {
        switch self {
        case .set, .add, .replace, .append, .prepend, .cas, .metaSet: true
        default: false
        }
    }
}

/// Why the proxy answers a request itself, with an error in memcached's own words.
enum MemcacheProblem: UInt8 {
    case none
    case unknownCommand, badLine, badDelete, badExpiry, badDataChunk, badKey
    case tooManyFlags, invalidFlag, duplicateFlag, badFlag
    /// The stream cannot be followed any further.
    case tooLongLine, binaryProtocol
    /// A browser was made to speak to the proxy. As memcached does, it gets no answer.
    case hypertext

    var endsConnection: Bool {
        switch self {
        case .tooLongLine, .binaryProtocol, .hypertext: true
        default: false
        }
    }

    var text: StaticString {
        switch self {
        case .none, .unknownCommand: "ERROR\r\n"
        case .badLine: "CLIENT_ERROR bad command line format\r\n"
        case .badDelete:
            "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
        case .badExpiry: "CLIENT_ERROR invalid exptime argument\r\n"
        case .badDataChunk: "CLIENT_ERROR bad data chunk\r\n"
        case .tooManyFlags: "CLIENT_ERROR options flags too long\r\n"
        case .invalidFlag: "CLIENT_ERROR invalid flag\r\n"
        case .badFlag: "CLIENT_ERROR invalid or duplicate flag\r\n"
        case .duplicateFlag: "CLIENT_ERROR duplicate flag\r\n"
        case .badKey: "CLIENT_ERROR error decoding key\r\n"
        case .tooLongLine: "CLIENT_ERROR line too long\r\n"
        case .binaryProtocol: "CLIENT_ERROR the binary protocol is not supported\r\n"
        case .hypertext: ""
        }
    }
}
