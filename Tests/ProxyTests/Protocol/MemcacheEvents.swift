@testable import Proxy

/// What the request parser of memcache said at one point, with the places counted from the start
/// of the input.
enum MemcacheEvent: Equatable, CustomStringConvertible {
    case request(MemcacheSummary, end: Int)
    /// The input is used up.
    case end(isAtStart: Bool)

    var description: String {
        switch self {
        case .request(let summary, let end): "\(summary) to \(end)"
        case .end(let isAtStart): isAtStart ? "end" : "end within"
        }
    }
}

/// What matters of a request.
struct MemcacheSummary: Equatable {
    var verb: MemcacheVerb
    var problem = MemcacheProblem.none
    var key = ""
    var data: Int?
    var flags = ""

    init(
        _ verb: MemcacheVerb, _ key: String = "", data: Int? = nil, flags: String = "",
        problem: MemcacheProblem = .none
    ) {
        self.verb = verb
        self.problem = problem
        self.key = key
        self.data = data
        self.flags = flags
    }

    init(_ request: MemcacheRequest, in message: [UInt8]) {
        self.init(
            request.verb, data: request.hasData ? Int(request.dataCount) : nil,
            problem: request.problem)
        key = String(
            String.UnicodeScalarView(
                message[request.key.range].map { Unicode.Scalar($0) }))
        if request.isNoreply { flags += "n" }
        if request.isQuiet { flags += "q" }
        if request.isBase64 { flags += "b" }
        if request.hasMoreKeys { flags += "m" }
        if request.dropsReply { flags += "d" }
    }
}

extension Pieces {
    /// What the request parser makes of the input, up to what ends a connection.
    func memcacheRequestEvents() -> [MemcacheEvent] {
        var parser = MemcacheRequestParser()
        var events: [MemcacheEvent] = []
        var message: [UInt8] = []
        var end = 0
        for piece in pieces {
            var position = 0
            while position < piece.count {
                let before = position
                let outcome = parser.parse(piece.span, from: &position)
                precondition(position > before, "no byte was used up")
                message += piece[before..<position]
                end += position - before
                switch outcome {
                case .incomplete:
                    precondition(position == piece.count, "incomplete, and bytes are left")
                    continue
                case .swallowed:
                    message = []
                    continue
                case .cutLine:
                    let line = MemcacheRequest(line: message.span, hasNull: parser.hasNull)
                    guard parser.begin(line) else { continue }
                case .request: break
                }
                let summary = MemcacheSummary(parser.request, in: message)
                message = []
                // How much of a line that is too long was seen depends on the cuts.
                let isLast = summary.problem.endsConnection
                events.append(.request(summary, end: isLast ? 0 : end))
                if isLast { return events }
            }
        }
        return events + [.end(isAtStart: parser.isAtStart)]
    }
}
