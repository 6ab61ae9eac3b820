/// What a key may hold, as far as the one client that writes it knows.
///
/// After an error nobody knows whether the request was carried out, or will be: a server may
/// still read it from a connection that the proxy has given up. So what it would have written
/// stays possible.
struct KeyState {
    var value: [UInt8]?
    var alternatives: [[UInt8]?] = []
    /// It may hold any value that the client could have made.
    var isWild = false
    /// What it may hold if its server has had a fault since a turn: writes without a reply may be
    /// lost, or late.
    private(set) var doubts: [(value: [UInt8]?, turn: Int)] = []
    private var wildSince: Int?

    mutating func doubt(_ value: [UInt8]?, since turn: Int) {
        doubts.append((value, turn))
    }

    mutating func doubtAll(since turn: Int) {
        wildSince = min(turn, wildSince ?? turn)
    }

    /// - Parameter mayFail: Whether the server has had a fault since a turn.
    func isWild(_ mayFail: (Int) -> Bool) -> Bool {
        isWild || wildSince.map(mayFail) ?? false
    }

    func candidates(_ mayFail: (Int) -> Bool) -> [[UInt8]?] {
        [value] + alternatives + doubts.filter { mayFail($0.turn) }.map(\.value)
    }

    /// - Parameter isOwn: Whether the client may ever have written a value.
    func mayBe(
        _ found: [UInt8]?, isOwn: ([UInt8]) -> Bool, _ mayFail: (Int) -> Bool = { _ in false }
    ) -> Bool {
        if areSame(value, found) || alternatives.contains(where: { areSame($0, found) })
            || doubts.contains(where: { areSame($0.value, found) && mayFail($0.turn) })
        {
            return true
        }
        return isWild(mayFail) && (found.map(isOwn) ?? true)
    }

    /// Whether it may hold something, or nothing.
    func mayExist(_ exists: Bool, _ mayFail: (Int) -> Bool = { _ in false }) -> Bool {
        isWild(mayFail) || candidates(mayFail).contains { ($0 != nil) == exists }
    }

    /// How many there may be of it.
    var count: ClosedRange<Int> {
        (mayExist(false) ? 0 : 1)...(mayExist(true) ? 1 : 0)
    }
}
