import JSON

/// `tools` and `tool_choice` of a request for a response.
enum ResponsesTools {
  private static let functionTable = ParameterTable(
    ["type", "name", "description", "parameters", "strict"],
    ignored: ["defer_loading", "allowed_callers", "output_schema", "async"])
  private static let customTable = ParameterTable(
    ["type", "name", "description", "format"], ignored: ["defer_loading", "allowed_callers", "async"])

  static func read(
    _ request: RequestReader, limits: RequestLimits
  ) throws(APIError) -> (tools: [ToolDefinition], choice: ToolChoice, custom: Set<String>) {
    let values = try request.array("tools") ?? []
    guard values.count <= limits.toolCount else {
      throw .outOfRange("tools", expected: "an array of at most \(limits.toolCount) tools", found: "\(values.count)")
    }
    var tools: [ToolDefinition] = []
    var (names, custom): (Set<String>, Set<String>) = ([], [])
    for (i, value) in values.enumerated() where !isLeftOut(value) {
      let reader = try RequestReader(value, path: "tools[\(i)]")
      let tool = try tool(reader)
      guard names.insert(tool.name).inserted else {
        throw .invalidRequest("'tools' has two tools named '\(tool.name)'", param: reader.path("name"))
      }
      if reader["type"]?.string == "custom" { custom.insert(tool.name) }
      tools.append(tool)
    }
    let choice = try choice(request["tool_choice"], &tools)
    return (tools, choice, custom)
  }

  /// Codex offers a search of the web that reads no live pages with every request; a model without it works as well.
  static func isLeftOut(_ tool: JSONValue) -> Bool {
    (tool["type"]?.string ?? "").hasPrefix("web_search") && tool["external_web_access"] == false
  }

  private static func tool(_ reader: RequestReader) throws(APIError) -> ToolDefinition {
    let type = try reader.requiredString("type")
    switch type {
    case "function":
      try functionTable.check(reader)
      let name = try name(reader)
      if let parameters = reader["parameters"], parameters.object == nil {
        throw .wrongType(reader.path("parameters"), expected: "an object", found: parameters)
      }
      return ToolDefinition(
        name: name, description: try reader.string("description"), parameters: reader["parameters"],
        isStrict: try reader.bool("strict") ?? false)
    case "custom":
      try customTable.check(reader)
      let name = try name(reader)
      var description = try reader.string("description") ?? ""
      if let grammar = reader["format"]?["definition"]?.string {
        description += "\nThe input follows this grammar:\n" + grammar
      }
      return ToolDefinition(
        name: name, description: description.isEmpty ? nil : description,
        parameters: [
          "type": "object", "properties": ["input": ["type": "string"]], "required": ["input"],
          "additionalProperties": false,
        ])
    default:
      throw .invalidRequest(
        "'\(reader.path)' is a tool of type '\(APIError.clipped(type))', which this server does not run: "
          + "it offers tools of the types 'function' and 'custom', which the client runs",
        param: reader.path("type"), code: "unsupported_value")
    }
  }

  private static func name(_ reader: RequestReader) throws(APIError) -> String {
    let name = try reader.requiredString("name")
    guard ToolDefinition.isName(name, limit: 128) else {
      throw .outOfRange(
        reader.path("name"), expected: "1 to 128 letters, digits, '_' and '-' of ASCII", found: "'\(name)'")
    }
    return name
  }

  private static func choice(_ value: JSONValue?, _ tools: inout [ToolDefinition]) throws(APIError) -> ToolChoice {
    switch value {
    case nil, .string("auto")?: return tools.isEmpty ? .none : .auto
    case .string("none")?: return .none
    case .string("required")?:
      guard !tools.isEmpty else {
        throw .invalidRequest("'tool_choice' is 'required', but there are no 'tools'", param: "tool_choice")
      }
      return .required
    case let value?:
      let reader = try RequestReader(value, path: "tool_choice")
      let type = try reader.requiredString("type")
      switch type {
      case "function", "custom":
        let name = try reader.requiredString("name")
        guard tools.contains(where: { $0.name == name }) else {
          throw .invalidRequest(
            "'tool_choice' names '\(APIError.clipped(name))', which is not among 'tools'", param: "tool_choice.name")
        }
        return .function(name)
      case "allowed_tools":
        let allowed = Set((try reader.array("tools") ?? []).compactMap { $0["name"]?.string })
        tools = tools.filter { allowed.contains($0.name) }
        return try choice(.string(try reader.string("mode") ?? "auto"), &tools)
      default:
        throw .outOfRange(
          "tool_choice", expected: "'none', 'auto', 'required', a function or allowed tools", found: "'\(type)'")
      }
    }
  }
}
