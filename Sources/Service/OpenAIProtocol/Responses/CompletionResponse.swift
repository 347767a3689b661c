import JSON

/// The body of a text completion's response that is not streamed; and its chunks, which have the same form.
package struct CompletionResponse: Sendable, Equatable {
  package struct Choice: Sendable, Equatable {
    package var index: Int
    package var text: String
    /// Nil in all chunks of a choice but its last.
    package var finishReason: FinishReason?
    /// Nil where the request does not want them.
    package var logprobs: [TokenLogprob]?
    /// Characters (Unicode scalars) of the choice's text before these log-probabilities' first token.
    package var textOffset: Int

    package init(
      index: Int, text: String, finishReason: FinishReason?, logprobs: [TokenLogprob]? = nil, textOffset: Int = 0
    ) {
      (self.index, self.text, self.finishReason) = (index, text, finishReason)
      (self.logprobs, self.textOffset) = (logprobs, textOffset)
    }

    var json: JSONValue {
      [
        "index": .int(index), "text": .string(text),
        "logprobs": logprobs?.completionJSON(textOffset: textOffset) ?? .null,
        "finish_reason": finishReason.map { .string($0.rawValue) } ?? .null,
      ]
    }
  }

  package var header: ResponseHeader
  package var choices: [Choice]
  package var usage: Usage

  package init(header: ResponseHeader, choices: [Choice], usage: Usage) {
    (self.header, self.choices, self.usage) = (header, choices, usage)
  }

  package var json: JSONValue { header.object("text_completion", choices: choices.map(\.json), usage: usage) }
}

/// Makes the chunks of a text completion's streamed response: for each choice texts, the last with why it ended;
/// then `usage` if the request includes it.
package struct CompletionChunks: Sendable, Equatable {
  package let header: ResponseHeader
  package let includesUsage: Bool
  /// What chunks tell as usage; nil where they need not.
  package var usageSoFar: Usage?

  package init(header: ResponseHeader, includesUsage: Bool) {
    self.header = header
    self.includesUsage = includesUsage
  }

  package func text(_ choice: CompletionResponse.Choice) -> JSONValue {
    var object = header.object("text_completion")
    object["choices"] = [choice.json]
    if includesUsage || usageSoFar != nil { object["usage"] = usageSoFar?.json ?? .null }
    return .object(object)
  }

  package func usage(_ usage: Usage) -> JSONValue { CompletionResponse(header: header, choices: [], usage: usage).json }
}
