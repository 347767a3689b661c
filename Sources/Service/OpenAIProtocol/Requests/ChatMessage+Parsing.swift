import JSON

extension ChatMessage {
  private static let table = RequestMembers(
    ["role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content", "reasoning", "refusal"],
    ignored: ["annotations", "cache_control", "reasoning_details", "provider_specific_fields", "thinking_blocks"],
    refused: [
      "audio": "this model reads text only", "images": "this model reads text only",
      "function_call": "use 'tool_calls'",
    ],
    neutral: ["audio": [[:]], "images": [[]]])
  private static let callTable = RequestMembers(
    ["id", "type", "function"], ignored: ["index", "provider_specific_fields", "extra_content"])
  private static let functionTable = RequestMembers(["name", "arguments"])
  private static let partTable = RequestMembers(
    ["type", "text", "refusal"], ignored: ["cache_control", "annotations"])

  /// The messages of a request. A tool's message must answer a call made before it.
  static func list(_ name: String, of request: RequestReader, limits: RequestLimits) throws(APIError) -> [ChatMessage] {
    guard let values = try request.array(name) else { throw .missing(name) }
    guard !values.isEmpty else { throw .outOfRange(name, expected: "an array of messages", found: "empty") }
    guard values.count <= limits.messageCount else {
      throw .outOfRange(name, expected: "an array of at most \(limits.messageCount) messages", found: "\(values.count)")
    }
    var callIDs: Set<ExactString> = []
    var messages: [ChatMessage] = []
    messages.reserveCapacity(values.count)
    for (i, value) in values.enumerated() {
      let message = try ChatMessage(value, path: "\(name)[\(i)]")
      for call in message.toolCalls { callIDs.insert(ExactString(call.id)) }
      if let id = message.toolCallID, !callIDs.contains(ExactString(id)) {
        throw .invalidRequest(
          "'\(name)[\(i)].tool_call_id' is '\(APIError.clipped(id))', but no message before it makes that call",
          param: "\(name)[\(i)].tool_call_id")
      }
      messages.append(message)
    }
    return messages
  }

  private init(_ value: JSONValue, path: String) throws(APIError) {
    let reader = try RequestReader(value, path: path)
    let roleName = try reader.requiredString("role")
    guard let role = Role(rawValue: roleName) else {
      let roles = Role.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
      throw .outOfRange(reader.path("role"), expected: "one of \(roles)", found: "'\(roleName)'")
    }
    try Self.table.check(reader)
    self.init(role: role, content: try Self.content(reader, role: role), name: try reader.string("name"))
    for name in ["tool_calls", "reasoning_content", "reasoning", "refusal"] where role != .assistant {
      if let value = reader[name], value != [] {
        throw .unsupported(reader.path(name), "only a message of the role 'assistant' has it")
      }
    }
    if role == .tool {
      toolCallID = try reader.requiredString("tool_call_id")
    } else if reader["tool_call_id"] != nil {
      throw .unsupported(reader.path("tool_call_id"), "only a message of the role 'tool' has it")
    }
    reasoning = try reader.string("reasoning_content")
    if reasoning == nil { reasoning = try reader.string("reasoning") }
    for (i, call) in (try reader.array("tool_calls") ?? []).enumerated() {
      toolCalls.append(try Self.toolCall(call, path: "\(reader.path("tool_calls"))[\(i)]"))
    }
    if role == .assistant, content == nil { content = try reader.string("refusal") }
    // A turn of nothing, such as one that was cut off, comes back with a content of null.
    if role == .assistant, content == nil, toolCalls.isEmpty, reasoning == nil, reader.object["content"] == .null {
      content = ""
    }
    if content == nil && (role != .assistant || toolCalls.isEmpty && reasoning == nil) {
      throw .missing(reader.path("content"))
    }
  }

  private static func content(_ reader: RequestReader, role: Role) throws(APIError) -> String? {
    guard let value = reader["content"] else { return nil }
    let path = reader.path("content")
    switch value {
    case .string(let text): return text
    case .array(let parts):
      guard !parts.isEmpty else { throw .outOfRange(path, expected: "text, or parts of text", found: "empty") }
      var texts: [String] = []
      for (i, part) in parts.enumerated() { texts.append(try text(part, path: "\(path)[\(i)]", role: role)) }
      return texts.joined(separator: "\n")
    default: throw .wrongType(path, expected: "a string or an array of text parts", found: value)
    }
  }

  private static func text(_ part: JSONValue, path: String, role: Role) throws(APIError) -> String {
    let reader = try RequestReader(part, path: path)
    let type = try reader.requiredString("type")
    switch type {
    case "text": break
    case "refusal" where role == .assistant: break
    case "image_url", "input_image", "image", "input_audio", "audio_url", "video_url", "file", "input_file":
      throw .invalidRequest(
        "'\(path)' is a part of type '\(type)', but this model reads text only", param: "\(path).type",
        code: "unsupported_value")
    default: throw .outOfRange("\(path).type", expected: "'text'", found: "'\(type)'")
    }
    try partTable.check(reader)
    guard let text = try reader.string(type) else { throw .missing("\(path).\(type)") }
    return text
  }

  private static func toolCall(_ value: JSONValue, path: String) throws(APIError) -> ToolCall {
    let reader = try RequestReader(value, path: path)
    try callTable.check(reader)
    if let type = try reader.string("type"), type != "function" {
      throw .outOfRange(reader.path("type"), expected: "'function'", found: "'\(type)'")
    }
    guard let function = try reader.reader("function") else { throw .missing(reader.path("function")) }
    try functionTable.check(function)
    return ToolCall(
      id: try reader.requiredString("id"), name: try function.requiredString("name"),
      arguments: try function.string("arguments") ?? "")
  }
}
