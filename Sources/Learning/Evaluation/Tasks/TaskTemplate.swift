import ChatTemplates
import JSON

/// How something is made of an item: the name of one of its fields, or a template in Jinja.
struct TaskTemplate: Sendable {
  /// Which member of `task.json` it is, for errors.
  let field: String
  private let source: String
  private let template: ChatTemplate?
  /// What the template takes from the item, as far as that can be seen.
  private let names: [String]

  /// `mayBeName`: a text that could be a field's name is one.
  init(_ source: String, field: String, file: String, mayBeName: Bool = true) throws(EvaluationError) {
    (self.source, self.field) = (source, field)
    guard !mayBeName || !Self.isName(source) else {
      (template, names) = (nil, [])
      return
    }
    do throws(ChatTemplateError) { template = try ChatTemplate(source) } catch {
      throw .template(file: file, line: nil, field: field, reason: "\(error)")
    }
    names = Self.variables(of: source)
  }

  /// The field's name, where it is nothing else.
  var fieldName: String? { template == nil ? source : nil }

  /// The value that it names, or the text that it gives.
  func value(_ item: JSONObject, file: String, line: Int?) throws(EvaluationError) -> JSONValue {
    guard let template else {
      guard let value = item[source], !value.isNull else {
        throw .missing(file: file, line: line, field: "\(source) (which \(field) names)")
      }
      return value
    }
    for name in names where item[name] == nil {
      throw .missing(file: file, line: line, field: "\(name) (which the template \(field) reads)")
    }
    do throws(ChatTemplateError) { return .string(try template.render(item)) } catch {
      throw .template(file: file, line: line, field: field, reason: "\(error)")
    }
  }

  func text(_ item: JSONObject, file: String, line: Int?) throws(EvaluationError) -> String {
    let value = try value(item, file: file, line: line)
    guard let text = value.string ?? value.number?.text else {
      throw .wrongKind(
        file: file, line: line, field: "\(source) (which \(field) names)", expected: "a string or number",
        found: value.kind)
    }
    return text
  }

  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, first == 95 || (first | 32) >= 97 && (first | 32) <= 122 else { return false }
    return text.utf8.allSatisfy { $0 == 95 || ($0 | 32) >= 97 && ($0 | 32) <= 122 || $0 >= 48 && $0 <= 57 }
  }

  /// The names that printed expressions begin with, but for those that the template sets itself.
  private static func variables(of source: String) -> [String] {
    var names: [String] = []
    for part in source.split(separator: "{{").dropFirst(source.hasPrefix("{{") ? 0 : 1) {
      let expression = part.trimmed
      let name = String(expression.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
      let next = expression.dropFirst(name.count).trimmed.first
      guard isName(name), next != "(", !["true", "false", "none", "not", "loop"].contains(name),
        !source.contains("set \(name)"), !source.contains("for \(name)"), !source.contains("\(name) is defined"),
        !source.contains(", \(name) in"), !names.contains(name)
      else { continue }
      names.append(name)
    }
    return names
  }
}
