/// The numbers 0 ..< count in a random order of which each place is computed by itself.
///
/// Eight rounds of a balanced Feistel network over the next power of four, keyed by a stream; numbers beyond the count
/// walk on until they are inside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002), after four steps
/// on average at most.
package struct Shuffle: Sendable {
  package let count: Int
  private let stream: RandomStream
  /// Which of the stream's orders.
  private let number: UInt64
  private let halfBits: UInt64
  private static let roundCount: UInt64 = 8

  /// The order `number` of a stream that nothing else uses.
  package init(count: Int, stream: RandomStream, number: Int) {
    self.count = max(1, count)
    self.stream = stream
    self.number = UInt64(truncatingIfNeeded: number)
    let bits = Int.bitWidth - (self.count - 1).leadingZeroBitCount
    halfBits = UInt64(max(1, (bits + 1) / 2))
  }

  /// The number at a place, which is at least 0 and less than `count`.
  package subscript(place: Int) -> Int {
    let mask = (UInt64(1) << halfBits) - 1
    var value = UInt64(place)
    repeat {
      var (left, right) = (value >> halfBits, value & mask)
      for round in 0..<Self.roundCount {
        let bits = stream.bits(round << 32 | right, number)
        (left, right) = (right, left ^ UInt64(bits.x) & mask)
      }
      value = left << halfBits | right
    } while value >= UInt64(count)
    return Int(value)
  }
}
