/// A name of parts with dots between them, as those of tensors and settings are: `model.layers.0.mlp.gate.weight`. What
/// a name is, whole parts tell, byte by byte; never how the text happens to begin or end.
package struct DottedName {
  private let text: String

  package init(_ text: String) { self.text = text }

  package var parts: [Substring] {
    text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { Substring($0) }
  }

  /// The part behind the last dot.
  package var last: Substring {
    text.utf8.lastIndex(of: UInt8(ascii: ".")).map { text[text.utf8.index(after: $0)...] } ?? text[...]
  }

  /// Whether one part is this.
  package func contains(_ part: String) -> Bool { parts.contains { $0.utf8.elementsEqual(part.utf8) } }

  /// Whether `start`, one part or several, is what the name begins with, and others follow.
  package func begins(with start: String) -> Bool { after(start) != nil }

  /// Whether `end`, one part or several, is what the name ends in, or all of it.
  package func ends(in end: String) -> Bool { before(end) != nil || text.utf8.elementsEqual(end.utf8) }

  /// The parts that follow `start`; nil where the name does not begin so, or nothing follows.
  package func after(_ start: String) -> Substring? {
    var rest = text.utf8[...]
    for byte in start.utf8 { guard rest.popFirst() == byte else { return nil } }
    guard rest.popFirst() == UInt8(ascii: ".") else { return nil }
    return Substring(rest)
  }

  /// The parts before `end`; nil where the name does not end so, or nothing is before it.
  package func before(_ end: String) -> Substring? {
    var rest = text.utf8[...]
    for byte in end.utf8.reversed() { guard rest.popLast() == byte else { return nil } }
    guard rest.popLast() == UInt8(ascii: ".") else { return nil }
    return Substring(rest)
  }
}
