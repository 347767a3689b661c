/// GPT-2's letters for bytes: printable Latin-1 stands for itself, the 68 other bytes for U+0100 and after.
enum ByteLevelAlphabet {
  /// The letter of each byte.
  static let letters: [Unicode.Scalar] = {
    var spare: UInt16 = 0x100
    let values = (0..<256).map { (byte: UInt16) -> UInt16 in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
      default:
        defer { spare += 1 }
        return spare
      }
    }
    return Array(String(decoding: values, as: UTF16.self).unicodeScalars)
  }()

  /// The UTF-8 of each byte's letter.
  static let encodedLetters: [[UInt8]] = letters.map { Array($0.utf8) }

  /// The byte of each letter below U+0144, or -1.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x144)
    for (byte, letter) in letters.enumerated() { bytes[Int(letter.value)] = Int16(byte) }
    return bytes
  }()

  static func byte(of letter: UInt32) -> UInt8? {
    guard letter < 0x144, bytes[Int(letter)] >= 0 else { return nil }
    return UInt8(bytes[Int(letter)])
  }

  /// The bytes a token's letters stand for; a token with any other character stands for its own UTF-8.
  static func bytes(ofToken token: some Collection<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(token.count)
    append(bytesOf: token, to: &result)
    return result
  }

  /// Puts the same behind what `result` has.
  static func append(bytesOf token: some Collection<UInt8>, to result: inout [UInt8]) {
    let start = result.count
    var iterator = token.makeIterator()
    while let lead = iterator.next() {
      var value = UInt32(lead)
      if lead >= 0x80 {
        // Letters are below U+0144: two bytes of UTF-8.
        guard lead < 0xE0, let trail = iterator.next() else { return appendItself(token, to: &result, from: start) }
        value = (value & 0x1F) << 6 | UInt32(trail & 0x3F)
      }
      guard let byte = byte(of: value) else { return appendItself(token, to: &result, from: start) }
      result.append(byte)
    }
  }

  private static func appendItself(_ token: some Collection<UInt8>, to result: inout [UInt8], from start: Int) {
    result.removeSubrange(start...)
    result.append(contentsOf: token)
  }

  /// The letters of `bytes`, as UTF-8.
  static func letters(of bytes: some Sequence<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    for byte in bytes { result.append(contentsOf: encodedLetters[Int(byte)]) }
    return result
  }
}
