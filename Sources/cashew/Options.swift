import Config

/// What the command line asks for. Every field has nutcracker's meaning and limits.
struct Options: Sendable, Equatable {
    let program: Program
    var showsVersion = false
    var showsHelp = false
    var describesStats = false
    var testsConfiguration = false
    var daemonizes = false
    /// 0 to 11; see `LogLevel`.
    var logLevel = 5
    /// Empty is stderr.
    var logPath: String
    var configurationPath: String
    var statsPort: UInt16 = 22222
    /// An address, a name, or the path of a unix socket.
    var statsAddress = "0.0.0.0"
    /// In milliseconds, 0 or more. Without effect: the statistics are always of now.
    var statsInterval: Int32 = 30_000
    /// Nil where the operator named none; then `Program.pidPath` counts, with `-d` only.
    var namedPidPath: String?
    /// In bytes, 512 to 16 MiB.
    var mbufSize: Int32 = 16_384
    /// Threads that serve clients; nil for one per core.
    var workerCount: Int32? = 1
    /// How long requests in flight may take to finish at the end, in seconds.
    var shutdownTimeout: Int32 = 10
    /// What messages may take of memory, in MiB.
    var memoryMax: Int32 = 1024
    /// What `--where` names, in its order. Not empty: print where they belong, and exit.
    var keys: [[UInt8]] = []
    /// `--diff`: the two files to compare, and exit.
    var comparedPaths: ComparedPaths?
    /// `--json`
    var printsJSON = false

    struct ComparedPaths: Sendable, Equatable {
        let old: String
        let new: String
    }

    init(program: Program) {
        self.program = program
        logPath = program.logPath
        configurationPath = program.configurationPath
    }

    /// Where the statistics are. nutcracker takes what starts with a slash for a path.
    var statsListen: ListenAddress {
        statsAddress.utf8.first == UInt8(ascii: "/")
            ? .unix(path: statsAddress, permissions: nil)
            : .tcp(host: statsAddress, port: statsPort)
    }

    /// Nil is no pid file.
    var pidPath: String? {
        let path = namedPidPath ?? (daemonizes ? program.pidPath : "")
        return path.isEmpty ? nil : path
    }
}

/// The options that nutcracker does not have. None has a short form: the letters are left to it.
///
/// The values are what getopt_long(3) returns for them, outside of ASCII.
enum OwnOption: UInt8, CaseIterable {
    case place = 128
    case difference, json, workers, shutdownTimeout, memory

    var name: StaticString {
        switch self {
        case .place: "where"
        case .difference: "diff"
        case .json: "json"
        case .workers: "workers"
        case .shutdownTimeout: "shutdown-timeout"
        case .memory: "memory"
        }
    }
}

/// A command line that cannot be followed. The texts for nutcracker's options are nutcracker's.
enum OptionsError: Error, Equatable, CustomStringConvertible {
    case invalidOption(UInt8)
    /// A long option that is none, or an abbreviation of several.
    case unknownOption(String, hint: String)
    case missingFileName(UInt8)
    case missingString(UInt8)
    case notANumber(UInt8)
    case notAPositiveNumber(UInt8)
    case invalidPort(UInt8, value: Int32)
    case mbufSizeOutOfRange
    case missingKey
    case missingNumber(UInt8)
    case outOfRange(OwnOption, expected: String)
    case unexpectedValue(OwnOption)
    case comparedFileCount(Int)
    case unexpectedWord(String)
    case contradiction
    case nothingToPrintAsJSON

    var description: String {
        switch self {
        case .invalidOption(let letter): "invalid option -- '\(character(letter))'"
        case .unknownOption(let name, let hint): "invalid option -- '\(printable(name))'\(hint)"
        case .missingFileName(let letter): "option -\(character(letter)) requires a file name"
        case .missingString(let letter): "option -\(character(letter)) requires a string"
        case .notANumber(let letter): "option -\(character(letter)) requires a number"
        case .notAPositiveNumber(let letter):
            "option -\(character(letter)) requires a non-zero number"
        case .invalidPort(let letter, let value):
            "option -\(character(letter)) value \(value) is not a valid port"
        case .mbufSizeOutOfRange:
            "mbuf chunk size must be between \(mbufSizes.lowerBound) and "
                + "\(mbufSizes.upperBound) bytes"
        case .missingKey: "option --where requires a key"
        case .missingNumber(let letter):
            "option --\(OwnOption(rawValue: letter)?.name ?? "") requires a number"
        case .outOfRange(let option, let expected): "option --\(option.name) requires \(expected)"
        case .unexpectedValue(let option): "option --\(option.name) takes no value"
        case .comparedFileCount(let count):
            "option --diff requires two configuration files, the old and the new, not \(count)"
        case .unexpectedWord(let word):
            "unexpected word '\(word)': every key needs a --where of its own"
        case .contradiction: "options --where and --diff cannot be used together"
        case .nothingToPrintAsJSON: "option --json requires --where or --diff"
        }
    }

    private func character(_ letter: UInt8) -> Character {
        Character(Unicode.Scalar(letter))
    }
}

private let mbufSizes: ClosedRange<Int32> = 512...16_777_216
private let workerCounts: ClosedRange<Int32> = 1...256
private let shutdownTimeouts: ClosedRange<Int32> = 0...86_400
private let memorySizes: ClosedRange<Int32> = 16...1_048_576

extension Options {
    /// Reads the whole command line of the process before anything is done about it, as
    /// nutcracker does. Words that are not options are ignored, but for `--where` and `--diff`.
    static func parse(for program: Program) throws(OptionsError) -> Options {
        var options = Options(program: program)
        var isDifference = false
        while let option = nextOption() {
            if option.letter == OwnOption.difference.rawValue {
                isDifference = true
            } else {
                try options.apply(option)
            }
        }
        try options.apply(words: wordsAfterOptions(), isDifference: isDifference)
        return options
    }

    private mutating func apply(words: [String], isDifference: Bool) throws(OptionsError) {
        if isDifference {
            guard keys.isEmpty else { throw .contradiction }
            guard words.count == 2 else { throw .comparedFileCount(words.count) }
            comparedPaths = ComparedPaths(old: words[0], new: words[1])
        } else if keys.isEmpty {
            guard !printsJSON else { throw .nothingToPrintAsJSON }
        } else if let word = words.first {
            throw .unexpectedWord(word)
        }
    }

    private mutating func apply(_ option: ScannedOption) throws(OptionsError) {
        let argument = option.argument
        switch option.letter {
        case UInt8(ascii: "h"): (showsVersion, showsHelp) = (true, true)
        case UInt8(ascii: "V"): showsVersion = true
        case UInt8(ascii: "D"): (showsVersion, describesStats) = (true, true)
        case UInt8(ascii: "t"): testsConfiguration = true
        case UInt8(ascii: "d"): daemonizes = true
        case UInt8(ascii: "v"): logLevel = min(Int(try number(option)), LogLevel.highest)
        case UInt8(ascii: "o"): logPath = argument
        case UInt8(ascii: "c"): configurationPath = argument
        case UInt8(ascii: "s"): statsPort = try port(option)
        case UInt8(ascii: "a"): statsAddress = argument
        case UInt8(ascii: "i"): statsInterval = try number(option)
        case UInt8(ascii: "p"): namedPidPath = argument
        case UInt8(ascii: "m"): mbufSize = try mbufSize(option)
        default:
            guard let own = OwnOption(rawValue: option.letter) else {
                throw option.refusedLetter == 0
                    ? unknownOption(option.word) : reason(refused: option.refusedLetter)
            }
            try apply(own, option)
        }
    }

    private mutating func apply(
        _ own: OwnOption, _ option: ScannedOption
    ) throws(OptionsError) {
        switch own {
        case .place: keys.append(option.bytes)
        case .json: printsJSON = true
        case .difference: break
        case .workers where option.argument == "auto": workerCount = nil
        case .workers:
            workerCount = try number(
                own, option, workerCounts, "auto or a number from 1 to 256")
        case .shutdownTimeout:
            shutdownTimeout = try number(
                own, option, shutdownTimeouts, "a number of seconds from 0 to 86400")
        case .memory:
            memoryMax = try number(own, option, memorySizes, "a number of MiB from 16 to 1048576")
        }
    }

    private func number(
        _ own: OwnOption, _ option: ScannedOption, _ range: ClosedRange<Int32>,
        _ expected: String
    ) throws(OptionsError) -> Int32 {
        guard let value = decimal(option.argument), range.contains(value),
            option.argument.utf8.count <= 7
        else { throw .outOfRange(own, expected: expected) }
        return value
    }

    /// The long options, without their dashes.
    private static let longNames =
        [
            "help", "version", "test-conf", "daemonize", "describe-stats", "verbose", "output",
            "conf-file", "stats-port", "stats-addr", "stats-interval", "pid-file", "mbuf-size",
        ] + OwnOption.allCases.map { "\($0.name)" }

    private func unknownOption(_ word: String) -> OptionsError {
        let name = String(word.prefix { $0 != "=" })
        let typed = String(name.drop { $0 == "-" })
        let meant = Self.longNames.filter { !typed.isEmpty && $0.hasPrefix(typed) }
        if meant.count > 1 {
            let list = meant.map { "'--\($0)'" }.joined(separator: ", ")
            return .unknownOption(name, hint: ", which may be \(list)")
        }
        let guess = nearest(to: typed, among: Self.longNames)
        return .unknownOption(name, hint: guess.map { "; did you mean '--\($0)'?" } ?? "")
    }

    /// Says why the scanner refused an option: for a known one its argument is missing.
    private func reason(refused letter: UInt8) -> OptionsError {
        switch letter {
        case UInt8(ascii: "o"), UInt8(ascii: "c"), UInt8(ascii: "p"): .missingFileName(letter)
        case UInt8(ascii: "a"): .missingString(letter)
        case UInt8(ascii: "m"), UInt8(ascii: "v"), UInt8(ascii: "s"), UInt8(ascii: "i"):
            .notANumber(letter)
        case OwnOption.place.rawValue: .missingKey
        case OwnOption.workers.rawValue, OwnOption.memory.rawValue,
            OwnOption.shutdownTimeout.rawValue:
            .missingNumber(letter)
        default: OwnOption(rawValue: letter).map { .unexpectedValue($0) } ?? .invalidOption(letter)
        }
    }

    private func number(_ option: ScannedOption) throws(OptionsError) -> Int32 {
        guard let value = decimal(option.argument) else { throw .notANumber(option.letter) }
        return value
    }

    private func port(_ option: ScannedOption) throws(OptionsError) -> UInt16 {
        let value = try number(option)
        guard let port = UInt16(exactly: value), port > 0 else {
            throw .invalidPort(option.letter, value: value)
        }
        return port
    }

    private func mbufSize(_ option: ScannedOption) throws(OptionsError) -> Int32 {
        guard let value = decimal(option.argument), value > 0 else {
            throw .notAPositiveNumber(option.letter)
        }
        guard mbufSizes.contains(value) else { throw .mbufSizeOutOfRange }
        return value
    }
}

/// Digits only: no sign, no blank. Wraps at 32 bits as nutcracker's own reader does; nil when
/// what is left is negative.
private func decimal(_ text: String) -> Int32? {
    guard !text.isEmpty else { return nil }
    var value: Int32 = 0
    for byte in text.utf8 {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        value = value &* 10 &+ Int32(byte - UInt8(ascii: "0"))
    }
    return value < 0 ? nil : value
}
