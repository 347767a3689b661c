import JSON

/// `system` and `messages` of the Anthropic API, as messages of a chat.
enum MessagesInput {
  static func messages(_ request: RequestReader, limits: RequestLimits) throws(APIError) -> [ChatMessage] {
    var builder = ConversationBuilder()
    if let system = request["system"] {
      let text = try text(system, "system")
      if !text.isEmpty { builder.add(instructions: text, role: .system) }
    }
    guard let values = try request.array("messages") else { throw .missing("messages") }
    guard !values.isEmpty else { throw .outOfRange("messages", expected: "an array of messages", found: "empty") }
    guard values.count <= limits.messageCount else {
      throw .outOfRange("messages", expected: "at most \(limits.messageCount) messages", found: "\(values.count)")
    }
    for (i, value) in values.enumerated() {
      let message = try RequestReader(value, path: "messages[\(i)]")
      let role = try message.requiredString("role")
      let content = try message.required("content")
      switch role {
      case "user": try addUser(content, message.path("content"), to: &builder)
      case "assistant": builder.add(turn: try turn(content, message.path("content")))
      case "system": builder.add(instructions: try text(content, message.path("content")), role: .system)
      default: throw .outOfRange(message.path("role"), expected: "'user' or 'assistant'", found: "'\(role)'")
      }
    }
    return builder.messages
  }

  /// A user's blocks: text, and what calls returned, each where it stands.
  private static func addUser(
    _ content: JSONValue, _ path: String, to builder: inout ConversationBuilder
  ) throws(APIError) {
    if let text = content.string {
      builder.add(user: text)
      return
    }
    var texts: [String] = []
    for block in try blocks(content, path) {
      if try block.requiredString("type") == "tool_result" {
        if !texts.isEmpty { builder.add(user: texts.joined(separator: "\n")) }
        texts = []
        let output = try block["content"].map { (value) throws(APIError) in try text(value, block.path("content")) }
        try builder.add(
          output: output ?? "", of: try block.requiredString("tool_use_id"), path: block.path("tool_use_id"))
      } else {
        texts.append(try text(of: block))
      }
    }
    if !texts.isEmpty { builder.add(user: texts.joined(separator: "\n")) }
  }

  private static func turn(_ content: JSONValue, _ path: String) throws(APIError) -> ChatMessage {
    var turn = ChatMessage(role: .assistant, content: nil)
    if let text = content.string {
      turn.content = text
      return turn
    }
    for block in try blocks(content, path) {
      let type = try block.requiredString("type")
      switch type {
      case "thinking":
        let thought = try block.string("thinking") ?? ""
        if !thought.isEmpty { turn.reasoning = (turn.reasoning.map { $0 + "\n" } ?? "") + thought }
      // What nobody here can read, and searches for tools that the model knows.
      case "redacted_thinking", "tool_search_tool_result": break
      case "server_tool_use" where block["name"]?.string?.hasPrefix(MessagesTools.search) == true: break
      case "tool_use":
        let input = block["input"] ?? [:]
        guard input.object != nil else { throw .wrongType(block.path("input"), expected: "an object", found: input) }
        turn.toolCalls.append(
          ToolCall(
            id: try block.requiredString("id"), name: try block.requiredString("name"), arguments: input.text()))
      default: turn.content = (turn.content.map { $0 + "\n" } ?? "") + (try text(of: block))
      }
    }
    if turn.content == nil, turn.toolCalls.isEmpty { turn.content = "" }
    return turn
  }

  private static func blocks(_ content: JSONValue, _ path: String) throws(APIError) -> [RequestReader] {
    guard let values = content.array else {
      throw .wrongType(path, expected: "a string or an array of blocks", found: content)
    }
    var blocks: [RequestReader] = []
    for (i, value) in values.enumerated() { blocks.append(try RequestReader(value, path: "\(path)[\(i)]")) }
    return blocks
  }

  /// Text, or blocks of text joined by line breaks.
  private static func text(_ value: JSONValue, _ path: String) throws(APIError) -> String {
    if let text = value.string { return text }
    var texts: [String] = []
    for block in try blocks(value, path) { texts.append(try text(of: block)) }
    return texts.joined(separator: "\n")
  }

  private static func text(of block: RequestReader) throws(APIError) -> String {
    let type = try block.requiredString("type")
    switch type {
    case "text": return try block.string("text") ?? ""
    // What a search for tools found: the model knows all tools of the request.
    case "tool_reference": return try block.requiredString("tool_name")
    case "document" where block["source"]?["type"] == "text": return block["source"]?["data"]?.string ?? ""
    default:
      throw .invalidRequest(
        "'\(block.path)' is a block of type '\(APIError.clipped(type))', but this model reads text only",
        param: block.path("type"), code: "unsupported_value")
    }
  }
}
