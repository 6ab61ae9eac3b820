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
    var statsAddress = "0.0.0.0"
    /// In milliseconds, 0 or more.
    var statsInterval: Int32 = 30_000
    /// Nil where the operator named none; then `Program.pidPath` counts, with `-d` only.
    var namedPidPath: String?
    /// In bytes, 512 to 16 MiB.
    var mbufSize: Int32 = 16_384

    init(program: Program) {
        self.program = program
        logPath = program.logPath
        configurationPath = program.configurationPath
    }

    /// Nil is no pid file.
    var pidPath: String? {
        let path = namedPidPath ?? (daemonizes ? program.pidPath : "")
        return path.isEmpty ? nil : path
    }
}

/// A command line that cannot be followed. The texts are nutcracker's.
enum OptionsError: Error, Equatable, CustomStringConvertible {
    case invalidOption(UInt8)
    case missingFileName(UInt8)
    case missingString(UInt8)
    case notANumber(UInt8)
    case notAPositiveNumber(UInt8)
    case invalidPort(UInt8, value: Int32)
    case mbufSizeOutOfRange

    var description: String {
        switch self {
        case .invalidOption(let letter): "invalid option -- '\(character(letter))'"
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
        }
    }

    private func character(_ letter: UInt8) -> Character {
        Character(Unicode.Scalar(letter))
    }
}

private let mbufSizes: ClosedRange<Int32> = 512...16_777_216

extension Options {
    /// Reads the whole command line of the process before anything is done about it, as
    /// nutcracker does. Words that are not options are ignored.
    static func parse(for program: Program) throws(OptionsError) -> Options {
        var options = Options(program: program)
        while let option = nextOption() {
            try options.apply(option)
        }
        return options
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
        default: throw reason(refused: option.refusedLetter)
        }
    }

    /// Says why the scanner refused an option: for a known one its argument is missing.
    private func reason(refused letter: UInt8) -> OptionsError {
        switch letter {
        case UInt8(ascii: "o"), UInt8(ascii: "c"), UInt8(ascii: "p"): .missingFileName(letter)
        case UInt8(ascii: "a"): .missingString(letter)
        case UInt8(ascii: "m"), UInt8(ascii: "v"), UInt8(ascii: "s"), UInt8(ascii: "i"):
            .notANumber(letter)
        default: .invalidOption(letter)
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
