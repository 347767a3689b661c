import Bytes

/// A set of token ids: those that may be sampled.
package struct AllowedTokens: Sendable, Equatable {
  /// A bit for each id, the lowest first; as many words as the vocabulary needs.
  package let words: [UInt64]

  package init(words: [UInt64]) { self.words = words }

  /// Whether the token may come; false for one past the vocabulary.
  package func contains(_ token: Int) -> Bool {
    let word = token >> 6
    return token >= 0 && word < words.count && words[word] >> UInt64(token & 63) & 1 != 0
  }

  /// Sets the scores `[count]` of all others to minus infinity.
  func apply(to scores: UnsafeMutablePointer<Float>, count: Int) {
    for start in stride(from: 0, to: count, by: 64) {
      let word = start >> 6 < words.count ? words[start >> 6] : 0
      guard word != .max else { continue }
      for bit in 0..<min(64, count - start) where word >> UInt64(bit) & 1 == 0 { scores[start + bit] = -.infinity }
    }
  }
}

extension AllowedTokens {
  private enum Form: UInt8 { case bits, allowed, others }

  /// Writes the shortest of three forms: the bits, the ids in the set, or those that are not.
  func write(to writer: inout ByteWriter) {
    let count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    let form: Form =
      min(count, words.count * 64 - count) >= words.count * 2 ? .bits : count <= words.count * 32 ? .allowed : .others
    writer.write(form.rawValue)
    writer.write(Int32(words.count))
    guard form != .bits else {
      for word in words { writer.write(word) }
      return
    }
    writer.write(Int32(form == .allowed ? count : words.count * 64 - count))
    for (i, word) in words.enumerated() {
      var rest = form == .allowed ? word : ~word
      while rest != 0 {
        writer.write(Int32(i * 64 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
  }

  /// Most words of a set: a vocabulary of 2²⁴.
  private static let wordLimit = 1 << 18

  init(from reader: inout ByteReader) throws(TruncatedMessage) {
    guard let form = Form(rawValue: try reader.read(UInt8.self)) else { throw TruncatedMessage() }
    let count = Int(try reader.read(Int32.self))
    guard (0...Self.wordLimit).contains(count) else { throw TruncatedMessage() }
    guard form != .bits else {
      words = (try reader.readRaw(count: count) as [UInt64]).map { UInt64(littleEndian: $0) }
      return
    }
    var words = [UInt64](repeating: form == .allowed ? 0 : .max, count: count)
    for id in try reader.readInts() {
      guard id >= 0, Int(id) < count * 64 else { throw TruncatedMessage() }
      let bit = UInt64(1) << UInt64(id & 63)
      if form == .allowed { words[Int(id) >> 6] |= bit } else { words[Int(id) >> 6] &= ~bit }
    }
    self.words = words
  }
}
