import EngineAPI
import JSON

/// What the supervisor tells a job: a line on rank 0's standard input each.
package enum LinkCommand: Sendable, Equatable {
  case submit(TokenRequest)
  case cancel(RequestID)
  case status
  case stop

  package var json: JSONValue {
    switch self {
    case .submit(let request): ["command": "submit", "request": request.json]
    case .cancel(let id): ["command": "cancel", "id": .int(id.value)]
    case .status: ["command": "status"]
    case .stop: ["command": "stop"]
    }
  }

  package init(json: JSONValue) throws(SupervisionError) {
    let kind = try json.requiredString("command")
    switch kind {
    case "submit":
      self = .submit(try served { () throws(EngineAPIError) in try TokenRequest(json: json.member("request")) })
    case "cancel":
      guard let id = json["id"]?.exactInt else { throw .malformedField(.missing(field: "id")) }
      self = .cancel(RequestID(id))
    case "status": self = .status
    case "stop": self = .stop
    default: throw .unknownKind(kind)
    }
  }
}

/// What a job tells its supervisor: a line on rank 0's standard output each.
package enum LinkReport: Sendable, Equatable {
  package static let version = 1

  case hello(version: Int)
  case state(EngineState, EngineFacts?)
  case events([TokenEvent])
  case status(ClusterStatus)
  /// Nothing to tell, but alive.
  case beat

  package var json: JSONValue {
    switch self {
    case .hello(let version): return ["kind": "hello", "version": .int(version)]
    case .state(let state, let facts):
      var object = JSONObject([("kind", "state"), ("state", state.json)])
      if let facts { object["facts"] = facts.json }
      return .object(object)
    case .events(let events): return ["kind": "events", "events": .array(events.map(\.json))]
    case .status(let status): return ["kind": "status", "status": status.json]
    case .beat: return ["kind": "beat"]
    }
  }

  package init(json: JSONValue) throws(SupervisionError) {
    let kind = try json.requiredString("kind")
    switch kind {
    case "hello":
      guard let version = json["version"]?.exactInt else { throw .malformedField(.missing(field: "version")) }
      guard version == Self.version else { throw .otherVersion(version, expected: Self.version) }
      self = .hello(version: version)
    case "state":
      self = try served { () throws(EngineAPIError) in
        let facts = json["facts"]
        return .state(
          try EngineState(json: json.member("state")),
          try facts.map { facts throws(EngineAPIError) in try EngineFacts(json: facts) })
      }
    case "events":
      guard let values = json["events"]?.array else { throw .malformedField(.missing(field: "events")) }
      self = .events(
        try served { () throws(EngineAPIError) in
          try values.map { value throws(EngineAPIError) in try TokenEvent(json: value) }
        })
    case "status":
      self = .status(try served { () throws(EngineAPIError) in try ClusterStatus(json: json.member("status")) })
    case "beat": self = .beat
    default: throw .unknownKind(kind)
    }
  }
}

/// How messages become lines: each begins with a mark, so that whatever else a library prints is told from them.
enum LinkLine {
  static let mark = "@martinet "

  static func text(_ json: JSONValue) -> String { mark + json.text() + "\n" }

  /// The message in a line; nil when the line is none.
  static func message(in line: String) throws(SupervisionError) -> JSONValue? {
    guard line.hasPrefix(mark) else { return nil }
    do throws(JSONError) {
      return try JSONValue(
        parsing: line.utf8.dropFirst(mark.utf8.count), limits: JSONLimits(byteCount: LineReader.lineLimit))
    } catch { throw .malformedLine(error) }
  }
}

/// A serving error, as one of the link.
private func served<T>(_ body: () throws(EngineAPIError) -> T) throws(SupervisionError) -> T {
  do throws(EngineAPIError) { return try body() } catch { throw .malformedField(error) }
}

extension JSONValue {
  fileprivate func member(_ key: String) throws(EngineAPIError) -> JSONValue {
    guard let value = self[key] else { throw .missing(field: key) }
    return value
  }

  fileprivate func requiredString(_ key: String) throws(SupervisionError) -> String {
    guard let string = self[key]?.string else { throw .malformedField(.missing(field: key)) }
    return string
  }
}
