/// One thing that a client sends, in the protocol of its pool.
protocol Question {
    var bytes: [UInt8] { get }
    var hasReply: Bool { get }
    /// The keys whose servers have a part in the answer.
    var keys: [[UInt8]] { get }
    /// Whether all that it needs for its answer is at its start.
    var mayBeAnsweredEarly: Bool { get }
    /// Whether its start may be on its way before its end has come.
    var isSeveral: Bool { get }
}

extension Question {
    var summary: String { text(of: bytes.prefix(50)) }
    var mayBeAnsweredEarly: Bool { false }
    var isSeveral: Bool { false }
}

/// What clients say in the protocol of a pool, and what each of them knows of the right answers.
protocol Dialogue {
    associatedtype Asked: Question
    associatedtype Answer

    init(client: Int, in world: World)

    /// What comes first, if anything must.
    func opening() -> Asked?
    mutating func makeRequest(in world: World) -> Asked
    /// After which the proxy closes, as it is asked to.
    func farewell() -> Asked
    /// After which the proxy closes, as it cannot go on.
    func violation(in world: World) -> Asked

    /// Takes one answer from the front of some bytes.
    ///
    /// - Parameter asked: What it should be to, if anything was asked.
    func read(_ reader: inout WireReader, to asked: Asked?) throws(WireReader.Failure) -> Answer
    func summary(of answer: Answer) -> String

    /// Takes an answer in. Returns whether it may be right.
    ///
    /// - Parameter turn: Of the world, when it was asked.
    mutating func accept(
        _ answer: Answer, to asked: Asked, since turn: Int, in world: World
    ) -> Bool
    /// The error that came instead of an answer, or of a part of it; nil if none did.
    func error(in answer: Answer, to asked: Asked?, in world: World) -> String?
    /// An error came instead of an answer.
    mutating func noteFailure(of asked: Asked, since turn: Int, in world: World)
    /// Whether an answer is what a server makes of a request that misunderstands it.
    func isMistaken(_ answer: Answer, to asked: Asked, in world: World) -> Bool
    /// Something without an answer left in a turn, and so in its place among all others.
    mutating func noteUnanswered(_ asked: Asked, since turn: Int, in world: World)
}

/// In the memcache pools that are simulated a key has one server, whenever it is asked for.
extension MemcacheKeySpace {
    mutating func accept(
        _ answer: Answer, to asked: Asked, since turn: Int, in world: World
    ) -> Bool {
        accept(answer, to: asked, in: world)
    }

    mutating func noteFailure(of asked: Asked, since turn: Int, in world: World) {
        noteFailure(of: asked)
    }

    /// Whatever a server makes of a request is noticed by the proxy.
    func isMistaken(_ answer: Answer, to asked: Asked, in world: World) -> Bool { false }
}

extension Dialogue {
    /// Before the texts of all errors that are not the client's.
    static var refusal: String { "max number of clients reached" }
    static var busy: String { "Device or resource busy" }
    /// What the proxy says to those who must give up what they hold of its memory.
    static var reliefErrors: [String] { ["the proxy is out of memory", busy] }

    /// Whether an error says that a server has had a fault, or the way to it: while its connection
    /// was greeted, or later.
    static func isFailure(_ error: String) -> Bool {
        guard error.hasPrefix("server ") else { return errors.contains(error) }
        let words = error.split(separator: " ", maxSplits: 2)
        let answers = ["refused AUTH", "refused SELECT"]
        let unanswered = ["did not answer AUTH: ", "did not answer SELECT: "]
        guard words.count == 3, let start = unanswered.first(where: { words[2].hasPrefix($0) })
        else { return words.count == 3 && answers.contains(String(words[2])) }
        let reason = String(words[2].dropFirst(start.count))
        return reason == "it closed the connection" || errors.contains(reason)
    }

    /// The errors of a server that has had a fault, or of the way to it.
    static var errors: Set<String> {
        [
            "unknown", "Connection refused", "Connection reset by peer", "Broken pipe",
            "Connection timed out", "No route to host", "Too many open files",
            "Invalid argument", "unasked", "Cannot allocate memory",
            "LOADING Redis is loading the dataset", "out of memory storing object",
        ]
    }
}
