import JSON

extension EngineState {
  /// The case's name, as the state's JSON has it.
  package var name: String {
    switch self {
    case .loading: "loading"
    case .ready: "ready"
    case .restarting: "restarting"
    case .failed: "failed"
    case .stopped: "stopped"
    }
  }

  package var json: JSONValue {
    var object = JSONObject([("name", .string(name))])
    switch self {
    case .loading(let bytes, let all): (object["bytes"], object["of"]) = (.int(bytes), .int(all))
    case .restarting(let reason, let attempt):
      (object["reason"], object["attempt"]) = (.string(reason), .int(attempt))
    case .failed(let reason): object["reason"] = .string(reason)
    case .ready, .stopped: break
    }
    return .object(object)
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, of: "state")
    let name = try fields.string(needed: "name")
    switch name {
    case "loading": self = .loading(bytes: try fields.integer(needed: "bytes"), of: try fields.integer(needed: "of"))
    case "ready": self = .ready
    case "restarting":
      self = .restarting(reason: try fields.string(needed: "reason"), attempt: try fields.integer(needed: "attempt"))
    case "failed": self = .failed(reason: try fields.string(needed: "reason"))
    case "stopped": self = .stopped
    default:
      throw .unknownName(field: "name", name: name, known: ["loading", "ready", "restarting", "failed", "stopped"])
    }
  }
}
