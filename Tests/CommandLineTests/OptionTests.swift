import Foundation
import Testing

/// Every row of nutcracker's command line: what is printed, to the byte, and the exit status.
@Suite struct OptionTests {
    @Test(arguments: [
        ["-V"], ["--version"], ["--versi"], ["-tV"], ["word", "-V"], ["-V", "word"],
    ])
    func versionIsPrinted(arguments: [String]) throws {
        let outcome = try Invocation.run(Invocation.cashew, arguments)
        #expect(outcome == Outcome(output: "", errors: Texts.version, status: 0))
    }

    @Test(arguments: [["-h"], ["--help"], ["--h"], ["-dh"], ["-h", "-V"]])
    func helpIsPrintedAfterTheVersion(arguments: [String]) throws {
        let outcome = try Invocation.run(Invocation.cashew, arguments)
        let expected = Texts.version + Texts.usage
        #expect(outcome == Outcome(output: "", errors: expected, status: 0))
    }

    @Test(arguments: ["-D", "--describe-stats", "--des"])
    func statsAreDescribedAfterTheVersion(argument: String) throws {
        let outcome = try Invocation.run(argument)
        let expected = Texts.version + Texts.statsDescription
        #expect(outcome == Outcome(output: "", errors: expected, status: 0))
    }

    /// Arguments, and the line that comes before the usage.
    static let refusals: [([String], String)] = [
        (["-x"], "invalid option -- 'x'"),
        (["-?"], "invalid option -- '?'"),
        (["-V", "-x"], "invalid option -- 'x'"),
        (["--help=x"], "invalid option -- 'h'"),
        (["-v"], "option -v requires a number"),
        (["--verbose"], "option -v requires a number"),
        (["-v", "x"], "option -v requires a number"),
        (["-v", ""], "option -v requires a number"),
        (["-v", "-1"], "option -v requires a number"),
        (["-v", "+1"], "option -v requires a number"),
        (["--verbose=5x"], "option -v requires a number"),
        (["-o"], "option -o requires a file name"),
        (["--output"], "option -o requires a file name"),
        (["-c"], "option -c requires a file name"),
        (["--conf-file"], "option -c requires a file name"),
        (["-p"], "option -p requires a file name"),
        (["--pid-file"], "option -p requires a file name"),
        (["-a"], "option -a requires a string"),
        (["--stats-addr"], "option -a requires a string"),
        (["-s"], "option -s requires a number"),
        (["-s", "port"], "option -s requires a number"),
        (["-s", "2147483648"], "option -s requires a number"),
        (["-s", "0"], "option -s value 0 is not a valid port"),
        (["-s", "65536"], "option -s value 65536 is not a valid port"),
        (["-s", "4294967296"], "option -s value 0 is not a valid port"),
        (["-i"], "option -i requires a number"),
        (["-i", "-1"], "option -i requires a number"),
        (["--stats-interval="], "option -i requires a number"),
        (["-m"], "option -m requires a number"),
        (["-m", "x"], "option -m requires a non-zero number"),
        (["-m", "0"], "option -m requires a non-zero number"),
        (["-m", "511"], "mbuf chunk size must be between 512 and 16777216 bytes"),
        (["--mbuf-size=16777217"], "mbuf chunk size must be between 512 and 16777216 bytes"),
    ]

    /// The same for the options that nutcracker does not have.
    static let ownRefusals: [([String], String)] = [
        (["--workers"], "option --workers requires a number"),
        (["--workers="], "option --workers requires auto or a number from 1 to 256"),
        (["--workers=0"], "option --workers requires auto or a number from 1 to 256"),
        (["--workers=257"], "option --workers requires auto or a number from 1 to 256"),
        (["--workers", "many"], "option --workers requires auto or a number from 1 to 256"),
        // 1 after the wrap at 32 bits.
        (["--workers=4294967297"], "option --workers requires auto or a number from 1 to 256"),
        (["--memory"], "option --memory requires a number"),
        (["--memory=15"], "option --memory requires a number of MiB from 16 to 1048576"),
        (["--memory=1048577"], "option --memory requires a number of MiB from 16 to 1048576"),
        (["--shutdown-timeout"], "option --shutdown-timeout requires a number"),
        (
            ["--shutdown-timeout=86401"],
            "option --shutdown-timeout requires a number of seconds from 0 to 86400"
        ),
        (
            ["--shutdown-timeout=-1"],
            "option --shutdown-timeout requires a number of seconds from 0 to 86400"
        ),
        (["--where"], "option --where requires a key"),
        (
            ["--where", "a", "b"],
            "unexpected word 'b': every key needs a --where of its own"
        ),
        (
            ["--diff", "a"],
            "option --diff requires two configuration files, the old and the new, not 1"
        ),
        (
            ["a", "b", "--diff", "c"],
            "option --diff requires two configuration files, the old and the new, not 3"
        ),
        (["--workers=0"], "option --workers requires auto or a number from 1 to 256"),
        (["--workers", "some"], "option --workers requires auto or a number from 1 to 256"),
        (["--workers"], "option --workers requires a number"),
        (["--memory=15"], "option --memory requires a number of MiB from 16 to 1048576"),
        (
            ["--shutdown-timeout=-1"],
            "option --shutdown-timeout requires a number of seconds from 0 to 86400"
        ),
        (["--diff=x"], "option --diff takes no value"),
        (["--json=x"], "option --json takes no value"),
        (["--json"], "option --json requires --where or --diff"),
        (
            ["--diff", "a", "b", "--where", "c"],
            "options --where and --diff cannot be used together"
        ),
    ]

    /// Where nutcracker names a NUL byte, under either name.
    static let unknownNames: [([String], String)] = [
        (["--bogus"], "invalid option -- '--bogus'"),
        (["--bogus=x"], "invalid option -- '--bogus'"),
        (["-V", "--bogus", "x"], "invalid option -- '--bogus'"),
        (["--ver"], "invalid option -- '--ver', which may be '--version', '--verbose'"),
        (["--config-file", "x"], "invalid option -- '--config-file'; did you mean '--conf-file'?"),
        (["--hlep"], "invalid option -- '--hlep'; did you mean '--help'?"),
        (["--stats_port=1"], "invalid option -- '--stats_port'; did you mean '--stats-port'?"),
    ]

    @Test(arguments: refusals + ownRefusals + unknownNames)
    func refusalSaysWhyThenHow(arguments: [String], line: String) throws {
        let outcome = try Invocation.run(Invocation.cashew, arguments)
        let expected = "cashew: \(line)\n" + Texts.usage
        #expect(outcome == Outcome(output: "", errors: expected, status: 1))
    }

    /// The values at the edge of what is allowed, which `-V` shows to be accepted.
    @Test(arguments: [
        ["-v5"], ["-v", "5"], ["--verbose=5"], ["--verbose", "5"], ["--verb", "99"], ["-v", "007"],
        ["-s", "1"], ["-s65535"], ["-i", "0"], ["-m512"], ["-m", "16777216"], ["-o", ""],
        ["-a", ""], ["-c", ""], ["-p", ""], ["-d"], ["--daemonize"], ["--", "-x"],
        ["word", "--stats-port=22222", "word"], ["--where", "", "--json"],
        ["--workers=1"], ["--workers=256"], ["--workers", "auto"], ["--memory=16"],
        ["--memory=1048576"], ["--shutdown-timeout=0"], ["--shutdown-timeout=86400"],
        ["--diff", "a", "b"],
    ])
    func allowedValueIsAccepted(arguments: [String]) throws {
        let outcome = try Invocation.run(Invocation.cashew, ["-V"] + arguments)
        #expect(outcome == Outcome(output: "", errors: Texts.version, status: 0))
    }

    /// Under its old name the program keeps the old prefix and defaults: everything but the
    /// version block is what Debian's nutcracker prints.
    @Test(
        .enabled(if: Invocation.originalIsInstalled),
        arguments: refusals.map(\.0) + [["-h"], ["-V"], ["-D"], ["-hD"], ["--h", "-t"]])
    func answersAsNutcrackerUnderItsName(arguments: [String]) throws {
        let folder = try TemporaryFolder()
        let ours = try Invocation.run(folder.nutcracker(), arguments)
        var theirs = try Invocation.run(Invocation.original, arguments)
        theirs.errors = theirs.errors.replacing(
            "This is nutcracker-0.5.0\nasync event backend: epoll\n\n", with: Texts.version)
        #expect(ours == theirs)
    }
}
