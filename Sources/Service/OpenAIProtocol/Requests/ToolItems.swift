import JSON

/// Items of a conversation that are calls of tools other than functions, and what those returned: of tools that the
/// client runs, and of tools that other servers ran before the conversation came here.
enum ToolItems {
  /// A call, and its result where that is in the same item.
  struct Call {
    var call: ToolCall
    var output: String?
  }

  /// Items that tell nothing that the messages beside them do not: what was searched for, which tools were listed, what
  /// was allowed, pictures.
  private static let silent: Set<String> = [
    "web_search_call", "image_generation_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response",
  ]
  /// Calls whose results come in items of their own, by the member that tells what was asked.
  private static let calls = [
    "local_shell_call": "action", "shell_call": "action", "apply_patch_call": "operation",
    "tool_search_call": "arguments",
  ]
  /// Calls that a server ran, by the members that tell what was asked and what came of it.
  private static let servedCalls = [
    "file_search_call": ("queries", "results"), "code_interpreter_call": ("code", "outputs"),
    "mcp_call": ("arguments", "output"),
  ]
  private static let outputs: Set<String> = [
    "local_shell_call_output", "shell_call_output", "apply_patch_call_output", "tool_search_output",
  ]

  /// Searches for tools that a server ran are silent too: what they found is among the tools.
  static func isSilent(_ item: RequestReader, type: String) -> Bool {
    silent.contains(type) || type.hasPrefix("tool_search_") && item["execution"] == "server"
  }
  static func isOutput(_ type: String) -> Bool { outputs.contains(type) }

  /// Nil for items of other types.
  static func call(_ item: RequestReader, type: String) throws(APIError) -> Call? {
    if let asked = calls[type] {
      let id = try item.requiredString(idName(item))
      let call = ToolCall(id: id, name: String(type.dropLast(5)), arguments: arguments(asked, item[asked]))
      return Call(call: call)
    }
    guard let (asked, found) = servedCalls[type] else { return nil }
    let name = type == "mcp_call" ? try item.requiredString("name") : String(type.dropLast(5))
    let call = ToolCall(id: try item.requiredString("id"), name: name, arguments: arguments(asked, item[asked]))
    let failure = item["error"].flatMap { $0 == .null ? nil : "error: " + text($0) }
    return Call(call: call, output: failure ?? item[found].map(text) ?? "")
  }

  /// What a call returned, as text: a text as it is, anything else as JSON.
  static func output(_ item: RequestReader) throws(APIError) -> (id: String, path: String, text: String) {
    let member = idName(item)
    let value = item["output"] ?? item["tools"].map { ["tools": $0] } ?? item["status"] ?? ""
    return (try item.requiredString(member), item.path(member), text(value))
  }

  /// Tools that searches found: the model may call them from then on.
  static func found(_ request: RequestReader) throws(APIError) -> [(tools: [JSONValue], path: String)] {
    guard let items = request["input"]?.array else { return [] }
    var found: [(tools: [JSONValue], path: String)] = []
    for (i, item) in items.enumerated() where item["type"] == "tool_search_output" {
      let reader = try RequestReader(item, path: "input[\(i)]")
      found.append((try reader.array("tools") ?? [], reader.path("tools")))
    }
    return found
  }

  private static func arguments(_ name: String, _ value: JSONValue?) -> String {
    switch value {
    case nil, .null?: "{}"
    // Arguments of a function that are written already.
    case .string(let text)? where name == "arguments": text
    case .object(let object)?: JSONValue.object(object).text()
    case let value?: JSONValue.object(JSONObject([(name, value)])).text()
    }
  }

  private static func idName(_ item: RequestReader) -> String {
    item["call_id"] == nil || item["call_id"] == .null ? "id" : "call_id"
  }

  private static func text(_ value: JSONValue) -> String { value.string ?? (value == .null ? "" : value.text()) }
}
