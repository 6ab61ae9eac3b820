/// The commands that the proxy knows one by one, by `Command.id`: those that it answers itself, and
/// those whose refusal concerns what follows.
struct NotedCommands: BitwiseCopyable {
    let ping, echo, quit, auth, select, reset, exec, discard: UInt16
    let multi, watch, hello, info, clientReply: UInt16

    init(_ commands: borrowing CommandTable) {
        ping = commands.find("PING").id
        echo = commands.find("ECHO").id
        quit = commands.find("QUIT").id
        auth = commands.find("AUTH").id
        select = commands.find("SELECT").id
        reset = commands.find("RESET").id
        exec = commands.find("EXEC").id
        discard = commands.find("DISCARD").id
        multi = commands.find("MULTI").id
        watch = commands.find("WATCH").id
        hello = commands.find("HELLO").id
        info = commands.find("INFO").id
        let client = commands.find("CLIENT")
        clientReply = commands.find("REPLY", in: client).id
    }
}

extension CommandTable {
    fileprivate func find(_ name: StaticString) -> Command {
        name.withUTF8Span { find($0) }
    }

    fileprivate func find(_ name: StaticString, in container: Command) -> Command {
        name.withUTF8Span { find($0, in: container) }
    }
}
