import JSON

/// `tools` and `tool_choice` of the Anthropic API.
enum MessagesTools {
  private static let table = RequestMembers(
    ["type", "name", "description", "input_schema", "strict"],
    ignored: ["cache_control", "eager_input_streaming", "defer_loading", "input_examples", "allowed_callers"])

  /// How the types and names of searches for tools begin.
  static let search = "tool_search_tool_"

  static func read(
    _ request: RequestReader, limits: RequestLimits
  ) throws(APIError) -> (tools: [ToolDefinition], choice: ToolChoice, allowsParallelCalls: Bool) {
    let tools = try ToolDefinition.list(request, limits: limits, name: "name") { reader throws(APIError) in
      try tool(reader)
    }
    guard let reader = try request.reader("tool_choice") else { return (tools, tools.isEmpty ? .none : .auto, true) }
    let allows = !(try reader.bool("disable_parallel_tool_use") ?? false)
    return (tools, try choice(reader, tools), allows)
  }

  /// Nil for a search that the server would run: the model knows all tools of the request.
  private static func tool(_ reader: RequestReader) throws(APIError) -> ToolDefinition? {
    if let type = try reader.string("type"), type.hasPrefix(search) { return nil }
    if let type = try reader.string("type"), type != "custom" {
      throw .invalidRequest(
        "'\(reader.path)' is a tool of type '\(APIError.clipped(type))', which this server neither runs nor describes: "
          + "give its 'input_schema' as a tool of your own", param: reader.path("type"), code: "unsupported_value")
    }
    try table.check(reader)
    let name = try ToolDefinition.name(reader, limit: 128)
    let schema = try reader.required("input_schema")
    guard schema.object != nil else {
      throw .wrongType(reader.path("input_schema"), expected: "an object", found: schema)
    }
    return ToolDefinition(
      name: name, description: try reader.string("description"), parameters: schema,
      isStrict: try reader.bool("strict") ?? false, parametersPath: reader.path("input_schema"))
  }

  private static func choice(_ reader: RequestReader, _ tools: [ToolDefinition]) throws(APIError) -> ToolChoice {
    let type = try reader.requiredString("type")
    switch type {
    case "none": return .none
    case "auto": return tools.isEmpty ? .none : .auto
    case "any":
      guard !tools.isEmpty else {
        throw .invalidRequest("'tool_choice' is 'any', but there are no 'tools'", param: "tool_choice")
      }
      return .required
    case "tool":
      let name = try reader.requiredString("name")
      guard tools.contains(where: { $0.name == name }) else {
        throw .invalidRequest(
          "'tool_choice' names '\(APIError.clipped(name))', which is not among 'tools'", param: "tool_choice.name")
      }
      return .function(name)
    default:
      throw .outOfRange(reader.path("type"), expected: "'auto', 'any', 'tool' or 'none'", found: "'\(type)'")
    }
  }
}
