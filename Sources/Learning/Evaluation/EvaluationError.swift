/// Why tasks cannot be read, or answers not be had.
package enum EvaluationError: Error, Equatable, CustomStringConvertible {
  case noTask(name: String, shipped: [String])
  case unreadable(path: String, reason: String)
  /// `place` is a line's number, or nil for the whole file.
  case malformed(file: String, line: Int?, reason: String)
  case missing(file: String, line: Int?, field: String)
  case wrongKind(file: String, line: Int?, field: String, expected: String, found: String)
  case outOfRange(file: String, line: Int?, field: String, expected: String, found: String)
  case unknownField(file: String, field: String, known: [String])
  case unknownName(file: String, field: String, name: String, known: [String])
  case noItems(file: String)
  case fields(file: String, reason: String)
  case template(file: String, line: Int?, field: String, reason: String)
  case otherRuns(reason: String)

  package var description: String {
    switch self {
    case .noTask(let name, let shipped):
      "there is no folder \(name), and no task of that name; give a folder with task.json, or one of \(shipped.joined(separator: ", "))"
    case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
    case .malformed(let file, let line, let reason): "\(Self.place(file, line)): \(reason)"
    case .missing(let file, let line, let field): "\(Self.place(file, line)): \(field) is missing; add it"
    case .wrongKind(let file, let line, let field, let expected, let found):
      "\(Self.place(file, line)): \(field) is \(found) where \(expected) should be; write it as such"
    case .outOfRange(let file, let line, let field, let expected, let found):
      "\(Self.place(file, line)): \(field) is \(found) where \(expected) should be"
    case .unknownField(let file, let field, let known):
      "\(file): there is no field \"\(field)\"; remove it, or write one of \(known.joined(separator: ", "))"
    case .unknownName(let file, let field, let name, let known):
      "\(file): \(field) is \"\(name)\", which is none of \(known.joined(separator: ", "))"
    case .noItems(let file): "\(file) has no items; give one JSON object a line"
    case .fields(let file, let reason): "\(file): \(reason)"
    case .template(let file, let line, let field, let reason):
      "\(Self.place(file, line)): \(field) cannot be rendered: \(reason)"
    case .otherRuns(let reason): "the two runs cannot be compared: \(reason)"
    }
  }

  private static func place(_ file: String, _ line: Int?) -> String { line.map { "\(file), line \($0)" } ?? file }
}
