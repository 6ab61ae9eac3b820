// Compiled with the sources of the parsers themselves by run.sh; libFuzzer brings `main`.

/// What the memcache parsers make of an input must not depend on how it is cut, they must not read
/// past a piece of it, and they must get to its end.
///
/// The first byte of the input says where it is cut and whether it holds requests or replies.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMemcacheParsers(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let control = start[0]
    let input = Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
    let cut = Int(control >> 1) % input.count
    let pieces = [Array(input[..<cut]), Array(input[cut...])]
    let single = input.map { [$0] }
    if control & 1 == 0 {
        let whole = ofRequests([input])
        precondition(ofRequests(pieces) == whole, "a cut changes requests")
        precondition(ofRequests(single) == whole, "cuts everywhere change requests")
    } else {
        for words in [MemcacheReplyWords(rawValue: .max), .init(.statistics), .init(.metaGet)] {
            let whole = ofReplies([input], words)
            precondition(ofReplies(pieces, words) == whole, "a cut changes replies")
            precondition(ofReplies(single, words) == whole, "cuts everywhere change replies")
        }
    }
    return 0
}

/// All that the request parser said, in numbers: per request what it was and where it ended.
private func ofRequests(_ pieces: [[UInt8]]) -> [Int] {
    var parser = MemcacheRequestParser()
    var numbers: [Int] = []
    var message: [UInt8] = []
    var end = 0
    for piece in pieces {
        var position = 0
        while position < piece.count {
            let before = position
            let outcome = parser.parse(piece.span, from: &position)
            precondition(position > before)
            message += piece[before..<position]
            end += position - before
            switch outcome {
            case .incomplete:
                precondition(position == piece.count)
                continue
            case .swallowed:
                message = []
                continue
            case .cutLine:
                let line = MemcacheRequest(line: message.span, hasNull: parser.hasNull)
                guard parser.begin(line) else { continue }
            case .request: break
            }
            let request = parser.request
            precondition(request.key.range.upperBound <= message.count)
            if request.isBase64, request.problem == .none {
                _ = Base64Key(message.span.extracting(request.key.range))
            }
            message = []
            numbers += describe(request)
            if request.problem.endsConnection { return numbers }
            numbers.append(end)
        }
    }
    return numbers + [parser.isAtStart ? -4 : -5]
}

private func describe(_ request: MemcacheRequest) -> [Int] {
    [
        Int(request.verb.rawValue), Int(request.problem.rawValue), Int(request.lineCount),
        Int(request.dataCount), request.key.start, request.key.count, request.isNoreply ? 1 : 0,
        request.isQuiet ? 1 : 0, request.isBase64 ? 1 : 0, request.hasMoreKeys ? 1 : 0,
        request.dropsReply ? 1 : 0, request.kept.start, request.kept.count,
    ]
}

/// The same of replies.
private func ofReplies(_ pieces: [[UInt8]], _ words: MemcacheReplyWords) -> [Int] {
    var parser = MemcacheReplyParser()
    var numbers: [Int] = []
    var start = 0
    for piece in pieces {
        var position = 0
        while position < piece.count {
            let before = position
            switch parser.parse(piece.span, from: &position, expecting: words) {
            case .incomplete, .cutLine: precondition(position == piece.count)
            case .violation: return numbers + [-3]
            case .header: numbers += [-6, parser.keyOfValue.count]
            case .value: numbers += [-7, start + position]
            case .wholeValue: numbers += [-6, parser.keyOfValue.count, -7, start + position]
            case .reply, .end: numbers += [Int(parser.kind), start + position]
            }
            precondition(position > before)
        }
        start += piece.count
    }
    return numbers + [parser.isAtStart ? -4 : -5]
}
