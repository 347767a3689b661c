import ArgumentParser

extension ParsableArguments {
  /// Throws where an option, named without its dashes, has a value outside of `range`, bounds included; nil is no
  /// value.
  func require<T: Comparable>(_ option: String, _ value: T?, in range: ClosedRange<T>) throws {
    guard let value, !range.contains(value) else { return }
    func words(_ bound: T) -> String { "\(bound)".hasSuffix(".0") ? String("\(bound)".dropLast(2)) : "\(bound)" }
    let bounds = "\(words(range.lowerBound)) and \(words(range.upperBound))"
    throw ValidationError("--\(option) \(value) is not between \(bounds)")
  }

  /// The numbers of a list such as `1,2,3`, at least one; throws where one of them lies outside of `range`.
  func numbers(_ option: String, _ text: String, in range: ClosedRange<Int>) throws -> [Int] {
    let numbers = try InputText.ids(text)
    guard !numbers.isEmpty, numbers.allSatisfy({ range.contains($0) }) else {
      throw ValidationError("--\(option) \(text): each must be between \(range.lowerBound) and \(range.upperBound)")
    }
    return numbers
  }
}
