/// Substring search in linear time (Knuth-Morris-Pratt): a hostile needle costs no more than any other.
///
/// Works on UTF-8 bytes; a valid needle only ever matches at code-point boundaries.
enum TextSearch {
  /// Byte offsets of the non-overlapping occurrences of a non-empty `needle`, from the left, at most `limit`.
  static func offsets(of needle: [UInt8], in text: [UInt8], limit: Int = .max) -> [Int] {
    guard let first = needle.first, needle.count <= text.count, limit > 0 else { return [] }
    let borders = borders(of: needle)
    var found: [Int] = []
    var matched = 0
    let text = text.span
    var i = 0
    while i < text.count {
      let byte = text[i]
      if matched == 0, byte != first {
        i += 1
        continue
      }
      while matched > 0, needle[matched] != byte { matched = borders[matched - 1] }
      if needle[matched] == byte { matched += 1 }
      i += 1
      if matched == needle.count {
        found.append(i - matched)
        if found.count == limit { break }
        matched = 0
      }
    }
    return found
  }

  /// For each prefix of `needle`, the length of its longest proper prefix that also ends it.
  private static func borders(of needle: [UInt8]) -> [Int] {
    var borders = [Int](repeating: 0, count: needle.count)
    var length = 0
    for i in needle.indices.dropFirst() {
      while length > 0, needle[length] != needle[i] { length = borders[length - 1] }
      if needle[length] == needle[i] { length += 1 }
      borders[i] = length
    }
    return borders
  }

  /// As `offsets`, but found from the right; still in ascending order.
  static func offsetsFromEnd(of needle: [UInt8], in text: [UInt8], limit: Int) -> [Int] {
    let reversed = offsets(of: needle.reversed(), in: text.reversed(), limit: limit)
    return reversed.reversed().map { text.count - $0 - needle.count }
  }

  static func contains(_ needle: String, in text: String) -> Bool {
    needle.isEmpty || !offsets(of: Array(needle.utf8), in: Array(text.utf8), limit: 1).isEmpty
  }

  /// The parts of `text` between separators of `width` bytes at `offsets`.
  static func parts(of text: [UInt8], cutAt offsets: [Int], width: Int) -> [String] {
    var parts: [String] = []
    parts.reserveCapacity(offsets.count + 1)
    var start = 0
    for offset in offsets {
      parts.append(String(decoding: text[start..<offset], as: UTF8.self))
      start = offset + width
    }
    parts.append(String(decoding: text[start...], as: UTF8.self))
    return parts
  }
}
