import TestSupport

/// Makes inputs from valid ones. The same seed and number give the same input, whatever was made before.
struct Mutator {
  let seeds: [[UInt8]]
  /// What is put in and exchanged: words of the format, and values at its limits.
  let pieces: [[UInt8]]

  private static let numbers = [
    "0", "-1", "1", "2147483647", "2147483648", "4294967296", "9223372036854775807", "-9223372036854775808",
    "18446744073709551616", "1e308", "1e999", "-0", "0.5", "1e-320",
  ].map { Array($0.utf8) }
  private static let words: [Int32] = [0, 1, -1, .max, .min, 2, 7, 8, 255, 1 << 16, 1 << 28, 1 << 30]

  func input(seed: UInt64, number: UInt64) -> [UInt8] {
    var random = SeededGenerator(seed &* 0x9E37_79B9_7F4A_7C15 ^ number)
    var bytes = seeds.randomElement(using: &random) ?? []
    // One in fifty stays valid: what follows the reader is to run, too.
    guard Int.random(in: 0..<50, using: &random) > 0 else { return bytes }
    repeat { change(&bytes, &random) } while Int.random(in: 0..<2, using: &random) == 0
    return bytes
  }

  private func change(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    guard !bytes.isEmpty else {
      bytes = pieces.randomElement(using: &random) ?? [0]
      return
    }
    let at = Int.random(in: bytes.indices, using: &random)
    func length(_ limit: Int, _ random: inout SeededGenerator) -> Int {
      min(bytes.count - at, Int.random(in: 1...limit, using: &random))
    }
    switch Int.random(in: 0..<12, using: &random) {
    case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
    case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 2: bytes.removeSubrange(at..<(at + length(20, &random)))
    case 3: bytes.removeSubrange(at...)
    case 4, 5: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: at)
    case 6:
      let part = Array(bytes[at..<(at + length(60, &random))])
      bytes.insert(contentsOf: part, at: Int.random(in: 0...bytes.count, using: &random))
    case 7:
      // Deep, or long.
      let piece = pieces.randomElement(using: &random) ?? [0]
      let many = repeatElement(piece, count: 1 << Int.random(in: 1...10, using: &random)).joined()
      bytes.insert(contentsOf: many, at: at)
    case 8: exchangeNumber(&bytes, from: at, &random)
    case 9: exchangeValue(&bytes, from: at, &random)
    case 10:
      guard bytes.count >= 4 else { return }
      let start = at / 4 * 4
      guard start + 4 <= bytes.count else { return }
      let word = Self.words.randomElement(using: &random) ?? 0
      withUnsafeBytes(of: word.littleEndian) { bytes.replaceSubrange(start..<(start + 4), with: $0) }
    default:
      let other = seeds.randomElement(using: &random) ?? []
      guard !other.isEmpty else { return }
      let from = Int.random(in: other.indices, using: &random)
      bytes.replaceSubrange(at..., with: other[from...])
    }
  }

  private func exchangeNumber(_ bytes: inout [UInt8], from at: Int, _ random: inout SeededGenerator) {
    func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    guard let start = bytes[at...].firstIndex(where: isDigit) ?? bytes.firstIndex(where: isDigit) else { return }
    let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
    bytes.replaceSubrange(start..<end, with: Self.numbers.randomElement(using: &random) ?? [])
  }

  /// A member's value for another.
  private func exchangeValue(_ bytes: inout [UInt8], from at: Int, _ random: inout SeededGenerator) {
    guard let colon = bytes[at...].firstIndex(of: UInt8(ascii: ":")) else { return }
    let end = bytes[colon...].firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "}") } ?? bytes.count
    bytes.replaceSubrange((colon + 1)..<end, with: pieces.randomElement(using: &random) ?? [])
  }
}
