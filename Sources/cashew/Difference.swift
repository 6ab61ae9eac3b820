import Config

/// Prints, for `--diff`, which keys another configuration would look for elsewhere. Returns the
/// exit status.
func printDifference(of paths: Options.ComparedPaths, _ options: Options) -> Int32 {
    guard let old = loadOrExplain(paths.old, for: options.program),
        let new = loadOrExplain(paths.new, for: options.program)
    else { return 1 }
    let reports = PoolReport.all(from: old, to: new, paths: paths)
    if options.printsJSON {
        let answer = JSON.object([
            ("old", .string(paths.old)), ("new", .string(paths.new)),
            ("pools", .array(reports.map(\.json))),
        ])
        printOutput(answer.text + "\n")
    } else {
        printOutput(reports.map(\.text).joined(separator: "\n"))
    }
    return 0
}

/// What is said about one pool.
enum PoolReport {
    case only(PoolConfiguration, isNew: Bool, path: String)
    case both(PoolDifference)

    /// The pools of the old file, then those that only the new one has.
    static func all(
        from old: Configuration, to new: Configuration, paths: Options.ComparedPaths
    ) -> [PoolReport] {
        let reports = old.pools.map { pool in
            new.pools.first { $0.name == pool.name }
                .map { PoolReport.both(PoolDifference(from: pool, to: $0)) }
                ?? .only(pool, isNew: false, path: paths.old)
        }
        let names = Set(old.pools.map(\.name))
        return reports
            + new.pools.filter { !names.contains($0.name) }
            .map { .only($0, isNew: true, path: paths.new) }
    }

    /// Lines, the first one with the name of the pool.
    var text: String {
        switch self {
        case .only(let pool, _, let path):
            "pool \(printable(pool.name)): only in \(printable(path))\n"
        case .both(let difference): difference.text
        }
    }

    var json: JSON {
        switch self {
        case .only(let pool, let isNew, _):
            .object([("pool", .string(pool.name)), ("in", .string(isNew ? "new" : "old"))])
        case .both(let difference): difference.json
        }
    }
}

// MARK: - Text

extension PoolDifference {
    fileprivate var text: String {
        var lines = settings.map { "\($0.name): \($0.old) -> \($0.new)" }
        lines += servers.map(\.text)
        if settings.contains(where: { $0.name == "redis_db" }) {
            lines.append("every key is looked up in another database; the rest is by server")
        }
        if movements.isEmpty {
            lines.append("not applicable: the random distribution gives keys no place")
        }
        for movement in movements { lines += self.lines(movement) }
        return "pool \(printable(old.name))\n" + lines.map { "  \($0)\n" }.joined()
    }

    /// Moves that are worth a line: what a screen holds.
    private static var shownMovesMax: Int { 30 }

    private func lines(_ movement: Movement) -> [String] {
        let total = movement.total
        let moves = moves(of: movement)
        let moved = moves.filter { $0.fate == .moves }.reduce(0) { $0 + $1.count }
        let following = moves.filter { $0.fate == .follows }.reduce(0) { $0 + $1.count }
        var head = "\(movement.keys.text): \(percentage(moved, of: total)) move"
        if following > 0 {
            head += ", \(percentage(following, of: total)) follow a server to its new address"
        }
        let shown = moves.prefix(Self.shownMovesMax).map { move in
            let share = percentage(move.count, of: total)
            let padding = String(repeating: " ", count: max(0, 10 - share.utf8.count))
            return "\(padding)\(share)  \(move.from.text) -> \(move.to.text)"
        }
        let others = moves.count - shown.count
        return [head + " (\(movement.basis))"] + shown
            + (others > 0 ? ["    and \(others) smaller moves, which --json lists"] : [])
    }
}

extension Movement {
    /// How the shares were found.
    fileprivate var basis: String {
        switch method {
        case .exact: "exact, of \(total) hashes"
        case .sampled: "from a sample of \(total) keys, to about 0.3 %"
        }
    }
}

extension Movement.Keys {
    fileprivate var text: String {
        switch self {
        case .all: "all keys"
        case .untagged: "keys without a hash tag"
        case .tagged(let tag): printable("keys with a hash tag in \(tag.text)")
        }
    }
}

/// With two decimals, rounded; only nothing is `0.00 %`, and only everything `100.00 %`.
func percentage(_ part: UInt64, of whole: UInt64) -> String {
    // At most 2^32 times 10,000.
    var hundredths = (part * 10_000 + whole / 2) / whole
    if part > 0 && hundredths == 0 { return "< 0.01 %" }
    if part < whole { hundredths = min(hundredths, 9_999) }
    let digits = String(hundredths % 100)
    return "\(hundredths / 100).\(digits.utf8.count == 1 ? "0" : "")\(digits) %"
}

// MARK: - JSON

extension PoolDifference {
    fileprivate var json: JSON {
        .object([
            ("pool", .string(old.name)),
            ("in", .string("both")),
            (
                "settings",
                .array(
                    settings.map {
                        .object([
                            ("setting", .string($0.name)), ("old", .string($0.old)),
                            ("new", .string($0.new)),
                        ])
                    })
            ),
            (
                "servers",
                .array(
                    servers.map {
                        .object([("old", $0.old?.json ?? .null), ("new", $0.new?.json ?? .null)])
                    })
            ),
            ("applicable", .bool(!movements.isEmpty)),
            ("movements", .array(movements.map(json))),
        ])
    }

    private func json(_ movement: Movement) -> JSON {
        let total = movement.total
        func share(_ count: UInt64) -> JSON { .fraction(Double(count) / Double(total)) }
        let moves = moves(of: movement)
        let moved = moves.filter { $0.fate == .moves }.reduce(0) { $0 + $1.count }
        let following = moves.filter { $0.fate == .follows }.reduce(0) { $0 + $1.count }
        return .object([
            ("keys", movement.keys.json),
            ("method", .string(movement.method == .exact ? "exact" : "sampled")),
            ("unit", .string(movement.method == .exact ? "hashes" : "keys")),
            ("total", .number(total)),
            ("moved", .number(moved)),
            ("moved_share", share(moved)),
            ("followed", .number(following)),
            ("followed_share", share(following)),
            (
                "moves",
                .array(
                    moves.map { move in
                        .object([
                            ("from", move.from.json), ("to", move.to.json),
                            ("follows", .bool(move.fate == .follows)),
                            ("count", .number(move.count)), ("share", share(move.count)),
                        ])
                    })
            ),
        ])
    }
}

extension Movement.Keys {
    fileprivate var json: JSON {
        switch self {
        case .all: .object([("kind", .string("all"))])
        case .untagged: .object([("kind", .string("untagged"))])
        case .tagged(let tag): .object([("kind", .string("tagged")), ("tag", .string(tag.text))])
        }
    }
}
