import CPCRE2
import Synchronization

/// What PCRE2's own tables of general categories lack, compared with the reference's (`UnicodeClasses`).
///
/// PCRE2 10.42 knows Unicode 14. Testing `\p{L}` by its table is fast and compact, so patterns keep it and add the
/// letters it lacks. The difference is measured, not assumed: it holds for whatever PCRE2 is linked.
enum EngineCategories {
  /// Categories worth testing by table: those with many ranges.
  private static let measurable: Set<String> = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "N", "Nd", "Nl", "P", "Po", "Pc", "S", "So",
  ]
  private static let known = Mutex<[String: [ClosedRange<UInt32>]?]>([:])

  /// The ranges to add to PCRE2's `\p{category}`; nil when that has characters it should not have, or is not measured.
  static func missing(from category: String) -> [ClosedRange<UInt32>]? {
    guard measurable.contains(category) else { return nil }
    return known.withLock { known in
      if let found = known[category] { return found }
      let measured = measure(category)
      known[category] = .some(measured)
      return measured
    }
  }

  /// Planes 4 to 13 hold nothing and 15 and 16 are for private use: no category here reaches into them.
  private static let scannedPlanes: [ClosedRange<UInt32>] = [0...0xD7FF, 0xE000...0x3FFFF, 0xE0000...0xE0FFF]

  private static let scannedText: [UInt8] = {
    var text: [UInt8] = []
    text.reserveCapacity(1 << 20)
    for plane in scannedPlanes {
      for value in plane { text.append(scalar: value) }
    }
    return text
  }()

  private static func measure(_ category: String) -> [ClosedRange<UInt32>]? {
    guard let pattern = try? CompiledPattern(translated: "\\p{\(category)}+", source: category, field: "") else {
      return nil
    }
    let scratch = MatchScratch(byteCount: scannedText.count)
    var ranges: [ClosedRange<UInt32>] = []
    let isComplete = scannedText.withUnsafeBufferPointer { text in
      (try? pattern.forEachMatch(in: text, scratch: scratch) { match in
        var position = match.lowerBound
        while position < match.upperBound {
          let value = UTF8Text.scalarValue(text, &position)
          if let last = ranges.last, last.upperBound + 1 == value {
            ranges[ranges.count - 1] = last.lowerBound...value
          } else {
            ranges.append(value...value)
          }
        }
      }) != nil
    }
    let engine = ScalarSet(ranges)
    let wanted = UnicodeClasses.category(category)
    guard isComplete, engine.subtracting(wanted).isEmpty else { return nil }
    return wanted.subtracting(engine).ranges
  }
}
