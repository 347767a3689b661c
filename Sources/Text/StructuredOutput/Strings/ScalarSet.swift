/// A set of Unicode scalars as sorted, disjoint, non-adjacent ranges; surrogates are never in it.
struct ScalarSet: Hashable, Sendable {
  private(set) var ranges: [ClosedRange<UInt32>] = []

  static let all = ScalarSet([0...0x10FFFF])
  static let empty = ScalarSet([])
  private static let surrogates: ClosedRange<UInt32> = 0xD800...0xDFFF

  init(_ unordered: [ClosedRange<UInt32>]) {
    for range in unordered.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = ranges.last, range.lowerBound <= last.upperBound + 1 {
        ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        ranges.append(range)
      }
    }
    guard ranges.contains(where: { $0.overlaps(Self.surrogates) }) else { return }
    ranges = ranges.flatMap { range -> [ClosedRange<UInt32>] in
      guard range.overlaps(Self.surrogates) else { return [range] }
      var parts: [ClosedRange<UInt32>] = []
      if range.lowerBound < 0xD800 { parts.append(range.lowerBound...0xD7FF) }
      if range.upperBound > 0xDFFF { parts.append(0xE000...range.upperBound) }
      return parts
    }
  }

  init(_ scalar: Unicode.Scalar) { self.init([scalar.value...scalar.value]) }
  init(_ characters: String) { self.init(characters.unicodeScalars.map { $0.value...$0.value }) }

  var isEmpty: Bool { ranges.isEmpty }

  func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

  func intersection(_ other: ScalarSet) -> ScalarSet { complement.union(other.complement).complement }

  func isSuperset(of other: ScalarSet) -> Bool {
    other.ranges.allSatisfy { inner in
      ranges.contains { $0.lowerBound <= inner.lowerBound && inner.upperBound <= $0.upperBound }
    }
  }

  /// All scalars that are not in the set.
  var complement: ScalarSet {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
      next = range.upperBound + 1
    }
    if next <= 0x10FFFF { result.append(next...0x10FFFF) }
    return ScalarSet(result)
  }
}

extension ScalarSet {
  static let digits = ScalarSet([0x30...0x39])
  static let wordCharacters = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  static let spaces = ScalarSet([0x09...0x0D, 0x20...0x20])
  /// What ends a line, which '.' does not match.
  static let lineEnds = ScalarSet([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029])

  /// What `\d`, `\w` and `\s` match in some dialect: ECMA-262 has ASCII digits and letters and Unicode's spaces, others
  /// have Unicode for all. Where a pattern excludes them, these are excluded, so that both kinds of validators agree.
  static let anyDigits = gathering { $0.generalCategory == .decimalNumber }
  static let anyWordCharacters = gathering {
    $0.isAlphabetic || $0.numericType != nil || $0.isJoinControl || $0.generalCategory == .connectorPunctuation
      || $0.generalCategory == .nonspacingMark || $0.generalCategory == .spacingMark
      || $0.generalCategory == .enclosingMark || $0.generalCategory == .letterNumber
  }
  static let anySpaces = ScalarSet([
    0x09...0x0D, 0x1C...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x180E...0x180E, 0x2000...0x200A,
    0x2028...0x2029, 0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
  ])

  private static func gathering(_ belongs: (Unicode.Scalar.Properties) -> Bool) -> ScalarSet {
    var ranges: [ClosedRange<UInt32>] = []
    // Beyond these planes there are no letters or digits, and of marks only the variation selectors.
    for value in UInt32(0)...0x3FFFF {
      guard let scalar = Unicode.Scalar(value), belongs(scalar.properties) else { continue }
      if let last = ranges.last, last.upperBound + 1 == value {
        ranges[ranges.count - 1] = last.lowerBound...value
      } else {
        ranges.append(value...value)
      }
    }
    return ScalarSet(ranges + [0xE0100...0xE01EF])
  }
}
