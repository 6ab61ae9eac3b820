import Testing

@testable import Proxy

/// Which commands may make memcached tell a key in bytes that was told in base64.
@Suite struct MemcacheExposedKeyTests {
    @Test(arguments: [
        ("ma a", true), ("ma YQ== b N0 J5", true), ("mg a N30", true), ("mg a k b v N30", true),
        ("ms a 1 MA", true), ("ms a 1 b Ma", true), ("ms a 1 q MP", true), ("ms a 1 Mp k", true),
        ("mg a b k v", false), ("mg a M N", true), ("ms a 1 N30", false), ("ms a 1 b k", false),
        ("ms a 1 ME", false), ("ms a 1 MR", false), ("ms a 1 MS", false), ("ms a 1 M", false),
        ("md a b q k", false), ("md a N30 MA", false), ("me a b", false),
    ])
    func mayExposeKey(_ line: String, _ mayExpose: Bool) {
        let request = MemcacheRequest(line: Array("\(line)\r\n".utf8).span, hasNull: false)
        #expect(request.mayExposeKey == mayExpose)
    }

    /// What memcached decodes though it is no base64 may have a line end for all the proxy knows.
    @Test(arguments: [
        ("YQ==", true), ("DQ==", true), ("Cg==", false), ("YWIK", false), ("eQ0KMTI=", false),
        ("eQ0KMTI=AAAA", false), ("YQ==YQ==", false), ("YQ", false), ("", false),
    ])
    func hasNoLineEnd(_ text: String, _ hasNone: Bool) {
        #expect(Base64Key(Array(text.utf8).span).hasNoLineEnd == hasNone)
    }
}
