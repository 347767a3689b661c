/// Why tasks cannot be read, or answers not be had.
package enum EvaluationError: Error, Equatable, CustomStringConvertible {
  case noTask(name: String, shipped: [String])
  /// What should be a task's folder is a file.
  case noFolder(path: String)
  case noTaskFile(folder: String)
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
      """
      there is no folder \(name.isEmpty ? "\"\"" : name.shortened()), and no task of that name; give a folder with \
      task.json, or one of \(shipped.joined(separator: ", "))
      """
    case .noFolder(let path):
      "\(path.shortened(to: 600)) is no folder; a task is a folder with task.json and the items that it names"
    case .noTaskFile(let folder):
      "the folder \(folder.shortened(to: 600)) has no task.json, which says how its items are asked; write one"
    case .unreadable(let path, let reason): "cannot read \(path.shortened(to: 600)): \(reason.shortened(to: 600))"
    case .malformed(let file, let line, let reason): "\(Self.place(file, line)): \(reason.shortened(to: 600))"
    case .missing(let file, let line, let field): "\(Self.place(file, line)): \(field.shortened()) is missing; add it"
    case .wrongKind(let file, let line, let field, let expected, let found):
      """
      \(Self.place(file, line)): \(field.shortened()) is \(found.shortened()) where \(expected.shortened()) should \
      be; write it as such
      """
    case .outOfRange(let file, let line, let field, let expected, let found):
      "\(Self.place(file, line)): \(field.shortened()) is \(found.shortened()) where \(expected.shortened()) should be"
    case .unknownField(let file, let field, let known):
      "\(file): there is no field \"\(field.shortened())\"; remove it, or write one of \(known.joined(separator: ", "))"
    case .unknownName(let file, let field, let name, let known):
      "\(file): \(field.shortened()) is \"\(name.shortened())\", which is none of \(known.joined(separator: ", "))"
    case .noItems(let file): "\(file) has no items; give one JSON object a line"
    case .fields(let file, let reason): "\(file): \(reason.shortened(to: 600))"
    case .template(let file, let line, let field, let reason):
      "\(Self.place(file, line)): \(field.shortened()) cannot be rendered: \(reason.shortened(to: 600))"
    case .otherRuns(let reason): "the two runs cannot be compared: \(reason.shortened(to: 600))"
    }
  }

  private static func place(_ file: String, _ line: Int?) -> String { line.map { "\(file), line \($0)" } ?? file }
}

extension String {
  /// The text's beginning where it is long: what a file holds may be of any length, and no error shall be.
  func shortened(to count: Int = 80) -> String {
    utf8.count > count ? String(unicodeScalars.prefix(count)) + "…" : self
  }
}
