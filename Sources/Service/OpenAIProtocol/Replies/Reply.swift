import JSON

/// What a model's text turned out to hold, as it comes.
package enum ReplyEvent: Sendable, Equatable {
  case reasoning(String)
  case content(String)
  /// The reasoning so far, which is this text, was the answer.
  case reasoningWasAnswer(String)
  /// A call begins; its arguments follow, and calls do not interleave. Indices count from 0.
  case toolCallStarted(index: Int, id: String, name: String)
  case toolCallArguments(index: Int, delta: String)
  /// `isComplete`: the model closed the call; false where the text ended inside it.
  case toolCallEnded(index: Int, isComplete: Bool)

  package var isContent: Bool {
    switch self {
    case .content, .reasoningWasAnswer: true
    default: false
    }
  }
}

/// A whole reply: what the events so far amount to.
package struct Reply: Sendable, Equatable {
  package var reasoning: String?
  package var content: String?
  package var toolCalls: [ToolCall]

  package init(reasoning: String? = nil, content: String? = nil, toolCalls: [ToolCall] = []) {
    (self.reasoning, self.content, self.toolCalls) = (reasoning, content, toolCalls)
  }

  package mutating func add(_ event: ReplyEvent) {
    switch event {
    case .reasoning(let text): reasoning = (reasoning ?? "") + text
    case .content(let text): content = (content ?? "") + text
    case .reasoningWasAnswer(let text): (reasoning, content) = (nil, text)
    case .toolCallStarted(_, let id, let name): toolCalls.append(ToolCall(id: id, name: name, arguments: ""))
    case .toolCallArguments(let index, let delta):
      if toolCalls.indices.contains(index) { toolCalls[index].arguments += delta }
    case .toolCallEnded: break
    }
  }

  /// The message of a response. Content is null beside calls, and empty text where there is neither.
  package var json: JSONValue {
    var message = JSONObject([("role", "assistant")])
    message["content"] = content.map { .string($0) } ?? (toolCalls.isEmpty ? "" : .null)
    message["refusal"] = .null
    message["reasoning_content"] = reasoning.map { .string($0) }
    if !toolCalls.isEmpty { message["tool_calls"] = .array(toolCalls.map(\.json)) }
    return .object(message)
  }
}
