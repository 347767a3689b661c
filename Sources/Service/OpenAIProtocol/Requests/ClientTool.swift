import JSON

/// Tools of `/v1/responses` that have a type, and items, of their own, and that the client runs: a model knows them as
/// functions.
enum ClientTool: String, CaseIterable, Sendable {
  /// Runs a command. Codex has it, and the Agents SDK as `LocalShellTool`.
  case localShell = "local_shell"
  /// Looks for tools that the request did not list; Codex answers with them.
  case toolSearch = "tool_search"

  private static let table = RequestMembers(
    ["type", "execution", "description", "parameters"], ignored: ["defer_loading", "allowed_callers"])

  /// The name that the model knows.
  var name: String { rawValue }

  /// The function that stands for a tool.
  func definition(_ reader: RequestReader) throws(APIError) -> ToolDefinition {
    try Self.table.check(reader)
    if let parameters = reader["parameters"], parameters.object == nil {
      throw .wrongType(reader.path("parameters"), expected: "an object", found: parameters)
    }
    let (description, parameters) = (try reader.string("description"), reader["parameters"])
    return switch self {
    case .localShell:
      ToolDefinition(
        name: name, description: description ?? "Runs a command on the user's computer.",
        parameters: [
          "type": "object",
          "properties": [
            "command": ["type": "array", "items": ["type": "string"], "description": "The command and its arguments."],
            "working_directory": ["type": "string"], "timeout_ms": ["type": "integer"],
          ], "required": ["command"],
        ])
    case .toolSearch:
      ToolDefinition(
        name: name, description: description ?? "Looks for more tools.",
        parameters: parameters ?? [
          "type": "object", "properties": ["query": ["type": "string"], "limit": ["type": "integer"]],
          "required": ["query"],
        ], parametersPath: reader.path("parameters"))
    }
  }

  /// The type of the item of a call.
  var callType: String { rawValue + "_call" }

  /// What an item of a call has besides its ids. `arguments` are what the model wrote; nil while it writes.
  func members(_ arguments: String?) -> [(String, JSONValue)] {
    let given = arguments.flatMap { try? JSONValue(parsing: $0, limits: JSONLimits(depth: 64)) }
    switch self {
    case .toolSearch: return [("execution", "client"), ("arguments", given?.object == nil ? [:] : given ?? [:])]
    case .localShell:
      // A model may write the command as a line.
      let command: JSONValue =
        if let line = given?["command"]?.string { ["bash", "-lc", .string(line)] } else { given?["command"] ?? [] }
      var action = JSONObject([("type", "exec"), ("command", command), ("env", [:])])
      for name in ["working_directory", "timeout_ms"] { action[name] = given?[name] ?? .null }
      return [("action", .object(action))]
    }
  }
}
