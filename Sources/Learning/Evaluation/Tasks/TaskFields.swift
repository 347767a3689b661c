import JSON

/// Reads one object of a task's files; every member must be known, and have its kind.
struct TaskFields {
  let file: String
  /// nil for a document of its own.
  let line: Int?
  private let reader: JSONReader<JSONFault>
  var object: JSONObject { reader.object }

  /// `path`: of the object in its document; empty for the document itself.
  init(_ object: JSONObject, file: String, line: Int? = nil, path: String = "") {
    (self.file, self.line, reader) = (file, line, JSONReader(object, path: path))
  }

  init(_ value: JSONValue, file: String, line: Int? = nil, path: String) throws(EvaluationError) {
    do throws(JSONFault) { reader = try JSONReader(value, path: path) } catch {
      throw EvaluationError(error, file: file, line: line)
    }
    (self.file, self.line) = (file, line)
  }

  /// A member's whole name.
  func path(_ name: String) -> String { reader.path(name) }

  /// Throws for the first member that is none of these.
  func allow(_ known: [String]) throws(EvaluationError) {
    for key in object.keys where !known.contains(key) {
      throw .unknownField(file: file, field: path(key), known: known.map { path($0) })
    }
  }

  subscript(name: String) -> JSONValue? { reader[name] }

  func wrong(_ name: String, _ expected: String, _ value: JSONValue) -> EvaluationError {
    .wrongKind(file: file, line: line, field: path(name), expected: expected, found: value.kind)
  }

  /// What `read` finds; what is wrong with it, of this file.
  private func find<T>(_ read: (JSONReader<JSONFault>) throws(JSONFault) -> T) throws(EvaluationError) -> T {
    do throws(JSONFault) { return try read(reader) } catch { throw EvaluationError(error, file: file, line: line) }
  }

  func required(_ name: String) throws(EvaluationError) -> JSONValue {
    try find { fields throws(JSONFault) in try fields.required(name) }
  }

  func string(_ name: String) throws(EvaluationError) -> String? {
    try find { fields throws(JSONFault) in try fields.string(name) }
  }

  func bool(_ name: String) throws(EvaluationError) -> Bool? {
    try find { fields throws(JSONFault) in try fields.bool(name) }
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(EvaluationError) -> Int? {
    try find { fields throws(JSONFault) in try fields.integer(name, in: range) }
  }

  func number(_ name: String, in range: ClosedRange<Double>) throws(EvaluationError) -> Double? {
    try find { fields throws(JSONFault) in try fields.number(name, in: range) }
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
        file: file, line: line, field: path(name), expected: "[least, most] within \(range)", found: value.text())
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
      throw .unknownName(file: file, field: path(name), name: found, known: T.allCases.map(\.rawValue))
    }
    return known
  }
}

extension EvaluationError {
  /// What is wrong with a member of a file.
  init(_ fault: JSONFault, file: String, line: Int?) {
    self =
      switch fault {
      case .missing(let path): .missing(file: file, line: line, field: path)
      case .wrongKind(let path, let expected, let found):
        .wrongKind(file: file, line: line, field: path, expected: expected, found: found)
      case .outOfRange(let path, let expected, let found):
        .outOfRange(file: file, line: line, field: path, expected: expected, found: found)
      }
  }
}
