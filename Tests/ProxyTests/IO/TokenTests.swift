import Testing

@testable import Proxy

@Suite struct TokenTests {
    static let purposes: [Token.Purpose] = [
        .ignored, .wake, .accept, .clientReceive, .clientSend, .clientClose, .serverConnect,
        .serverReceive, .serverSend, .serverClose,
    ]

    @Test(arguments: purposes)
    func carriesAHandle(_ purpose: Token.Purpose) {
        for index in [0, 1, 0xFFFF, 0x1_0000, .max - 1, .max] as [UInt32] {
            for generation in [1, 3, 0xFF, 0x101, 0xFFFF, 0x1_0001, 0xFF_FFFF] as [UInt32] {
                let handle = Handle<ClientConnection>(index: index, generation: generation)
                let token = Token(rawValue: Token(purpose, handle).rawValue)
                #expect(token.purpose == purpose)
                #expect(token.index == index)
                #expect(token.handle(of: ClientConnection.self) == handle)
            }
        }
    }

    @Test(arguments: purposes)
    func carriesAnIndex(_ purpose: Token.Purpose) {
        for index in [0, 1, 255, 256, .max] as [UInt32] {
            let token = Token(purpose, index: index)
            #expect(token.purpose == purpose)
            #expect(token.index == index)
            #expect(token.handle(of: ClientConnection.self).isNone)
        }
    }

    @Test func carriesAHandOver() {
        for descriptor in [0, 1, 0xFFFF, 0x1_0000, .max] as [Int32] {
            for (pool, worker) in [(0, 0), (1, 255), (256, 1), (.max, 255)] as [(UInt16, Int)] {
                let socket = Socket(descriptor: descriptor)
                let token = Token(
                    rawValue: Token(handed: socket, pool: pool, worker: worker).rawValue)
                #expect(token.purpose == .handed)
                #expect(token.handed == (socket, Int(pool), worker))
            }
        }
    }

    @Test func isDifferentForEveryPurposeAndHandle() {
        var tokens: Set<Token> = []
        for purpose in Self.purposes {
            for index in 0..<10 as Range<UInt32> {
                for generation in [1, 3, 5] as [UInt32] {
                    tokens.insert(
                        Token(
                            purpose,
                            Handle<ServerConnection>(index: index, generation: generation)))
                }
            }
        }
        #expect(tokens.count == Self.purposes.count * 10 * 3)
    }
}
