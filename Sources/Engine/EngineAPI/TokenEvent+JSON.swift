import JSON

extension TokenEvent {
  private static let names = ["started", "token", "prompt", "embedding", "failed"]

  /// `{"event": "started" | "token" | "prompt" | "embedding" | "failed", "id": …}` and the values of the case.
  package var json: JSONValue {
    switch self {
    case .started(let id, let cachedTokens):
      ["event": "started", "id": .int(id.value), "cached_tokens": .int(cachedTokens)]
    case .token(let id, let sampled, let finish):
      .object(Self.object("token", id, finish, sampled.members))
    case .prompt(let id, let tokens, let finish):
      .object(Self.object("prompt", id, finish, [("tokens", .array(tokens.map { .object(JSONObject($0.members)) }))]))
    case .embedding(let id, let values):
      ["event": "embedding", "id": .int(id.value), "values": .array(values.map { .exactFloat($0) })]
    case .failed(let id, let message):
      ["event": "failed", "id": .int(id.value), "message": .string(message)]
    }
  }

  private static func object(
    _ name: JSONValue, _ id: RequestID, _ finish: FinishReason?, _ members: [(String, JSONValue)]
  ) -> JSONObject {
    var object = JSONObject([("event", name), ("id", .int(id.value))] + members)
    if let finish { object["finish"] = .string(finish.rawValue) }
    return object
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, of: "event")
    let name = try fields.string(needed: "event")
    let id = RequestID(try fields.integer(needed: "id", in: Int.min...Int.max))
    switch name {
    case "started":
      self = .started(id, cachedTokens: try fields.integer(needed: "cached_tokens", in: 0...Int(Int32.max)))
    case "token": self = .token(id, try SampledToken(fields), finish: try fields.choice("finish"))
    case "prompt":
      self = .prompt(
        id, try fields.array(needed: "tokens", SampledToken.init(json:at:)), finish: try fields.choice("finish"))
    case "embedding": self = .embedding(id, try fields.array(needed: "values", MessageReader.float))
    case "failed": self = .failed(id, message: try fields.string(needed: "message"))
    default: throw .unknownName(field: "event", name: name, known: Self.names)
    }
  }
}

extension SampledToken {
  fileprivate var members: [(String, JSONValue)] {
    var (writer, token) = (MemberWriter(), self)
    token.visit(&writer)
    return [("token", .int(Int(token.token)))] + writer.members
  }

  fileprivate init(_ fields: MessageReader) throws(EngineAPIError) {
    self.init(try fields.token(needed: "token"))
    var visitor = FieldReader(fields: fields)
    try visit(&visitor)
  }

  fileprivate init(json: JSONValue, at path: String) throws(EngineAPIError) {
    try self.init(try MessageReader(json, path: path))
  }
}
