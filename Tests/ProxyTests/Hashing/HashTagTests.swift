import Config
import Testing

@testable import Proxy

@Suite struct HashTagTests {
    /// twemproxy 0.5.0, observed: the text that decides where a key goes.
    @Test(arguments: [
        ("{}", "a{t}b", "t"), ("{}", "{}x", "{}x"), ("{}", "{x", "{x"), ("{}", "}{t}", "t"),
        ("{}", "{{t}}", "{t"), ("{}", "{}{t}", "{}{t}"), ("{}", "{t}{u}", "t"),
        ("{}", "", ""), ("{}", "{", "{"), ("{}", "}", "}"), ("{}", "{}", "{}"),
        ("{}", "plain", "plain"), ("{}", "x}", "x}"), ("{}", "x{", "x{"), ("{}", "x{y}", "y"),
        ("{}", "{long tag}", "long tag"), ("{}", "a}b{c", "a}b{c"),
        ("$$", "a$t$b", "t"), ("$$", "$t$", "t"), ("$$", "$$t$", "$$t$"), ("$$", "$t", "$t"),
        ("$$", "$", "$"), ("$$", "$$", "$$"), ("$$", "a$b$c$d$", "b"),
        ("::", "user:42:name", "42"), ("ab", "xaybz", "y"),
    ])
    func hashesTheTag(_ tag: String, _ key: String, _ hashed: String) throws {
        let ends = Array(tag.utf8)
        let hasher = KeyHasher(.fnv1a_64, tag: HashTag(open: ends[0], close: ends[1]))
        let keyBytes = Array(key.utf8)
        let hashedBytes = Array(hashed.utf8)
        #expect(
            hasher.hash(keyBytes.span) == KeyHasher(.fnv1a_64).hash(hashedBytes.span))
    }

    @Test func withoutATagBracesAreBytesLikeOthers() {
        let key = Array("a{t}b".utf8)
        let tag = Array("t".utf8)
        let hasher = KeyHasher(.fnv1a_64)
        #expect(hasher.hash(key.span) != hasher.hash(tag.span))
    }

    @Test func tagBytesNeedNotBeText() {
        let key: [UInt8] = [1, 0xFF, 7, 8, 0x00, 2]
        let tag: [UInt8] = [7, 8]
        let hasher = KeyHasher(.murmur, tag: HashTag(open: 0xFF, close: 0x00))
        #expect(hasher.hash(key.span) == KeyHasher(.murmur).hash(tag.span))
    }
}
