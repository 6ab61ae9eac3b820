// Compiled with the sources of the parsers themselves by run.sh; libFuzzer brings `main`.

/// What the parsers make of an input must not depend on how it is cut, they must not read past a
/// piece of it, and they must get to its end.
///
/// The first byte of the input says where it is cut and whether it holds requests or replies.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzParsers(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let control = start[0]
    let input = Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
    let cut = Int(control >> 1) % input.count
    let pieces = [Array(input[..<cut]), Array(input[cut...])]
    let single = input.map { [$0] }
    if control & 1 == 0 {
        let whole = Outcome.ofRequests([input])
        precondition(Outcome.ofRequests(pieces) == whole, "a cut changes requests")
        precondition(Outcome.ofRequests(single) == whole, "cuts everywhere change requests")
        splitWords(of: input)
        precondition(opening(of: pieces) == opening(of: [input]), "a cut changes an opening")
        precondition(opening(of: single) == opening(of: [input]), "cuts change an opening")
    } else {
        let whole = Outcome.ofReplies([input])
        precondition(Outcome.ofReplies(pieces) == whole, "a cut changes replies")
        precondition(Outcome.ofReplies(single) == whole, "cuts everywhere change replies")
    }
    return 0
}

/// All that a parser said, in numbers: per message where it ended and what it was.
private struct Outcome: Equatable {
    var numbers: [Int] = []

    static func ofRequests(_ pieces: [[UInt8]]) -> Outcome {
        var parser = RESPRequestParser()
        var outcome = Outcome()
        var start = 0
        for piece in pieces {
            var position = 0
            while position < piece.count {
                let before = position
                switch parser.parse(piece.span, from: &position) {
                case .incomplete:
                    precondition(position == piece.count)
                    continue
                case .request:
                    outcome.numbers += [
                        Int(parser.argumentCount), parser.name.start, parser.name.count,
                        parser.first.start, parser.first.count,
                    ]
                case .inline: outcome.numbers.append(-1)
                case .empty: outcome.numbers.append(-2)
                case .violation(let violation):
                    outcome.numbers += [-3, number(of: violation)]
                    return outcome
                }
                precondition(position > before)
                outcome.numbers.append(start + position)
            }
            start += piece.count
        }
        outcome.numbers.append(parser.isAtStart ? -4 : -5)
        return outcome
    }

    static func ofReplies(_ pieces: [[UInt8]]) -> Outcome {
        var parser = RESPReplyParser()
        var outcome = Outcome()
        var start = 0
        for piece in pieces {
            var position = 0
            while position < piece.count {
                let before = position
                switch parser.parse(piece.span, from: &position) {
                case .incomplete: precondition(position == piece.count)
                case .violation:
                    outcome.numbers.append(-3)
                    return outcome
                case .reply:
                    precondition(position > before)
                    outcome.numbers += [Int(parser.kind), start + position]
                case .cutLine, .header, .value, .wholeValue, .end:
                    preconditionFailure("there are no values in redis' replies")
                }
            }
            start += piece.count
        }
        outcome.numbers.append(parser.isAtStart ? -4 : -5)
        return outcome
    }

    private static func number(of violation: RESPRequestParser.Violation) -> Int {
        switch violation {
        case .argumentCount: 0
        case .bulkLength: 1
        case .expectedBulk(let byte): 256 + Int(byte)
        case .expectedLineEnd: 2
        case .tooBigRequest: 3
        case .tooBigInline: 4
        case .unbalancedQuotes: 5
        case .unauthenticatedCount: 6
        case .unauthenticatedLength: 7
        }
    }
}

/// What the first bytes show, on each kind of port.
private func opening(of pieces: [[UInt8]]) -> [ForeignProtocol?] {
    [Opening.redis, .memcache, .statistics].map { start in
        var opening = start
        for piece in pieces {
            if let found = opening.read(piece.span) { return found }
        }
        return nil
    }
}

/// Words are never longer together than their line.
private func splitWords(of line: [UInt8]) {
    var words = InlineWords(line.count)
    var count = 0
    var signature = InlineSignature()
    while words.next(in: line.span) {
        let expected = count + words.byteCount(in: line.span)
        signature.beginWord()
        while let byte = words.nextByte(in: line.span) {
            signature.add(byte)
            count += 1
        }
        signature.endWord()
        precondition(count == expected)
    }
    precondition(count <= line.count)
    precondition(signature.wordCount >= 3 || !signature.endsInVersion)
}
