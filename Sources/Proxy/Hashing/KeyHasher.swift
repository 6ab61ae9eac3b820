import Config

/// How a pool turns a key into 32 bits: which hash, and over which part of the key.
package struct KeyHasher: BitwiseCopyable, Sendable {
    let function: HashFunction
    let tag: HashTag?

    package init(_ function: HashFunction, tag: HashTag? = nil) {
        self.function = function
        self.tag = tag
    }

    /// The hash of what the tag encloses if the key has one, else of the whole key.
    ///
    /// An empty key hashes to 0, whatever the function: twemproxy nc_server.c:server_pool_hash.
    package func hash(_ key: Span<UInt8>) -> UInt32 {
        guard let range = tag?.range(in: key) else { return hashWhole(key) }
        return hashWhole(key.extracting(range))
    }

    private func hashWhole(_ key: Span<UInt8>) -> UInt32 {
        guard !key.isEmpty else { return 0 }
        return switch function {
        case .oneAtATime: OneAtATime.hash(key)
        case .md5: MD5.hash(key)
        case .crc16: CRC.crc16(key)
        case .crc32: CRC.crc32(key)
        case .crc32a: CRC.crc32a(key)
        case .fnv1_64: FNV.fnv1_64(key)
        case .fnv1a_64: FNV.fnv1a_64(key)
        case .fnv1_32: FNV.fnv1_32(key)
        case .fnv1a_32: FNV.fnv1a_32(key)
        case .hsieh: Hsieh.hash(key)
        case .murmur: Murmur.hash(key)
        case .jenkins: Jenkins.hash(key)
        }
    }
}

extension HashTag {
    /// What stands between the first opening byte and the first closing byte after it.
    ///
    /// Nil when either is missing or nothing stands between them: the whole key is hashed then,
    /// and no later pair is tried. Source: twemproxy nc_server.c:server_pool_hash.
    package func range(in key: Span<UInt8>) -> Range<Int>? {
        var start = 0
        while start < key.count, key[start] != open { start &+= 1 }
        start &+= 1
        var end = start
        while end < key.count, key[end] != close { end &+= 1 }
        guard end < key.count, end > start else { return nil }
        return start..<end
    }
}
