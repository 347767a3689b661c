import JSON

extension TokenEvent {
  private static let names = ["started", "token", "failed"]

  /// `{"event": "started" | "token" | "failed", "id": …}` and the values of the case.
  package var json: JSONValue {
    switch self {
    case .started(let id, let cachedTokens):
      ["event": "started", "id": .int(id.value), "cached_tokens": .int(cachedTokens)]
    case .token(let id, let drawn, let finish):
      .object(Self.token(id, drawn, finish))
    case .failed(let id, let message):
      ["event": "failed", "id": .int(id.value), "message": .string(message)]
    }
  }

  private static func token(_ id: RequestID, _ drawn: DrawnToken, _ finish: FinishReason?) -> JSONObject {
    var object = JSONObject([("event", "token"), ("id", .int(id.value)), ("token", .int(Int(drawn.token)))])
    if let logprob = drawn.logprob { object["logprob"] = .exactFloat(logprob) }
    if !drawn.top.isEmpty { object["top"] = .array(drawn.top.map(\.json)) }
    if let finish { object["finish"] = .string(finish.rawValue) }
    return object
  }

  package init(json: JSONValue) throws(ServingError) {
    let fields = try MessageReader(json, at: "event")
    let name = try fields.string("event")
    let id = RequestID(try fields.int("id", in: Int.min...Int.max))
    switch name {
    case "started": self = .started(id, cachedTokens: try fields.int("cached_tokens"))
    case "token":
      var drawn = DrawnToken(try fields.int32("token"))
      if fields.has("logprob") { drawn.logprob = try fields.float("logprob") }
      if fields.has("top") { drawn.top = try fields.array("top", Candidate.init(json:at:)) }
      self = .token(id, drawn, finish: try Self.finish(fields))
    case "failed": self = .failed(id, message: try fields.string("message"))
    default: throw .unknownName(field: "event", name: name, known: Self.names)
    }
  }

  private static func finish(_ fields: MessageReader) throws(ServingError) -> FinishReason? {
    guard fields.has("finish") else { return nil }
    let name = try fields.string("finish")
    guard let reason = FinishReason(rawValue: name) else {
      throw .unknownName(
        field: "finish", name: name, known: [FinishReason.stop, .length].map(\.rawValue))
    }
    return reason
  }
}

extension Candidate {
  fileprivate var json: JSONValue { ["token": .int(Int(token)), "logprob": .exactFloat(logprob)] }

  fileprivate init(json: JSONValue, at name: String) throws(ServingError) {
    let fields = try MessageReader(json, at: name, path: name + ".")
    self.init(token: try fields.int32("token"), logprob: try fields.float("logprob"))
  }
}
