import JSON

/// `instructions` and `input` of a request for a response, as messages of a chat.
struct ResponsesInput {
  let messages: [ChatMessage]

  init(_ request: RequestReader, limits: RequestLimits) throws(APIError) {
    var builder = ConversationBuilder()
    if let text = try request.string("instructions"), !text.isEmpty { builder.add(instructions: text, role: .system) }
    let input = try request.required("input")
    switch input {
    case .string(let text): builder.add(user: text)
    case .array(let items):
      guard items.count <= limits.messageCount else {
        throw .outOfRange("input", expected: "at most \(limits.messageCount) items", found: "\(items.count)")
      }
      for (i, item) in items.enumerated() { try Self.add(try RequestReader(item, path: "input[\(i)]"), to: &builder) }
    default: throw .wrongType("input", expected: "a string or an array of items", found: input)
    }
    guard !builder.messages.isEmpty else { throw .outOfRange("input", expected: "text or items", found: "empty") }
    messages = builder.messages
  }

  private static func add(_ item: RequestReader, to builder: inout ConversationBuilder) throws(APIError) {
    let type = try item.string("type") ?? (item["role"] == nil ? "item_reference" : "message")
    switch type {
    case "message": try addMessage(item, to: &builder)
    case "reasoning":
      if let text = try reasoning(item) { builder.add(reasoning: text) }
    case "function_call":
      builder.add(
        ToolCall(
          id: try item.requiredString("call_id"), name: try tool(item),
          arguments: try item.string("arguments") ?? ""))
    case "custom_tool_call":
      let input: JSONValue = ["input": .string(try item.string("input") ?? "")]
      builder.add(
        ToolCall(
          id: try item.requiredString("call_id"), name: try tool(item), arguments: input.text()))
    case "function_call_output", "custom_tool_call_output":
      let output = try item.required("output")
      let isText = output.string != nil || output.array != nil
      let text = isText ? try self.text(output, item.path("output")) : output.text()
      try builder.add(output: text, of: try item.requiredString("call_id"), path: item.path("call_id"))
    case "item_reference":
      throw .unsupported(item.path, "no item is kept on this server to be referred to: send it whole")
    case _ where ToolItems.isSilent(item, type: type): break
    case _ where ToolItems.isOutput(type):
      let output = try ToolItems.output(item)
      try builder.add(output: output.text, of: output.id, path: output.path)
    default:
      if let made = try ToolItems.call(item, type: type) {
        builder.add(made.call)
        if let output = made.output { try builder.add(output: output, of: made.call.id, path: item.path("id")) }
        return
      }
      throw .invalidRequest(
        "'\(item.path)' is an item of type '\(APIError.clipped(type))', which this server neither makes nor reads",
        param: item.path("type"), code: "unsupported_value")
    }
  }

  /// The name of a call's tool, as the model knows it.
  private static func tool(_ item: RequestReader) throws(APIError) -> String {
    ToolNamespaces.joined(try item.string("namespace"), try item.requiredString("name"))
  }

  private static func addMessage(_ item: RequestReader, to builder: inout ConversationBuilder) throws(APIError) {
    let role = try item.requiredString("role")
    let text = try text(try item.required("content"), item.path("content"))
    switch role {
    case "user": builder.add(user: text)
    case "assistant": builder.add(assistant: text)
    case "system": builder.add(instructions: text, role: .system)
    case "developer": builder.add(instructions: text, role: .developer)
    default:
      throw .outOfRange(
        item.path("role"), expected: "one of 'user', 'assistant', 'system', 'developer'", found: "'\(role)'")
    }
  }

  /// Text, or parts of text joined by line breaks.
  private static func text(_ value: JSONValue, _ path: String) throws(APIError) -> String {
    if let text = value.string { return text }
    guard let parts = value.array else {
      throw .wrongType(path, expected: "a string or an array of text parts", found: value)
    }
    var texts: [String] = []
    for (i, part) in parts.enumerated() {
      let reader = try RequestReader(part, path: "\(path)[\(i)]")
      let type = try reader.requiredString("type")
      switch type {
      case "input_text", "output_text", "text", "summary_text", "reasoning_text":
        texts.append(try reader.string("text") ?? "")
      case "refusal": texts.append(try reader.string("refusal") ?? "")
      default:
        throw .invalidRequest(
          "'\(reader.path)' is a part of type '\(APIError.clipped(type))', but this model reads text only",
          param: reader.path("type"), code: "unsupported_value")
      }
    }
    return texts.joined(separator: "\n")
  }

  /// The reasoning itself, or what stands for it; nil where there is none that can be read.
  private static func reasoning(_ item: RequestReader) throws(APIError) -> String? {
    for name in ["content", "summary"] {
      if let value = item[name] {
        let text = try text(value, item.path(name))
        if !text.isEmpty { return text }
      }
      if name == "content", let sealed = try item.string("encrypted_content"), let text = SealedReasoning.text(sealed) {
        return text
      }
    }
    return nil
  }
}
