import JSON

/// Reads one object of a task's files; every member must be known, and have its kind.
struct TaskFields {
  let file: String
  /// nil for a document of its own.
  let line: Int?
  /// Before the names of members, such as `generation_kwargs.`.
  let prefix: String
  let object: JSONObject

  init(_ object: JSONObject, file: String, line: Int? = nil, prefix: String = "") {
    (self.object, self.file, self.line, self.prefix) = (object, file, line, prefix)
  }

  init(_ value: JSONValue, file: String, line: Int? = nil, prefix: String) throws(EvaluationError) {
    guard let object = value.object else {
      throw .wrongKind(
        file: file, line: line, field: String(prefix.dropLast()), expected: "an object", found: value.kind)
    }
    self.init(object, file: file, line: line, prefix: prefix)
  }

  /// Throws for the first member that is none of these.
  func allow(_ known: [String]) throws(EvaluationError) {
    for key in object.keys where !known.contains(key) {
      throw .unknownField(file: file, field: prefix + key, known: known.map { prefix + $0 })
    }
  }

  subscript(name: String) -> JSONValue? { object[name].flatMap { $0.isNull ? nil : $0 } }

  func required(_ name: String) throws(EvaluationError) -> JSONValue {
    guard let value = self[name] else { throw .missing(file: file, line: line, field: prefix + name) }
    return value
  }

  func wrong(_ name: String, _ expected: String, _ value: JSONValue) -> EvaluationError {
    .wrongKind(file: file, line: line, field: prefix + name, expected: expected, found: value.kind)
  }

  func string(_ name: String) throws(EvaluationError) -> String? {
    guard let value = self[name] else { return nil }
    guard let string = value.string else { throw wrong(name, "a string", value) }
    return string
  }

  func bool(_ name: String) throws(EvaluationError) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let bool = value.bool else { throw wrong(name, "true or false", value) }
    return bool
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(EvaluationError) -> Int? {
    guard let value = self[name] else { return nil }
    guard let number = value.number else { throw wrong(name, "an integer", value) }
    guard let integer = number.exactInt, range.contains(integer) else {
      throw .outOfRange(
        file: file, line: line, field: prefix + name,
        expected: "an integer from \(range.lowerBound) to \(range.upperBound)", found: number.text)
    }
    return integer
  }

  func number(_ name: String, in range: ClosedRange<Double>) throws(EvaluationError) -> Double? {
    guard let value = self[name] else { return nil }
    guard let number = value.number else { throw wrong(name, "a number", value) }
    guard range.contains(number.double) else {
      throw .outOfRange(
        file: file, line: line, field: prefix + name,
        expected: "a number from \(range.lowerBound) to \(range.upperBound)", found: number.text)
    }
    return number.double
  }

  /// `[least, most]`, or one integer for both.
  func range(_ name: String, in range: ClosedRange<Int>) throws(EvaluationError) -> ClosedRange<Int>? {
    guard let value = self[name] else { return nil }
    if value.number != nil { return try integer(name, in: range).map { $0...$0 } }
    guard let ends = value.array, ends.count == 2, let low = ends[0].exactInt, let high = ends[1].exactInt else {
      throw wrong(name, "[least, most]", value)
    }
    guard range.contains(low), range.contains(high), low <= high else {
      throw .outOfRange(
        file: file, line: line, field: prefix + name, expected: "[least, most] within \(range)", found: value.text())
    }
    return low...high
  }

  /// One string, or several.
  func strings(_ name: String) throws(EvaluationError) -> [String]? {
    guard let value = self[name] else { return nil }
    if let string = value.string { return [string] }
    guard let values = value.array else { throw wrong(name, "a string or an array of strings", value) }
    var strings: [String] = []
    for value in values {
      guard let string = value.string ?? value.number?.text else { throw wrong(name, "an array of strings", value) }
      strings.append(string)
    }
    return strings
  }

  func choice<T: CaseIterable & RawRepresentable<String>>(_ name: String, of _: T.Type) throws(EvaluationError) -> T? {
    guard let found = try string(name) else { return nil }
    guard let known = T(rawValue: found) else {
      throw .unknownName(file: file, field: prefix + name, name: found, known: T.allCases.map(\.rawValue))
    }
    return known
  }
}
