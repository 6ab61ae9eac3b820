/// The texts of `-V`, `-h` and `-D`: nutcracker's, to the byte, but for the names and defaults.
enum Usage {
    static let version = """
        This is \(Program.version)
        async event backend: \(Program.eventBackend)


        """

    /// Every line ends in CR LF except the last of each of three pieces, as in nutcracker.
    static func help(for program: Program) -> String {
        let log = program.logPath.isEmpty ? "stderr" : program.logPath
        let pid = program.pidPath.isEmpty ? "off" : program.pidPath
        let synopsis = "Usage: \(program.name) "
        let indentation = String(repeating: " ", count: synopsis.utf8.count)
        return piece([
            synopsis + "[-?hVdDt] [-v verbosity level] [-o output file]",
            indentation + "[-c conf file] [-s stats port] [-a stats addr]",
            indentation + "[-i stats interval] [-p pid file] [-m mbuf size]",
            "",
        ])
            + piece([
                "Options:",
                "  -h, --help             : this help",
                "  -V, --version          : show version and exit",
                "  -t, --test-conf        : test configuration for syntax errors and exit",
                "  -d, --daemonize        : run as a daemon",
                "  -D, --describe-stats   : print stats description and exit",
            ])
            + piece([
                "  -v, --verbose=N        : set logging level (default: 5, min: 0, max: 11)",
                "  -o, --output=S         : set logging file (default: \(log))",
                "  -c, --conf-file=S      : set configuration file "
                    + "(default: \(program.configurationPath))",
                "  -s, --stats-port=N     : set stats monitoring port (default: 22222)",
                "  -a, --stats-addr=S     : set stats monitoring ip "
                    + (program == .nutcracker ? "" : "or unix socket ") + "(default: 0.0.0.0)",
                "  -i, --stats-interval=N : set stats aggregation interval in msec "
                    + "(default: 30000 msec)",
                "  -p, --pid-file=S       : set pid file (default: \(pid))",
                "  -m, --mbuf-size=N      : set size of mbuf chunk in bytes "
                    + "(default: 16384 bytes)",
                "",
            ])
            + (program == .nutcracker ? "" : ownOptions)
    }

    /// What nutcracker does not have. Under that name the help is nutcracker's, to the byte.
    private static let ownOptions = piece([
        "Options that nutcracker does not have:",
        "      --workers=N|auto   : set number of threads, auto for one per core (default: 1)",
        "      --memory=MIB       : set limit of message memory in MiB (default: 1024)",
        "      --shutdown-timeout=SEC : set how long requests in flight may take to finish at "
            + "exit (default: 10)",
        "      --where=KEY        : print pool, hash and server of a key and exit; "
            + "may be repeated",
        "      --diff OLD NEW     : print which keys move between two conf files and exit",
        "      --json             : print the answer of --where or --diff as JSON",
        "",
    ])

    static let statsDescription =
        "pool stats:\n" + table(poolStats) + "\nserver stats:\n" + table(serverStats)

    private static func piece(_ lines: [String]) -> String {
        lines.joined(separator: "\r\n") + "\n"
    }

    /// In the order of the stats document.
    private static let poolStats = [
        ("client_eof", "# eof on client connections"),
        ("client_err", "# errors on client connections"),
        ("client_connections", "# active client connections"),
        ("server_ejects", "# times backend server was ejected"),
        ("forward_error", "# times we encountered a forwarding error"),
        ("fragments", "# fragments created from a multi-vector request"),
    ]

    private static let serverStats = [
        ("server_eof", "# eof on server connections"),
        ("server_err", "# errors on server connections"),
        ("server_timedout", "# timeouts on server connections"),
        ("server_connections", "# active server connections"),
        ("server_ejected_at", "timestamp when server was ejected in usec since epoch"),
        ("requests", "# requests"),
        ("request_bytes", "total request bytes"),
        ("responses", "# responses"),
        ("response_bytes", "total response bytes"),
        ("in_queue", "# requests in incoming queue"),
        ("in_queue_bytes", "current request bytes in incoming queue"),
        ("out_queue", "# requests in outgoing queue"),
        ("out_queue_bytes", "current request bytes in outgoing queue"),
    ]

    private static func table(_ rows: [(name: String, description: String)]) -> String {
        rows.map { row in
            let padding = String(repeating: " ", count: 20 - row.name.utf8.count)
            return "  \(row.name)\(padding)\"\(row.description)\"\n"
        }.joined()
    }
}
