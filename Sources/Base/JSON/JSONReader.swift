/// What a reader of objects throws, in the words of those for whom it reads.
package protocol JSONReadingError: Error {
  /// A member that is null counts as absent.
  static var takesNullForAbsent: Bool { get }
  init(missing path: String)
  init(wrongKind path: String, expected: String, found: JSONValue)
  init(outOfRange path: String, expected: String, found: String)
}

/// Reads the members of one object, each with its kind and bounds; errors name a member by its whole path.
///
/// A member that may be missing is read by its name alone, and one that may not with `needed:`. Inlinable, so that what
/// reads many values is specialised where it is used.
package struct JSONReader<Failure: JSONReadingError>: Sendable {
  package let object: JSONObject
  /// Empty for the document itself, otherwise such as `messages[2]`.
  package let path: String

  @inlinable package init(_ object: JSONObject, path: String = "") { (self.object, self.path) = (object, path) }

  /// `path`: of the value. `name`: what an error calls it where that is the document itself.
  @inlinable
  package init(_ value: JSONValue, path: String, name: String? = nil) throws(Failure) {
    guard let object = value.object else { throw Failure(wrongKind: name ?? path, expected: "an object", found: value) }
    self.init(object, path: path)
  }

  @inlinable package func path(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  @inlinable
  package subscript(name: String) -> JSONValue? {
    guard let value = object[name], !(Failure.takesNullForAbsent && value.isNull) else { return nil }
    return value
  }

  @inlinable
  package func required(_ name: String) throws(Failure) -> JSONValue {
    guard let value = self[name] else { throw Failure(missing: path(name)) }
    return value
  }

  @inlinable
  package func reader(_ name: String) throws(Failure) -> JSONReader? {
    guard let value = self[name] else { return nil }
    return try JSONReader(value, path: path(name))
  }

  // MARK: Members that may be missing

  @inlinable
  package func string(_ name: String) throws(Failure) -> String? {
    guard let value = self[name] else { return nil }
    return try Self.string(value, path: path(name))
  }

  @inlinable
  package func bool(_ name: String) throws(Failure) -> Bool? {
    guard let value = self[name] else { return nil }
    return try Self.bool(value, path: path(name))
  }

  @inlinable
  package func integer(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
    guard let value = self[name] else { return nil }
    return try Self.integer(value, path: path(name), in: range)
  }

  /// A number within `range`, bounds included; `excludesLower`: but for `range.lowerBound`.
  @inlinable
  package func number(
    _ name: String, in range: ClosedRange<Double>, excludesLower: Bool = false
  ) throws(Failure) -> Double? {
    guard let value = self[name] else { return nil }
    return try Self.number(value, path: path(name), in: range, excludesLower: excludesLower)
  }

  @inlinable
  package func array(_ name: String) throws(Failure) -> [JSONValue]? {
    guard let value = self[name] else { return nil }
    return try Self.array(value, path: path(name))
  }

  // MARK: Members that must be there

  @inlinable
  package func string(needed name: String) throws(Failure) -> String {
    try Self.string(required(name), path: path(name))
  }

  @inlinable
  package func integer(needed name: String, in range: ClosedRange<Int> = 0...Int.max) throws(Failure) -> Int {
    try Self.integer(required(name), path: path(name), in: range)
  }

  /// What `element` makes of each value of an array, whose path it is given.
  @inlinable
  package func array<T>(
    needed name: String, _ element: (JSONValue, String) throws(Failure) -> T
  ) throws(Failure) -> [T] {
    try Self.array(required(name), path: path(name), element)
  }
}
