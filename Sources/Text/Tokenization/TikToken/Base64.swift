/// Base64 (RFC 4648, section 4), padded.
enum Base64 {
  private static let values: [Int8] = {
    var values = [Int8](repeating: -1, count: 256)
    for (value, letter) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8.enumerated() {
      values[Int(letter)] = Int8(value)
    }
    return values
  }()

  /// Nil for what is not whole groups of four letters, padded at the end at most.
  static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3)
    var group: UInt32 = 0
    var (letters, padding) = (0, 0)
    for letter in text {
      if letter == UInt8(ascii: "=") {
        padding += 1
        group <<= 6
      } else {
        guard padding == 0, values[Int(letter)] >= 0 else { return nil }
        group = group << 6 | UInt32(values[Int(letter)])
      }
      letters += 1
      guard letters % 4 == 0 else { continue }
      guard padding < 3 else { return nil }
      for i in 0..<(3 - padding) { bytes.append(UInt8(truncatingIfNeeded: group >> (16 - 8 * UInt32(i)))) }
      group = 0
    }
    return bytes
  }
}
