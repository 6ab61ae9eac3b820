import Testing

@testable import Proxy

@Suite struct RequestTests {
    /// With thousands in flight, each line of the cache more is waited for.
    @Test func isOneLineOfTheCache() {
        #expect(MemoryLayout<Request>.stride == 64)
    }
}
