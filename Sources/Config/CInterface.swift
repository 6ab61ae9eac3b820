import CYAML
import Glibc

// All of Config that touches C: reading a file, and libyaml. The only file here that may say
// `unsafe`. What leaves it are Swift values that own their memory.

/// A configuration of this many bytes names several hundred thousand servers. The bound keeps
/// `-c /dev/zero` from eating the machine.
let fileBytesMax = 16 << 20

/// The whole of `path`, which may be a pipe.
func readFile(_ path: String) throws(FileFailure) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(errorText(errno)) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = unsafe chunk.withUnsafeMutableBytes { buffer in
            unsafe read(descriptor, buffer.baseAddress, buffer.count)
        }
        if count < 0 {
            guard errno == EINTR else { throw .system(errorText(errno)) }
            continue
        }
        if count == 0 { return bytes }
        bytes += chunk[..<count]
        if bytes.count > fileBytesMax { throw .tooLarge }
    }
}

private func errorText(_ code: Int32) -> String {
    unsafe String(cString: strerror(code))
}

/// Every event of `bytes`, up to the end of the stream.
func yamlEvents(in bytes: [UInt8]) throws(YAMLFailure) -> [YAMLEvent] {
    // libyaml keeps the parser's own address inside the parser, so that it must not move.
    let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    defer { unsafe parser.deallocate() }
    guard unsafe yaml_parser_initialize(parser) == 1 else {
        throw YAMLFailure(
            code: Int(YAML_MEMORY_ERROR.rawValue), kind: .syntax, problem: "out of memory",
            context: "", position: SourcePosition(line: 1, column: 1))
    }
    defer { unsafe yaml_parser_delete(parser) }
    return try unsafe bytes.withUnsafeBufferPointer { buffer throws(YAMLFailure) in
        // An empty array may have no address, which libyaml asserts against.
        let empty: StaticString = ""
        unsafe yaml_parser_set_input_string(
            parser, buffer.baseAddress ?? empty.utf8Start, buffer.count)
        return try unsafe allEvents(of: parser, bytes: bytes)
    }
}

private func allEvents(
    of parser: UnsafeMutablePointer<yaml_parser_t>, bytes: [UInt8]
) throws(YAMLFailure) -> [YAMLEvent] {
    var events: [YAMLEvent] = []
    var depth = 0
    while true {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else {
            throw unsafe failure(of: parser.pointee, bytes: bytes)
        }
        defer { unsafe yaml_event_delete(&event) }
        if unsafe event.type == YAML_STREAM_END_EVENT { return events }
        guard let kind = unsafe kind(of: event) else { continue }
        let position = unsafe SourcePosition(event.start_mark)
        events.append(YAMLEvent(kind: kind, position: position))
        depth += unsafe depthChange(of: event)
        if depth > yamlDepthMax {
            throw YAMLFailure(
                code: 0, kind: .depth, problem: "", context: "", position: position)
        }
    }
}

private func depthChange(of event: yaml_event_t) -> Int {
    switch unsafe event.type {
    case YAML_MAPPING_START_EVENT, YAML_SEQUENCE_START_EVENT: 1
    case YAML_MAPPING_END_EVENT, YAML_SEQUENCE_END_EVENT: -1
    default: 0
    }
}

/// Nil for the start of the stream.
private func kind(of event: yaml_event_t) -> YAMLEvent.Kind? {
    switch unsafe event.type {
    case YAML_DOCUMENT_START_EVENT: return .documentStart
    case YAML_DOCUMENT_END_EVENT: return .documentEnd
    case YAML_MAPPING_END_EVENT: return .mappingEnd
    case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
    case YAML_ALIAS_EVENT: return .disallowed(token: "alias token (18)")
    case YAML_MAPPING_START_EVENT:
        let start = unsafe event.data.mapping_start
        return unsafe properties(anchor: start.anchor, tag: start.tag) ?? .mappingStart
    case YAML_SEQUENCE_START_EVENT:
        let start = unsafe event.data.sequence_start
        return unsafe properties(anchor: start.anchor, tag: start.tag) ?? .sequenceStart
    case YAML_SCALAR_EVENT:
        let scalar = unsafe event.data.scalar
        let text = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
        return unsafe properties(anchor: scalar.anchor, tag: scalar.tag)
            ?? .scalar(String(decoding: text, as: UTF8.self))
    default: return nil
    }
}

private func properties(
    anchor: UnsafeMutablePointer<UInt8>?, tag: UnsafeMutablePointer<UInt8>?
) -> YAMLEvent.Kind? {
    if unsafe anchor != nil { return .disallowed(token: "anchor token (19)") }
    return unsafe tag != nil ? .disallowed(token: "tag token (20)") : nil
}

private func failure(of parser: yaml_parser_t, bytes: [UInt8]) -> YAMLFailure {
    let code = unsafe parser.error
    let value = unsafe parser.problem_value
    let offset = unsafe Int(parser.problem_offset)
    let mark = unsafe parser.problem_mark
    let contextMark = unsafe parser.context_mark
    let context = unsafe parser.context.map { unsafe String(cString: $0) } ?? ""
    var problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "out of memory"
    let isText = code == YAML_READER_ERROR
    if isText && value >= 0 { problem += " 0x" + String(value, radix: 16, uppercase: true) }
    return YAMLFailure(
        code: Int(code.rawValue),
        kind: isText ? .text : .syntax,
        problem: problem,
        context: context,
        position: isText ? SourcePosition(ofByte: offset, in: bytes) : SourcePosition(mark),
        contextPosition: context.isEmpty ? nil : SourcePosition(contextMark)
    )
}

extension SourcePosition {
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(
            line: Int32(clamping: mark.line &+ 1), column: Int32(clamping: mark.column &+ 1))
    }
}
