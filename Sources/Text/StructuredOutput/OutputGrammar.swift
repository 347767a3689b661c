import JSON

/// What an output must look like.
package indirect enum OutputGrammar: Sendable, Equatable {
  /// Exactly these bytes; a special token whose whole text lies here may be used for it.
  case text(String)
  /// Any text up to the first place where this one stands, and this one.
  case until(String)
  /// JSON that validates against this schema; `true` and `{}` admit any JSON value. Members come in any order, or in
  /// the one in which they are declared.
  case json(JSONValue, inOrder: Bool = false)
  /// Any JSON object.
  case jsonObject
  case sequence([OutputGrammar])
  case choice([OutputGrammar])
  /// `separator` stands between items; no `atMost` means as many as the model likes.
  case repeated(OutputGrammar, separator: String, atLeast: Int, atMost: Int?)

  /// How deep grammars may nest, schemas not counted.
  static let depthLimit = 32
}

extension OutputGrammar {
  /// Reads what `json` writes.
  package init(json: JSONValue) throws(StructuredOutputError) { self = try Self.read(json, path: "$", depth: 0) }

  /// This grammar as JSON, for messages between processes.
  package var json: JSONValue {
    switch self {
    case .text(let text): ["type": "text", "text": .string(text)]
    case .until(let text): ["type": "until", "text": .string(text)]
    case .json(let schema, let inOrder):
      inOrder ? ["type": "json", "schema": schema, "in_order": true] : ["type": "json", "schema": schema]
    case .jsonObject: ["type": "json_object"]
    case .sequence(let items): ["type": "sequence", "items": .array(items.map(\.json))]
    case .choice(let items): ["type": "choice", "items": .array(items.map(\.json))]
    case .repeated(let item, let separator, let atLeast, let atMost):
      [
        "type": "repeated", "item": item.json, "separator": .string(separator), "at_least": .int(atLeast),
        "at_most": atMost.map { .int($0) } ?? .null,
      ]
    }
  }

  private static func read(_ json: JSONValue, path: String, depth: Int) throws(StructuredOutputError) -> OutputGrammar {
    func failure(_ reason: String) -> StructuredOutputError { .malformedGrammar(path: path, reason: reason) }
    guard depth <= depthLimit else { throw failure("nests deeper than \(depthLimit) levels") }
    guard let type = json["type"]?.string else { throw failure("has no \"type\"") }
    switch type {
    case "text":
      guard let text = json["text"]?.string else { throw failure("has no \"text\"") }
      return .text(text)
    case "until":
      guard let text = json["text"]?.string, !text.isEmpty else { throw failure("has no \"text\"") }
      return .until(text)
    case "json":
      guard let schema = json["schema"] else { throw failure("has no \"schema\"") }
      let inOrder = json["in_order"] ?? false
      guard let inOrder = inOrder.bool else { throw failure("has an \"in_order\" that is not true or false") }
      return .json(schema, inOrder: inOrder)
    case "json_object": return .jsonObject
    case "sequence", "choice":
      guard let members = json["items"]?.array else { throw failure("has no list \"items\"") }
      var items: [OutputGrammar] = []
      for (i, member) in members.enumerated() {
        items.append(try read(member, path: "\(path).items[\(i)]", depth: depth + 1))
      }
      return type == "sequence" ? .sequence(items) : .choice(items)
    case "repeated":
      guard let item = json["item"] else { throw failure("has no \"item\"") }
      guard let separator = json["separator"]?.string else { throw failure("has no \"separator\"") }
      guard let atLeast = json["at_least"]?.exactInt else { throw failure("has no integer \"at_least\"") }
      let atMost = json["at_most"] ?? .null
      guard atMost.isNull || atMost.exactInt != nil else { throw failure("has an \"at_most\" that is no integer") }
      return .repeated(
        try read(item, path: "\(path).item", depth: depth + 1), separator: separator, atLeast: atLeast,
        atMost: atMost.exactInt)
    default: throw failure("has the unknown type \"\(type)\"")
    }
  }
}
