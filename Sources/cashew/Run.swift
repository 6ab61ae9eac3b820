import Admin
import Config
import Proxy

/// Checks the configuration and says whether it can be used: `-t`. Returns the exit status.
func testConfiguration(_ options: Options) -> Int32 {
    let subject = "\(options.program.name): configuration file '\(options.configurationPath)'"
    do {
        let configuration = try loadUsable(options)
        if let warning = descriptorWarning(of: configuration, options) {
            printError("\(options.program.name): warning: \(warning)\n")
        }
    } catch {
        printError("\(options.program.name): \(error)\n\(subject) syntax is invalid\n")
        return 1
    }
    if let problem = options.statsListen.problem {
        printError(
            "\(options.program.name): the statistics cannot be on "
                + "\(quoted(options.statsListen.text)), which \(problem)\n")
        return 1
    }
    printError("\(subject) syntax is ok\n")
    return 0
}

/// What the file may want and the limit of open files does not give.
private func descriptorWarning(of configuration: Configuration, _ options: Options) -> String? {
    configuration.descriptorWarning(
        workerCount: options.proxyWorkerCount, descriptorMax: Descriptors.limit)
}

/// Runs the proxy until a signal ends it. Returns the exit status.
///
/// In nutcracker's order: log, daemon, signals, pid file, start line, configuration, proxy.
func run(_ options: Options) -> Int32 {
    let log: Log
    do {
        log = try Log(path: options.logPath, level: options.logLevel)
    } catch {
        printError("opening log file '\(options.logPath)' failed: \(error)\n")
        return 1
    }
    do {
        if options.daemonizes { try becomeDaemon() }
        let signals = try SignalQueue(SignalAction.signals)
        return runWithPidFile(options, log: log, signals: signals)
    } catch {
        log.write(.error, "starting the process failed: \(error)")
        return 1
    }
}

private func runWithPidFile(
    _ options: Options, log: Log, signals: borrowing SignalQueue
) -> Int32 {
    guard let path = options.pidPath else {
        return runProxy(options, log: log, signals: signals)
    }
    do {
        let pidFile = try PidFile(path: path)
        let status = runProxy(options, log: log, signals: signals)
        pidFile.remove()
        return status
    } catch .inUse {
        log.write(.error, "pid file '\(path)' is held by another process, which is running")
    } catch {
        log.write(.error, "opening pid file '\(path)' failed: \(error)")
    }
    return 1
}

private func runProxy(_ options: Options, log: Log, signals: borrowing SignalQueue) -> Int32 {
    log.write(
        .always,
        "\(Program.version) built for \(kernelDescription()) started on pid \(processID())")
    defer { log.write(.always, "\(Program.version) done") }
    let configuration: Configuration
    do {
        configuration = try loadUsable(options)
    } catch {
        log.write(.error, "conf: \(error)")
        printError(
            "\(options.program.name): configuration file '\(options.configurationPath)' "
                + "syntax is invalid\n")
        return 1
    }
    announce(configuration, options, in: log)
    if let warning = descriptorWarning(of: configuration, options) { log.write(.warning, warning) }
    do {
        let stop = try Event()
        let ended = try Event()
        // Before any pool listens, as in nutcracker: a second proxy that is started by mistake
        // ends here, and takes no unix socket away from the first.
        let statsPort = try StatsListener(host: options.statsAddress, port: options.statsPort)
        let serving = try startProxy(
            configuration, options: options, logLevel: log.level, stop: stop, ended: ended)
        var stats = StatsServer(
            on: statsPort,
            document: StatsDocument(
                of: configuration, workers: serving.counters, source: hostName()),
            tell: { log.write(.warning, EventTexts.text(of: $0)) })
        notifyServiceManager("READY=1")
        let events = EventLog(serving.events, of: configuration, to: log)
        return obey(
            signals, log: log, stats: &stats, events: events, serving: serving, stop: stop,
            ended: ended)
    } catch let error as StatsListenError {
        log.write(.error, "\(error)")
        return 1
    } catch {
        log.write(.error, "starting the proxy failed: \(error)")
        return 1
    }
}
