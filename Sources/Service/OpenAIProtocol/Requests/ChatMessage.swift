import JSON

/// One message of a conversation.
package struct ChatMessage: Sendable, Equatable {
  package enum Role: String, Sendable, CaseIterable {
    case system, developer, user, assistant, tool
  }

  package var role: Role
  /// The text; parts of text are joined by line breaks. Nil only in an assistant's message.
  package var content: String?
  /// What the assistant thought before it answered: `reasoning_content`.
  package var reasoning: String?
  package var name: String?
  package var toolCalls: [ToolCall]
  /// In a tool's message: the call it answers.
  package var toolCallID: String?

  package init(
    role: Role, content: String?, reasoning: String? = nil, name: String? = nil, toolCalls: [ToolCall] = [],
    toolCallID: String? = nil
  ) {
    (self.role, self.content, self.reasoning) = (role, content, reasoning)
    (self.name, self.toolCalls, self.toolCallID) = (name, toolCalls, toolCallID)
  }
}

/// A call of a function, as the model made it.
package struct ToolCall: Sendable, Equatable {
  package var id: String
  package var name: String
  /// The text of a JSON object, unless the model wrote something else.
  package var arguments: String

  package init(id: String, name: String, arguments: String) {
    (self.id, self.name, self.arguments) = (id, name, arguments)
  }

  package var json: JSONValue {
    [
      "id": .string(id), "type": "function",
      "function": ["name": .string(name), "arguments": .string(arguments)],
    ]
  }
}
