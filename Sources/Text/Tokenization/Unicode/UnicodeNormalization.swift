/// The four Unicode normalisation forms (UAX #15) with the tables of Unicode 9, which the reference has.
///
/// Characters assigned later pass unchanged and, having no combining class in Unicode 9, separate what surrounds them.
enum UnicodeNormalization: String, Sendable {
  case nfc = "NFC"
  case nfd = "NFD"
  case nfkc = "NFKC"
  case nfkd = "NFKD"

  /// `bytes` (well-formed UTF-8) in this form.
  func apply(to bytes: [UInt8]) -> [UInt8] {
    if bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
    let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
    if self == .nfc, scalars.allSatisfy({ Self.isInert($0.value) }) { return bytes }
    var text = decomposed(scalars)
    if self == .nfc || self == .nfkc { Self.compose(&text) }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for value in text { result.append(scalar: value) }
    return result
  }

  /// Neither changes under NFC nor composes with what is before it.
  private static func isInert(_ value: UInt32) -> Bool {
    if value < 0x300 || (0x3400...0x9FFF).contains(value) { return true }
    return combiningClasses[value] == nil && canonical[value] == nil && !secondScalars.contains(value)
      && !(Hangul.vowel..<Hangul.vowel + 21).contains(value) && !(Hangul.trail..<Hangul.trail + 28).contains(value)
  }

  /// Full decomposition in canonical order.
  private func decomposed(_ scalars: String.UnicodeScalarView) -> [UInt32] {
    let isCompatible = self == .nfkc || self == .nfkd
    var text: [UInt32] = []
    var runStart = 0
    func orderRun() {
      guard text.count - runStart > 1 else { return }
      let run = text[runStart...].enumerated().sorted { a, b in
        let (left, right) = (Self.combiningClass(a.element), Self.combiningClass(b.element))
        return left != right ? left < right : a.offset < b.offset
      }
      text.replaceSubrange(runStart..., with: run.map(\.element))
    }
    func append(_ value: UInt32) {
      if Self.combiningClass(value) == 0 {
        orderRun()
        text.append(value)
        runStart = text.count
      } else {
        text.append(value)
      }
    }
    for scalar in scalars {
      let value = scalar.value
      if value < 0xA0 {
        append(value)
      } else if let parts = (isCompatible ? Self.compatibility[value] : nil) ?? Self.canonical[value] {
        for part in parts { append(part) }
      } else if let parts = Hangul.decomposition(value) {
        for part in parts { append(part) }
      } else {
        append(value)
      }
    }
    orderRun()
    return text
  }

  /// Composes each starter with the characters that follow it unblocked.
  private static func compose(_ text: inout [UInt32]) {
    var starter: Int?
    var lastClass: UInt8 = 0
    var count = 0
    for value in text {
      let combining = combiningClass(value)
      if let position = starter, position == count - 1 || lastClass < combining,
        let composite = Hangul.composition(text[position], value) ?? compositions[pair(text[position], value)]
      {
        text[position] = composite
        continue
      }
      text[count] = value
      if combining == 0 { starter = count }
      lastClass = combining
      count += 1
    }
    text.removeLast(text.count - count)
  }

  private static func pair(_ first: UInt32, _ second: UInt32) -> UInt64 { UInt64(first) << 32 | UInt64(second) }
  private static func combiningClass(_ value: UInt32) -> UInt8 { value < 0x300 ? 0 : combiningClasses[value] ?? 0 }

  /// Whether Unicode 9 had the character.
  static func isKnown(_ scalar: Unicode.Scalar) -> Bool { (scalar.properties.age?.major ?? 99) <= 9 }

  /// Only marks have a combining class other than 0.
  private static let combiningClasses: [UInt32: UInt8] = {
    var classes: [UInt32: UInt8] = [:]
    for value in UnicodeClasses.category("M").ranges.joined() {
      guard let scalar = Unicode.Scalar(value), isKnown(scalar) else { continue }
      let combining = scalar.properties.canonicalCombiningClass.rawValue
      if combining != 0 { classes[value] = combining }
    }
    return classes
  }()

  private static let canonical = parse(DecompositionTable.canonical)
  private static let compatibility = parse(DecompositionTable.compatibility)
  private static let secondScalars = Set(compositions.keys.map { UInt32(truncatingIfNeeded: $0) })

  /// The composite of each pair, from the full decompositions: the shorter ones first, for the longer build on them.
  private static let compositions: [UInt64: UInt32] = {
    let exclusions = ScalarSet(hexadecimal: DecompositionTable.compositionExclusions)
    var compositions: [UInt64: UInt32] = [:]
    for (value, parts) in canonical.sorted(by: { $0.value.count < $1.value.count }) {
      guard parts.count > 1, !exclusions.contains(value) else { continue }
      var first: UInt32? = parts[0]
      for part in parts[1..<parts.count - 1] { first = first.flatMap { compositions[pair($0, part)] } }
      if let first { compositions[pair(first, parts[parts.count - 1])] = value }
    }
    return compositions
  }()

  private static func parse(_ table: String) -> [UInt32: [UInt32]] {
    var decompositions: [UInt32: [UInt32]] = [:]
    for entry in table.split(whereSeparator: \.isWhitespace) {
      let sides = entry.split(separator: "=")
      let keys = sides[0].split(separator: "-").compactMap { UInt32($0, radix: 16) }
      let parts = sides[1].split(separator: ".").compactMap { UInt32($0, radix: 16) }
      for (offset, key) in (keys[0]...keys[keys.count - 1]).enumerated() {
        decompositions[key] = offset == 0 ? parts : [parts[0] + UInt32(offset)]
      }
    }
    return decompositions
  }
}

/// Hangul syllables, whose decompositions are arithmetic (The Unicode Standard, section 3.12).
private enum Hangul {
  static let syllable: UInt32 = 0xAC00
  static let lead: UInt32 = 0x1100
  static let vowel: UInt32 = 0x1161
  /// One before the first trailing consonant, so that 0 is none.
  static let trail: UInt32 = 0x11A7
  private static let vowelCount: UInt32 = 21
  private static let trailCount: UInt32 = 28
  private static let syllableCount: UInt32 = 11172

  static func decomposition(_ value: UInt32) -> [UInt32]? {
    guard value >= syllable, value < syllable + syllableCount else { return nil }
    let index = value - syllable
    let parts = [lead + index / (vowelCount * trailCount), vowel + index % (vowelCount * trailCount) / trailCount]
    return index % trailCount == 0 ? parts : parts + [trail + index % trailCount]
  }

  static func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if first >= lead, first < lead + 19, second >= vowel, second < vowel + vowelCount {
      return syllable + ((first - lead) * vowelCount + (second - vowel)) * trailCount
    }
    guard first >= syllable, first < syllable + syllableCount, (first - syllable) % trailCount == 0,
      second > trail, second < trail + trailCount
    else { return nil }
    return first + (second - trail)
  }
}
