extension UInt8 {
    /// The byte as a C `char` of x86-64 becomes an int: 0x80 and above fill the upper bits.
    var signExtended: UInt32 {
        UInt32(truncatingIfNeeded: Int8(bitPattern: self))
    }
}

extension UInt32 {
    /// - Precondition: `0 < count < 32`.
    func rotatedLeft(by count: UInt32) -> UInt32 {
        self &<< count | self &>> (32 &- count)
    }
}
