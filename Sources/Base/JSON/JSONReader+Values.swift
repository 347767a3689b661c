/// Values by themselves, each with the path that an error names.
extension JSONReader {
  @inlinable
  package static func string(_ value: JSONValue, path: String) throws(Failure) -> String {
    guard let string = value.string else { throw Failure(wrongKind: path, expected: "a string", found: value) }
    return string
  }

  @inlinable
  package static func bool(_ value: JSONValue, path: String) throws(Failure) -> Bool {
    guard let bool = value.bool else { throw Failure(wrongKind: path, expected: "a boolean", found: value) }
    return bool
  }

  @inlinable
  package static func array(_ value: JSONValue, path: String) throws(Failure) -> [JSONValue] {
    guard let array = value.array else { throw Failure(wrongKind: path, expected: "an array", found: value) }
    return array
  }

  @inlinable
  package static func array<T>(
    _ value: JSONValue, path: String, _ element: (JSONValue, String) throws(Failure) -> T
  ) throws(Failure) -> [T] {
    let values = try array(value, path: path)
    var result: [T] = []
    result.reserveCapacity(values.count)
    for (i, value) in values.enumerated() { result.append(try element(value, "\(path)[\(i)]")) }
    return result
  }

  /// An integer within `range` that is written as one, without fraction and exponent.
  @inlinable
  package static func integer(_ value: JSONValue, path: String, in range: ClosedRange<Int>) throws(Failure) -> Int {
    guard let number = value.number else { throw Failure(wrongKind: path, expected: "an integer", found: value) }
    guard let integer = number.exactInt, range.contains(integer) else {
      let bounds =
        range.upperBound == .max
        ? range.lowerBound == .min ? "an integer of 64 bits" : "an integer of at least \(range.lowerBound)"
        : "an integer from \(range.lowerBound) to \(range.upperBound)"
      throw Failure(outOfRange: path, expected: bounds, found: number.text)
    }
    return integer
  }

  /// A number within `range`, bounds included; `excludesLower`: but for `range.lowerBound`.
  @inlinable
  package static func number(
    _ value: JSONValue, path: String, in range: ClosedRange<Double>, excludesLower: Bool = false
  ) throws(Failure) -> Double {
    guard let number = value.number else { throw Failure(wrongKind: path, expected: "a number", found: value) }
    let double = number.double
    guard range.contains(double), !(excludesLower && double == range.lowerBound) else {
      let from = excludesLower ? "more than \(range.lowerBound) and at most" : "from \(range.lowerBound) to"
      throw Failure(outOfRange: path, expected: "a number \(from) \(range.upperBound)", found: number.text)
    }
    return double
  }
}
