import JSON

/// The message that `/v1/messages` answers with.
package struct MessagesAnswer: Sendable, Equatable {
  package var header: ResponseHeader
  package var showsThinking: Bool

  package init(header: ResponseHeader, showsThinking: Bool) {
    self.header = header
    self.showsThinking = showsThinking
  }

  /// Why an answer ended, in the API's words. `stopText`: the stop sequence that was met.
  static func stopReason(_ finish: FinishReason, stopText: String?) -> String {
    switch finish {
    case .length: "max_tokens"
    case .toolCalls: "tool_use"
    case .stop: stopText == nil ? "end_turn" : "stop_sequence"
    }
  }

  package func json(_ reply: Reply, finish: FinishReason, stopText: String?, usage: Usage) -> JSONValue {
    var content: [JSONValue] = []
    if let thought = reply.reasoning, showsThinking {
      content.append(["type": "thinking", "thinking": .string(thought), "signature": .string(Self.signature)])
    }
    if let text = reply.content, !text.isEmpty || reply.toolCalls.isEmpty {
      content.append(["type": "text", "text": .string(text)])
    } else if reply.toolCalls.isEmpty {
      content.append(["type": "text", "text": ""])
    }
    for call in reply.toolCalls {
      content.append([
        "type": "tool_use", "id": .string(call.id), "name": .string(call.name), "input": Self.input(call.arguments),
      ])
    }
    return message(
      content: content, stopReason: .string(Self.stopReason(finish, stopText: stopText)),
      stopSequence: finish == .stop ? stopText.map { .string($0) } ?? .null : .null, usage: usage.messagesJSON)
  }

  func message(
    content: [JSONValue], stopReason: JSONValue = .null, stopSequence: JSONValue = .null, usage: JSONValue
  ) -> JSONValue {
    [
      "id": .string(header.id), "type": "message", "role": "assistant", "model": .string(header.model),
      "content": .array(content), "stop_reason": stopReason, "stop_sequence": stopSequence, "usage": usage,
    ]
  }

  /// Clients send thoughts back with a signature, which nothing here depends on.
  static let signature = "martinet"

  /// A call's input, which must be an object; what the model wrote instead is told as it is.
  static func input(_ arguments: String) -> JSONValue {
    if arguments.isEmpty { return [:] }
    let value = try? JSONValue(parsing: arguments, limits: JSONLimits(depth: 64))
    return value?.object == nil ? ["raw_arguments": .string(arguments)] : value ?? [:]
  }
}
