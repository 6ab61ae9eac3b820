/// Does what the command line asks. Returns the exit status.
///
/// nutcracker's precedence: anything that only prints, then `-t`, then the proxy.
/// `--where` and `--diff` only print.
func execute() -> Int32 {
    let program = Program.called(CommandLine.arguments.first ?? "")
    let options: Options
    do {
        options = try Options.parse(for: program)
    } catch {
        printError("\(program.name): \(error)\n" + Usage.help(for: program))
        return 1
    }
    if options.showsVersion {
        let help = options.showsHelp ? Usage.help(for: program) : ""
        let statistics = options.describesStats ? Usage.statsDescription : ""
        printError(Usage.version + help + statistics)
        return 0
    }
    if !options.keys.isEmpty { return printPlaces(options) }
    if let paths = options.comparedPaths { return printDifference(of: paths, options) }
    return options.testsConfiguration ? testConfiguration(options) : run(options)
}
