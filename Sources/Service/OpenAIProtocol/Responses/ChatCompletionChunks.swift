import JSON

/// Makes the chunks of a chat's streamed response: for each choice `first`, then `delta`s, then `last`; then `usage`
/// if the request includes it.
package struct ChatCompletionChunks: Sendable, Equatable {
  package let header: ResponseHeader
  /// All chunks but the one with the usage then say that theirs is null.
  package let includesUsage: Bool
  /// What chunks tell as usage; nil where they need not.
  package var usageSoFar: Usage?

  package init(header: ResponseHeader, includesUsage: Bool) {
    self.header = header
    self.includesUsage = includesUsage
  }

  /// The chunk that tells the role of choice `index`, from 0.
  package func first(index: Int) -> JSONValue {
    choice(index: index, delta: JSONObject([("role", "assistant"), ("content", "")]))
  }

  /// A chunk for an event; nil where clients are told nothing of it, unless there are log-probabilities to tell.
  package func delta(index: Int, _ event: ReplyEvent, logprobs: [TokenLogprob]? = nil) -> JSONValue? {
    let delta: JSONObject
    switch event {
    case .reasoning(let text): delta = JSONObject([("reasoning_content", .string(text))])
    case .content(let text), .reasoningWasAnswer(let text): delta = JSONObject([("content", .string(text))])
    case .toolCallStarted(let call, let id, let name):
      delta = JSONObject([
        (
          "tool_calls",
          [
            [
              "index": .int(call), "id": .string(id), "type": "function",
              "function": ["name": .string(name), "arguments": ""],
            ]
          ]
        )
      ])
    case .toolCallArguments(let call, let arguments):
      delta = JSONObject([("tool_calls", [["index": .int(call), "function": ["arguments": .string(arguments)]]])])
    case .toolCallEnded:
      guard let logprobs else { return nil }
      return self.logprobs(index: index, logprobs)
    }
    return choice(index: index, delta: delta, logprobs: logprobs)
  }

  /// A chunk without text, for tokens whose text is held back or is a marker's.
  package func logprobs(index: Int, _ logprobs: [TokenLogprob]) -> JSONValue {
    choice(index: index, delta: JSONObject(), logprobs: logprobs)
  }

  /// The last chunk of choice `index`, from 0, and why it ended.
  package func last(index: Int, _ reason: FinishReason, logprobs: [TokenLogprob]? = nil) -> JSONValue {
    choice(index: index, delta: JSONObject(), logprobs: logprobs, reason: reason)
  }

  package func usage(_ usage: Usage) -> JSONValue {
    var object = header.object("chat.completion.chunk")
    object["choices"] = []
    object["usage"] = usage.json
    return .object(object)
  }

  private func choice(
    index: Int, delta: JSONObject, logprobs: [TokenLogprob]? = nil, reason: FinishReason? = nil
  ) -> JSONValue {
    var object = header.object("chat.completion.chunk")
    object["choices"] = [
      [
        "index": .int(index), "delta": .object(delta), "logprobs": logprobs?.chatJSON ?? .null,
        "finish_reason": reason.map { .string($0.rawValue) } ?? .null,
      ]
    ]
    if includesUsage || usageSoFar != nil { object["usage"] = usageSoFar?.json ?? .null }
    return .object(object)
  }
}
