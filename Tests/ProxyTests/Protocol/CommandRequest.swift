@testable import Proxy

/// A request as the tests write one: arguments between blanks, or any bytes.
struct CommandRequest: ArgumentSource {
    let arguments: [[UInt8]]

    init(_ text: String) {
        self.init(text.split(separator: " ").map(String.init))
    }

    init(_ arguments: [String]) {
        self.arguments = arguments.map { Array($0.utf8) }
    }

    func withArgument<Result>(_ index: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        // No more than a source has to show.
        let shown = Array(arguments[index].prefix(32))
        return body(shown.span)
    }
}

/// A table that a test suite, which must be copyable, can hold.
final class CommandTableBox {
    let table = CommandTable()

    func find(_ name: String) -> Command {
        find(Array(name.utf8))
    }

    func find(_ name: [UInt8]) -> Command {
        table.find(name.span)
    }

    func find(_ request: CommandRequest) -> Command {
        table.find(in: request, argumentCount: request.arguments.count)
    }

    func resolve(_ request: CommandRequest) -> KeyResolution {
        find(request).resolveKeys(of: request, argumentCount: request.arguments.count)
    }

    func name(of command: Command) -> String {
        table.withName(of: command) { bytes in
            String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
        }
    }
}

extension String {
    var words: [String] { split(whereSeparator: \.isWhitespace).map(String.init) }
}
