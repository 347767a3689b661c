import EngineAPI
import JSON

/// What the supervisor tells a job: a line on rank 0's standard input each.
package enum LinkCommand: Sendable, Equatable {
  case submit(TokenRequest)
  case cancel(RequestID)
  case status
  case rebalance
  case stop

  package var json: JSONValue {
    switch self {
    case .submit(let request): ["command": "submit", "request": request.json]
    case .cancel(let id): ["command": "cancel", "id": .int(id.value)]
    case .status: ["command": "status"]
    case .rebalance: ["command": "rebalance"]
    case .stop: ["command": "stop"]
    }
  }

  package init(json: JSONValue) throws(SupervisionError) {
    let fields = try MessageReader(line: json)
    switch try fields.kind("command") {
    case "submit":
      self = try fields.read { fields throws(EngineAPIError) in
        .submit(try TokenRequest(json: try fields.required("request")))
      }
    case "cancel":
      self = try fields.read { fields throws(EngineAPIError) in
        .cancel(RequestID(try fields.integer(needed: "id", in: Int.min...Int.max)))
      }
    case "status": self = .status
    case "rebalance": self = .rebalance
    case "stop": self = .stop
    case let other: throw .unknownKind(other)
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
    let fields = try MessageReader(line: json)
    switch try fields.kind("kind") {
    case "hello":
      let version = try fields.read { fields throws(EngineAPIError) in
        try fields.integer(needed: "version", in: Int.min...Int.max)
      }
      guard version == Self.version else { throw .otherVersion(version, expected: Self.version) }
      self = .hello(version: version)
    case "state":
      self = try fields.read { fields throws(EngineAPIError) in
        let state = try EngineState(json: try fields.required("state"))
        guard let facts = fields["facts"] else { return .state(state, nil) }
        return .state(state, try EngineFacts(json: facts))
      }
    case "events":
      self = try fields.read { fields throws(EngineAPIError) in
        .events(try fields.array(needed: "events") { json, _ throws(EngineAPIError) in try TokenEvent(json: json) })
      }
    case "status":
      self = try fields.read { fields throws(EngineAPIError) in
        .status(try ClusterStatus(json: try fields.required("status")))
      }
    case "beat": self = .beat
    case let other: throw .unknownKind(other)
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

/// Errors of fields, as the link's.
extension JSONReader<EngineAPIError> {
  fileprivate init(line json: JSONValue) throws(SupervisionError) {
    do throws(EngineAPIError) { try self.init(json, of: "the message") } catch { throw .malformedField(error) }
  }

  /// The member that says what a message is.
  fileprivate func kind(_ name: String) throws(SupervisionError) -> String {
    try read { fields throws(EngineAPIError) in try fields.string(needed: name) }
  }

  fileprivate func read<T>(_ body: (Self) throws(EngineAPIError) -> T) throws(SupervisionError) -> T {
    do throws(EngineAPIError) { return try body(self) } catch { throw .malformedField(error) }
  }
}
