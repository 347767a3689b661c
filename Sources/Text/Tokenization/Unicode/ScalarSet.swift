/// A set of Unicode scalar values as sorted, disjoint, non-adjacent ranges.
struct ScalarSet: Equatable, Sendable {
  private(set) var ranges: [ClosedRange<UInt32>]

  static let surrogates: ClosedRange<UInt32> = 0xD800...0xDFFF
  static let empty = ScalarSet([])

  init(_ unordered: [ClosedRange<UInt32>]) {
    ranges = []
    for range in unordered.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = ranges.last, range.lowerBound <= last.upperBound + 1 {
        ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        ranges.append(range)
      }
    }
  }

  /// The set written as hexadecimal ranges, "30-39 41 61-66".
  init(hexadecimal text: String) {
    self.init(
      text.split(whereSeparator: \.isWhitespace).map { word in
        let bounds = word.split(separator: "-").compactMap { UInt32($0, radix: 16) }
        return bounds[0]...bounds[bounds.count - 1]
      })
  }

  var isEmpty: Bool { ranges.isEmpty }

  func contains(_ value: UInt32) -> Bool {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].lowerBound <= value
  }

  func contains(_ scalar: Unicode.Scalar) -> Bool { contains(scalar.value) }

  func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

  /// Every scalar value outside the set; surrogates are not scalar values and never belong to it.
  func inverted() -> ScalarSet {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in union(ScalarSet([Self.surrogates])).ranges {
      if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
      next = range.upperBound + 1
    }
    if next <= 0x10FFFF { result.append(next...0x10FFFF) }
    return ScalarSet(result)
  }

  func intersection(_ other: ScalarSet) -> ScalarSet { inverted().union(other.inverted()).inverted() }
  func subtracting(_ other: ScalarSet) -> ScalarSet { intersection(other.inverted()) }
}
