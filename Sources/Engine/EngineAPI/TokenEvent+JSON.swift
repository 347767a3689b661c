import JSON

extension TokenEvent {
  private static let names = ["started", "token", "prompt", "embedding", "failed"]

  /// `{"event": "started" | "token" | "prompt" | "embedding" | "failed", "id": …}` and the values of the case.
  package var json: JSONValue {
    switch self {
    case .started(let id, let cachedTokens):
      ["event": "started", "id": .int(id.value), "cached_tokens": .int(cachedTokens)]
    case .token(let id, let drawn, let finish):
      .object(Self.object("token", id, finish, drawn.members))
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
    let fields = try MessageReader(json, at: "event")
    let name = try fields.string("event")
    let id = RequestID(try fields.int("id", in: Int.min...Int.max))
    switch name {
    case "started": self = .started(id, cachedTokens: try fields.int("cached_tokens", in: 0...Int(Int32.max)))
    case "token":
      self = .token(id, try DrawnToken(fields), finish: try Self.finish(fields))
    case "prompt":
      self = .prompt(id, try fields.array("tokens", DrawnToken.init(json:at:)), finish: try Self.finish(fields))
    case "embedding": self = .embedding(id, try fields.array("values", MessageReader.float))
    case "failed": self = .failed(id, message: try fields.string("message"))
    default: throw .unknownName(field: "event", name: name, known: Self.names)
    }
  }

  private static func finish(_ fields: MessageReader) throws(EngineAPIError) -> FinishReason? {
    guard fields.has("finish") else { return nil }
    let name = try fields.string("finish")
    guard let reason = FinishReason(rawValue: name) else {
      throw .unknownName(
        field: "finish", name: name, known: [FinishReason.stop, .length].map(\.rawValue))
    }
    return reason
  }
}

extension DrawnToken {
  fileprivate var members: [(String, JSONValue)] {
    var members: [(String, JSONValue)] = [("token", .int(Int(token)))]
    if let logprob { members.append(("logprob", .exactFloat(logprob))) }
    if !top.isEmpty { members.append(("top", .array(top.map(\.json)))) }
    return members
  }

  fileprivate init(_ fields: MessageReader) throws(EngineAPIError) {
    self.init(try fields.int32("token"))
    if fields.has("logprob") { logprob = try fields.float("logprob") }
    if fields.has("top") { top = try fields.array("top", Candidate.init(json:at:)) }
  }

  fileprivate init(json: JSONValue, at name: String) throws(EngineAPIError) {
    try self.init(try MessageReader(json, at: name, path: name + "."))
  }
}

extension Candidate {
  fileprivate var json: JSONValue { ["token": .int(Int(token)), "logprob": .exactFloat(logprob)] }

  fileprivate init(json: JSONValue, at name: String) throws(EngineAPIError) {
    let fields = try MessageReader(json, at: name, path: name + ".")
    self.init(token: try fields.int32("token"), logprob: try fields.float("logprob"))
  }
}
