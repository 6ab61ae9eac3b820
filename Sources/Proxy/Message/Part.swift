/// What a worker keeps per server while it splits a request or puts a reply together.
struct Part: BitwiseCopyable {
    /// Keys that go to the server.
    var keyCount = 0
    var fragment = Handle<Request>.none
    /// `none` if there is no connection to send the fragment on, for this reason.
    var connection = Handle<ServerConnection>.none
    var failure = SystemError.endOfStream
    /// Where the values of the fragment's reply go on.
    var values: MbufCursor?
}
