/// What the program prints, written out: taken from nutcracker 0.5.0 with `nutcracker -h` and
/// `nutcracker -D`, then given the new name and defaults.
enum Texts {
    static let version = "This is cashew-0.1.0\nasync event backend: io_uring\n\n"

    static let usage = [
        "Usage: cashew [-?hVdDt] [-v verbosity level] [-o output file]\r\n",
        "              [-c conf file] [-s stats port] [-a stats addr]\r\n",
        "              [-i stats interval] [-p pid file] [-m mbuf size]\r\n",
        "\n",
        "Options:\r\n",
        "  -h, --help             : this help\r\n",
        "  -V, --version          : show version and exit\r\n",
        "  -t, --test-conf        : test configuration for syntax errors and exit\r\n",
        "  -d, --daemonize        : run as a daemon\r\n",
        "  -D, --describe-stats   : print stats description and exit\n",
        "  -v, --verbose=N        : set logging level (default: 5, min: 0, max: 11)\r\n",
        "  -o, --output=S         : set logging file (default: stderr)\r\n",
        "  -c, --conf-file=S      : set configuration file (default: /etc/cashew/cashew.yml)\r\n",
        "  -s, --stats-port=N     : set stats monitoring port (default: 22222)\r\n",
        "  -a, --stats-addr=S     : set stats monitoring ip or unix socket "
            + "(default: 0.0.0.0)\r\n",
        "  -i, --stats-interval=N : set stats aggregation interval in msec "
            + "(default: 30000 msec)\r\n",
        "  -p, --pid-file=S       : set pid file (default: off)\r\n",
        "  -m, --mbuf-size=N      : set size of mbuf chunk in bytes (default: 16384 bytes)\r\n",
        "\n",
        "Options that nutcracker does not have:\r\n",
        "      --workers=N|auto   : set number of threads, auto for one per core "
            + "(default: 1)\r\n",
        "      --memory=MIB       : set limit of message memory in MiB (default: 1024)\r\n",
        "      --shutdown-timeout=SEC : set how long requests in flight may take to finish at "
            + "exit (default: 10)\r\n",
        "      --where=KEY        : print pool, hash and server of a key and exit; "
            + "may be repeated\r\n",
        "      --diff OLD NEW     : print which keys move between two conf files and exit\r\n",
        "      --json             : print the answer of --where or --diff as JSON\r\n",
        "\n",
    ].joined()

    static let statsDescription = """
        pool stats:
          client_eof          "# eof on client connections"
          client_err          "# errors on client connections"
          client_connections  "# active client connections"
          server_ejects       "# times backend server was ejected"
          forward_error       "# times we encountered a forwarding error"
          fragments           "# fragments created from a multi-vector request"

        server stats:
          server_eof          "# eof on server connections"
          server_err          "# errors on server connections"
          server_timedout     "# timeouts on server connections"
          server_connections  "# active server connections"
          server_ejected_at   "timestamp when server was ejected in usec since epoch"
          requests            "# requests"
          request_bytes       "total request bytes"
          responses           "# responses"
          response_bytes      "total response bytes"
          in_queue            "# requests in incoming queue"
          in_queue_bytes      "current request bytes in incoming queue"
          out_queue           "# requests in outgoing queue"
          out_queue_bytes     "current request bytes in outgoing queue"

        """
}
