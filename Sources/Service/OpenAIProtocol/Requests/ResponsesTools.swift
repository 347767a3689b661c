import JSON

/// `tools` and `tool_choice` of a request for a response.
struct ResponsesTools {
  private(set) var tools: [ToolDefinition] = []
  private(set) var choice = ToolChoice.none
  /// Names of those whose input is text.
  private(set) var custom: Set<String> = []
  private(set) var namespaces = ToolNamespaces()
  /// Tools with items of their own, by the names that the model knows.
  private(set) var client: [String: ClientTool] = [:]

  private static let functionTable = RequestMembers(
    ["type", "name", "description", "parameters", "strict"],
    ignored: ["defer_loading", "allowed_callers", "output_schema", "async"])
  private static let customTable = RequestMembers(
    ["type", "name", "description", "format"], ignored: ["defer_loading", "allowed_callers", "async"])

  private static let namespaceTable = RequestMembers(
    ["type", "name", "description", "tools"], ignored: ["defer_loading", "allowed_callers"])

  init(_ request: RequestReader, limits: RequestLimits) throws(APIError) {
    try add(try request.array("tools") ?? [], path: "tools", limits: limits)
    for found in try ToolItems.found(request) { try add(found.tools, isFound: true, path: found.path, limits: limits) }
    choice = try Self.choice(request["tool_choice"], &tools)
  }

  private mutating func add(
    _ values: [JSONValue], of namespace: String? = nil, isFound: Bool = false, path: String, limits: RequestLimits
  ) throws(APIError) {
    for (i, value) in values.enumerated() where !Self.isLeftOut(value) {
      guard tools.count < limits.toolCount else {
        throw .outOfRange("tools", expected: "at most \(limits.toolCount) tools", found: "more")
      }
      let reader = try RequestReader(value, path: "\(path)[\(i)]")
      if namespace == nil, reader["type"]?.string == "namespace" {
        try Self.namespaceTable.check(reader)
        let name = try ToolDefinition.name(reader, limit: 128)
        try add(try reader.array("tools") ?? [], of: name, isFound: isFound, path: reader.path("tools"), limits: limits)
        continue
      }
      let own = namespace == nil ? reader["type"]?.string.flatMap { ClientTool(rawValue: $0) } : nil
      let tool = if let own { try own.definition(reader) } else { try Self.tool(reader, of: namespace) }
      // Searches find what is known already.
      if isFound, tools.contains(where: { $0.name == tool.name }) { continue }
      guard !tools.contains(where: { $0.name == tool.name }) else {
        throw .invalidRequest("'tools' has two tools named '\(tool.name)'", param: reader.path("name"))
      }
      if let namespace { namespaces.add(tool.name, namespace: namespace, name: try reader.requiredString("name")) }
      client[tool.name] = own
      if reader["type"]?.string == "custom" { custom.insert(tool.name) }
      tools.append(tool)
    }
  }

  /// Codex offers a search of the web that reads no live pages with every request; a model without it works as well.
  /// A search for tools that the server runs is needed by none: the model knows all tools of the request.
  static func isLeftOut(_ tool: JSONValue) -> Bool {
    let type = tool["type"]?.string ?? ""
    if type == ClientTool.toolSearch.rawValue { return tool["execution"]?.string ?? "server" != "client" }
    return type.hasPrefix("web_search") && tool["external_web_access"] == false
  }

  private static func tool(_ reader: RequestReader, of namespace: String?) throws(APIError) -> ToolDefinition {
    let type = try reader.requiredString("type")
    switch type {
    case "function":
      try functionTable.check(reader)
      let name = try ToolDefinition.name(reader, of: namespace, limit: 128)
      if let parameters = reader["parameters"], parameters.object == nil {
        throw .wrongType(reader.path("parameters"), expected: "an object", found: parameters)
      }
      return ToolDefinition(
        name: name, description: try reader.string("description"), parameters: reader["parameters"],
        isStrict: try reader.bool("strict") ?? false, parametersPath: reader.path("parameters"))
    case "custom":
      try customTable.check(reader)
      let name = try ToolDefinition.name(reader, of: namespace, limit: 128)
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
          + "it offers tools that the client runs, of the types 'function' and 'custom', alone or in a 'namespace', "
          + "'local_shell', and 'tool_search' with 'execution' 'client'",
        param: reader.path("type"), code: "unsupported_value")
    }
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
        let name = ToolNamespaces.joined(try reader.string("namespace"), try reader.requiredString("name"))
        guard tools.contains(where: { $0.name == name }) else {
          throw .invalidRequest(
            "'tool_choice' names '\(APIError.clipped(name))', which is not among 'tools'", param: "tool_choice.name")
        }
        return .function(name)
      case _ where ClientTool(rawValue: type) != nil && tools.contains { $0.name == type }: return .function(type)
      case "allowed_tools":
        let allowed = Set((try reader.array("tools") ?? []).compactMap { ($0["name"] ?? $0["type"])?.string })
        tools = tools.filter { allowed.contains($0.name) }
        return try choice(.string(try reader.string("mode") ?? "auto"), &tools)
      default:
        throw .outOfRange(
          "tool_choice", expected: "'none', 'auto', 'required', a function or allowed tools", found: "'\(type)'")
      }
    }
  }
}
