import JSON

extension ChatMessage {
  /// This message in the form chat templates read, for a model of this format.
  ///
  /// A developer's message becomes a system message for templates that do not know the role; the arguments of calls
  /// become an object for templates that go through them.
  package func templateValue(for format: ToolCallFormat) -> JSONValue {
    var message = JSONObject()
    let role: Role = self.role == .developer && !format.knowsDeveloperRole ? .system : self.role
    message["role"] = .string(role.rawValue)
    // DeepSeek's templates write an answer beside the calls if there is content at all, even empty; others print or go
    // through a content that is null.
    var (text, reasoning) = (content ?? "", reasoning)
    if format.syntax == .harmony, !toolCalls.isEmpty, !text.isEmpty, let thought = reasoning {
      // gpt-oss's template refuses both beside a call, and takes either as the analysis before it.
      (text, reasoning) = ("", thought + "\n" + text)
    }
    let isNull = text.isEmpty && !toolCalls.isEmpty && format.takesNullContent
    message["content"] = isNull ? .null : .string(text)
    message["reasoning_content"] = reasoning.map { .string($0) }
    message["name"] = name.map { .string($0) }
    if !toolCalls.isEmpty {
      message["tool_calls"] = .array(
        toolCalls.map { call in
          [
            "id": .string(call.id), "type": "function",
            "function": ["name": .string(call.name), "arguments": call.templateArguments(for: format)],
          ]
        })
    }
    message["tool_call_id"] = toolCallID.map { .string($0) }
    return .object(message)
  }
}

extension ToolCall {
  /// What is no JSON object stays text: the template says what it makes of it.
  fileprivate func templateArguments(for format: ToolCallFormat) -> JSONValue {
    guard format.takesArgumentsAsObject else { return .string(arguments) }
    if arguments.utf8.allSatisfy(isWhitespace) { return .object(JSONObject()) }
    guard let value = try? JSONValue(parsing: arguments, limits: JSONLimits(depth: 64)), value.object != nil else {
      return .string(arguments)
    }
    return value
  }
}
