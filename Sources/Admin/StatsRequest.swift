import Proxy

/// What a client of the statistics port wants, by the first bytes it sends.
///
/// twemproxy's clients send nothing, or something that does not matter, and get the bare
/// document. One that speaks HTTP gets an HTTP response, whatever path and headers it names:
/// that much is known after the first line.
struct StatsRequest: Equatable {
    var form: Form
    /// Whether more bytes may still come that belong to the request or change its form.
    var isWhole: Bool

    enum Form: Equatable {
        /// Not HTTP.
        case plain
        case get, head
        /// An HTTP method that has no meaning here.
        case otherMethod
        /// A TLS handshake, say: whoever sends it can make nothing of any answer.
        case foreign(ForeignProtocol)
    }

    /// The most bytes that are looked at, the size of the usual limit for HTTP headers.
    static let bytesMax = 8192

    /// The longest method, and more than any that exists (RFC 9110 §16.1: 17).
    private static let methodLengthMax = 20

    /// - Parameter bytes: All that was received, or its first `bytesMax` bytes.
    init(_ bytes: [UInt8]) {
        var opening = Opening.statistics
        if let foreign = opening.read(bytes.span) {
            self.init(form: .foreign(foreign), isWhole: true)
            return
        }
        guard Self.mayBeHTTP(bytes) else {
            self.init(form: .plain, isWhole: opening.isDecided)
            return
        }
        let isFull = bytes.count >= Self.bytesMax
        guard let lineEnd = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
            self.init(form: .plain, isWhole: isFull)
            return
        }
        let words = bytes[..<lineEnd].split(
            separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, !words[1].isEmpty, words[2].starts(with: "HTTP/1.".utf8) else {
            self.init(form: .plain, isWhole: true)
            return
        }
        self.init(form: Form(method: words[0]), isWhole: isFull || Self.hasHeaderEnd(bytes))
    }

    private init(form: Form, isWhole: Bool) {
        self.form = form
        self.isWhole = isWhole
    }

    /// Whether bytes begin as `METHOD ` does, or as much of it as there is.
    private static func mayBeHTTP(_ bytes: [UInt8]) -> Bool {
        let letters = UInt8(ascii: "A")...UInt8(ascii: "Z")
        let end = bytes.firstIndex { !letters.contains($0) } ?? bytes.count
        guard end <= methodLengthMax else { return false }
        return end == bytes.count || (end > 0 && bytes[end] == UInt8(ascii: " "))
    }

    /// Whether there is an empty line. Line ends are CR LF or LF (RFC 9112 §2.2).
    private static func hasHeaderEnd(_ bytes: [UInt8]) -> Bool {
        var isLineEmpty = false
        for byte in bytes where byte != UInt8(ascii: "\r") {
            let isLineEnd = byte == UInt8(ascii: "\n")
            if isLineEnd && isLineEmpty { return true }
            isLineEmpty = isLineEnd
        }
        return false
    }
}

extension StatsRequest.Form {
    fileprivate init(method: ArraySlice<UInt8>) {
        if method.elementsEqual("GET".utf8) {
            self = .get
        } else if method.elementsEqual("HEAD".utf8) {
            self = .head
        } else {
            self = .otherMethod
        }
    }

    /// Everything to send, after which the connection ends.
    func answer(_ document: [UInt8]) -> [UInt8] {
        switch self {
        case .foreign:
            []
        case .plain:
            document
        case .get:
            head("200 OK", bodyLength: document.count) + document
        case .head:
            head("200 OK", bodyLength: document.count)
        case .otherMethod:
            head("405 Method Not Allowed", bodyLength: 0, more: "Allow: GET, HEAD\r\n")
        }
    }

    private func head(_ status: String, bodyLength: Int, more: String = "") -> [UInt8] {
        let type = bodyLength > 0 ? "Content-Type: application/json\r\n" : ""
        return Array(
            """
            HTTP/1.1 \(status)\r
            \(type)Content-Length: \(bodyLength)\r
            Cache-Control: no-store\r
            \(more)Connection: close\r
            \r

            """.utf8)
    }
}
