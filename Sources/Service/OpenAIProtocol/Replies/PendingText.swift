/// Text that has come and is not given out yet, as UTF-8. It is only ever cut at a marker's beginning or end, so that
/// characters stay whole.
struct PendingText: Sendable {
  private var bytes: [UInt8] = []
  private var start = 0
  /// No more of it comes.
  var hasEnded = false

  enum Match { case yes, no, undecided }

  mutating func append(_ text: String) {
    if start > 4096, start > bytes.count / 2 {
      bytes.removeFirst(start)
      start = 0
    }
    bytes += text.utf8
  }

  var count: Int { bytes.count - start }
  var isEmpty: Bool { count == 0 }
  subscript(offset: Int) -> UInt8 { bytes[start + offset] }

  /// Whether the text, from `offset` on, begins with `marker`; undecided while all of it is the marker's beginning.
  func begins(with marker: Marker, at offset: Int = 0) -> Match {
    let common = min(count - offset, marker.bytes.count)
    for i in 0..<common where bytes[start + offset + i] != marker.bytes[i] { return .no }
    return common == marker.bytes.count ? .yes : .undecided
  }

  /// The first of `markers` to be found at `from` or later, and no later than at `last`, the longest of those at the
  /// same place.
  func first(of markers: [Marker], from: Int = 0, upTo last: Int = .max) -> (marker: Marker, offset: Int)? {
    let end = min(count, last < .max ? last + 1 : last)
    guard !markers.isEmpty, from < end else { return nil }
    for offset in from..<end {
      var best: Marker?
      for marker in markers where marker.bytes.count > best?.bytes.count ?? 0 && holds(marker, at: offset) {
        best = marker
      }
      if let best { return (best, offset) }
    }
    return nil
  }

  private func holds(_ marker: Marker, at offset: Int) -> Bool {
    guard bytes[start + offset] == marker.bytes[0], offset + marker.bytes.count <= count else { return false }
    for i in marker.bytes.indices where bytes[start + offset + i] != marker.bytes[i] { return false }
    return true
  }

  /// How many bytes are certain to belong to none of `markers`, none of which is in the text.
  func certain(before markers: [Marker]) -> Int {
    let longest = markers.map { $0.bytes.count }.max() ?? 1
    for offset in max(0, count - longest + 1)..<max(count, 1) where offset < count {
      for marker in markers where marker.bytes.count > count - offset {
        if (offset..<count).allSatisfy({ bytes[start + $0] == marker.bytes[$0 - offset] }) { return offset }
      }
    }
    return count
  }

  /// How many of the first `count` bytes remain without the line breaks at their end.
  func withoutLineBreaks(_ count: Int) -> Int {
    var count = count
    while count > 0, self[count - 1] == 0x0A || self[count - 1] == 0x0D { count -= 1 }
    return count
  }

  mutating func take(_ count: Int) -> String {
    defer { start += count }
    return prefix(count)
  }

  func prefix(_ count: Int) -> String { String(decoding: bytes[start..<start + count], as: UTF8.self) }

  /// The first character, a Unicode scalar; empty when there is none.
  mutating func takeCharacter() -> String {
    var length = min(1, count)
    while length < count, self[length] & 0xC0 == 0x80 { length += 1 }
    return take(length)
  }

  mutating func takeAll() -> String { take(count) }

  mutating func drop(_ count: Int) { start += count }

  mutating func next() -> UInt8 {
    start += 1
    return bytes[start - 1]
  }

  mutating func takeWhitespace() -> String {
    var length = 0
    while length < count, isWhitespace(self[length]) { length += 1 }
    return take(length)
  }

  /// Drops what of `markers` is at the beginning, however often; false while more text might be one of them.
  mutating func dropRepeated(_ markers: [Marker]) -> Bool {
    while true {
      let matches = markers.map { begins(with: $0) }
      guard let found = matches.firstIndex(of: .yes) else { return hasEnded || !matches.contains(.undecided) }
      drop(markers[found].bytes.count)
    }
  }

  mutating func dropLineBreaks() {
    while !isEmpty, self[0] == 0x0A || self[0] == 0x0D { start += 1 }
  }
}

/// A text that divides replies.
struct Marker: Sendable, Equatable {
  let text: String
  let bytes: [UInt8]

  /// `text` must not be empty.
  init(_ text: String) {
    self.text = text
    bytes = Array(text.utf8)
  }
}

/// JSON's whitespace.
func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
