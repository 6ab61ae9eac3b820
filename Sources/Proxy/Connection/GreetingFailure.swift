/// A connection failed because of a greeting: it was refused, or had no answer yet.
struct GreetingFailure: BitwiseCopyable {
    let greeting: Greeting
    let isRefused: Bool
    /// Index of the pool, and in its servers.
    let pool: UInt16
    let server: UInt16
}

extension ShortText {
    /// An error of a server's, without its marker and line end, and without a secret that it was
    /// sent: servers repeat the arguments of a command that they do not know.
    init(error: Span<UInt8>, hiding secret: Span<UInt8>) {
        self.init()
        var position = 1
        while position < error.count, error[position] != RESPHeader.carriageReturn {
            let rest = error.extracting(position..<error.count)
            if rest.hasPrefix(", with args") { return }
            // The start of one at the end of what there is may be all of it.
            let shown = rest.commonPrefix(with: secret)
            if shown > 0, shown == secret.count || shown == rest.count {
                for _ in 0..<3 { append(UInt8(ascii: "*")) }
                position &+= shown
            } else {
                append(error[position])
                position &+= 1
            }
        }
    }
}

extension Span<UInt8> {
    fileprivate func commonPrefix(with other: Span<UInt8>) -> Int {
        var length = 0
        while length < count, length < other.count, self[length] == other[length] { length &+= 1 }
        return length
    }
}
