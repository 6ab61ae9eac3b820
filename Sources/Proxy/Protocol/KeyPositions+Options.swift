/// Commands whose keys are found by reading options, as redis itself does when it runs them.
extension Command {
    /// `[GROUP group consumer] [COUNT n] [BLOCK ms] [NOACK] STREAMS key … id …`
    /// (redis t_stream.c: xreadCommand).
    func resolveStreams<Source: ArgumentSource & ~Copyable & ~Escapable>(
        of arguments: borrowing Source, _ argumentCount: Int
    ) -> KeyResolution {
        var isBlocking = false
        var index = 1
        while index < argumentCount {
            switch arguments.withArgument(index, { StreamOption($0) }) {
            case .streams:
                if isBlocking { return .blocking }
                let first = index &+ 1
                let count = argumentCount &- first
                guard count > 0, count & 1 == 0 else {
                    return .invalid(near: count > 0 ? first : 0)
                }
                return .keys(ResolvedKeys(first: first, last: index &+ count / 2))
            case .block:
                isBlocking = true
                index &+= 2
            case .count: index &+= 2
            case .group: index &+= 3
            case .other: index &+= 1
            }
        }
        return isBlocking ? .blocking : .invalid(near: 0)
    }

    /// `key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE key]`;
    /// of several STORE the last one counts (redis sort.c: sortCommandGeneric).
    func resolveSort<Source: ArgumentSource & ~Copyable & ~Escapable>(
        of arguments: borrowing Source, _ argumentCount: Int
    ) -> KeyResolution {
        var destination = 0
        var index = 2
        while index < argumentCount {
            switch arguments.withArgument(index, { SortOption($0) }) {
            case .store:
                if index &+ 1 < argumentCount { destination = index &+ 1 }
                index &+= 2
            case .pattern: index &+= 2
            case .limit: index &+= 3
            case .other: index &+= 1
            }
        }
        return .keys(ResolvedKeys(first: 1, last: 1, extra: destination))
    }

    /// Of several STORE and STOREDIST the last one counts (redis geo.c: georadiusGeneric).
    func resolveStored<Source: ArgumentSource & ~Copyable & ~Escapable>(
        options: Int, of arguments: borrowing Source, _ argumentCount: Int
    ) -> KeyResolution {
        var destination = 0
        var index = options
        while index &+ 1 < argumentCount {
            let stores = arguments.withArgument(index) {
                $0.isKeyword("STORE") || $0.isKeyword("STOREDIST")
            }
            if stores {
                destination = index &+ 1
                index &+= 1
            }
            index &+= 1
        }
        return .keys(ResolvedKeys(first: 1, last: 1, extra: destination))
    }

    /// `host port key db timeout [COPY] [REPLACE] [AUTH password] [AUTH2 user password]
    /// [KEYS key …]` (redis cluster.c: migrateCommand).
    func resolveMigrate<Source: ArgumentSource & ~Copyable & ~Escapable>(
        of arguments: borrowing Source, _ argumentCount: Int
    ) -> KeyResolution {
        guard arguments.withArgument(3, { $0.isEmpty }) else {
            return .keys(ResolvedKeys(first: 3, last: 3))
        }
        var index = 6
        while index &+ 1 < argumentCount {
            switch arguments.withArgument(index, { MigrateOption($0) }) {
            case .keys: return .keys(ResolvedKeys(first: index &+ 1, last: argumentCount &- 1))
            case .auth: index &+= 2
            case .auth2: index &+= 3
            case .other: index &+= 1
            }
        }
        return .invalid(near: 0)
    }
}

/// Each knows the options that decide how far to skip; what is `other` takes one argument, or
/// is an error, which redis finds too.
private enum StreamOption {
    case streams, block, count, group, other

    init(_ bytes: Span<UInt8>) {
        if bytes.isKeyword("STREAMS") {
            self = .streams
        } else if bytes.isKeyword("BLOCK") {
            self = .block
        } else if bytes.isKeyword("COUNT") {
            self = .count
        } else {
            self = bytes.isKeyword("GROUP") ? .group : .other
        }
    }
}

private enum SortOption {
    case store, pattern, limit, other

    init(_ bytes: Span<UInt8>) {
        if bytes.isKeyword("STORE") {
            self = .store
        } else if bytes.isKeyword("BY") || bytes.isKeyword("GET") {
            self = .pattern
        } else {
            self = bytes.isKeyword("LIMIT") ? .limit : .other
        }
    }
}

private enum MigrateOption {
    case keys, auth, auth2, other

    init(_ bytes: Span<UInt8>) {
        if bytes.isKeyword("KEYS") {
            self = .keys
        } else if bytes.isKeyword("AUTH") {
            self = .auth
        } else {
            let isAuth2 =
                bytes.count >= 5 && bytes.extracting(0..<4).isKeyword("AUTH")
                && bytes[4] == UInt8(ascii: "2") && (bytes.count == 5 || bytes[5] == 0)
            self = isAuth2 ? .auth2 : .other
        }
    }
}

extension Span<UInt8> {
    /// The number these bytes say exactly as redis takes it: no sign but `-`, no leading zero,
    /// no blank. Nil for anything else, and beyond 18 digits, which no count of keys has.
    func decimalNumber() -> Int? {
        let isNegative = count > 1 && self[0] == UInt8(ascii: "-")
        let start = isNegative ? 1 : 0
        guard count > start, count <= start &+ 18 else { return nil }
        if self[start] == UInt8(ascii: "0"), count > 1 { return nil }
        var number = 0
        for index in start..<count {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            number = number &* 10 &+ Int(digit)
        }
        return isNegative ? -number : number
    }
}
