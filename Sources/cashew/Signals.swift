import Admin
import Glibc
import Proxy

/// What a signal asks for. A signal that is not here does what Linux does by default.
enum SignalAction {
    case moreLog, lessLog, reopenLog, nothing, exit

    static let signals = [SIGHUP, SIGINT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2]

    /// - Precondition: `signal` is one of `signals`.
    init(_ signal: Int32) {
        switch signal {
        case SIGTTIN: self = .moreLog
        case SIGTTOU: self = .lessLog
        case SIGHUP: self = .reopenLog
        case SIGUSR1, SIGUSR2: self = .nothing
        case SIGINT, SIGTERM: self = .exit
        default: preconditionFailure("signal \(signal) is not one the program waits for")
        }
    }

    /// The end of the log line `signal 1 (SIGHUP) received`, as nutcracker writes it.
    var announcement: String {
        switch self {
        case .moreLog: ", up logging level"
        case .lessLog: ", down logging level"
        case .reopenLog: ", reopening log file"
        case .nothing: ""
        case .exit: ", exiting"
        }
    }
}

/// Does what signals ask, serves the statistics port, and logs what workers report, until the
/// proxy has ended. Returns the exit status: 0 when it was asked to end.
///
/// The first SIGINT or SIGTERM lets the proxy finish; the second does not wait for it.
func obey(
    _ signals: borrowing SignalQueue, log: Log, stats: inout StatsServer, events: EventLog,
    serving: Serving, stop: Event, ended: Event
) -> Int32 {
    var isStopping = false
    while let signal = signals.next(or: ended, serving: &stats, writing: events) {
        let action = SignalAction(signal)
        log.write(
            .always, "signal \(signal) (\(name(of: signal))) received\(action.announcement)")
        switch action {
        case .moreLog: log.write(.always, "up log level to \(log.step(by: 1, with: serving))")
        case .lessLog: log.write(.always, "down log level to \(log.step(by: -1, with: serving))")
        case .reopenLog: log.reopen()
        case .nothing: break
        case .exit:
            if isStopping { return 0 }
            isStopping = true
            notifyServiceManager("STOPPING=1")
            stop.happen()
        }
    }
    return isStopping ? 0 : 1
}

private func name(of signal: Int32) -> String {
    switch signal {
    case SIGHUP: "SIGHUP"
    case SIGINT: "SIGINT"
    case SIGTERM: "SIGTERM"
    case SIGTTIN: "SIGTTIN"
    case SIGTTOU: "SIGTTOU"
    case SIGUSR1: "SIGUSR1"
    case SIGUSR2: "SIGUSR2"
    default: "signal"
    }
}

extension Log {
    /// Moves the level, and tells the workers, who send only what it shows.
    fileprivate func step(by step: Int, with serving: Serving) -> Int {
        let level = self.step(by: step)
        serving.setLogLevel(UInt8(clamping: level))
        return level
    }
}
