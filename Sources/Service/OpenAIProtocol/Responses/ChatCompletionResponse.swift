import JSON

/// The body of a chat's response that is not streamed.
package struct ChatCompletionResponse: Sendable, Equatable {
  package struct Choice: Sendable, Equatable {
    package var index: Int
    package var reply: Reply
    package var finishReason: FinishReason
    /// Nil where the request does not want them.
    package var logprobs: [TokenLogprob]?

    package init(index: Int, reply: Reply, finishReason: FinishReason, logprobs: [TokenLogprob]? = nil) {
      (self.index, self.reply, self.finishReason, self.logprobs) = (index, reply, finishReason, logprobs)
    }

    var json: JSONValue {
      [
        "index": .int(index), "message": reply.json, "logprobs": logprobs?.chatJSON ?? .null,
        "finish_reason": .string(finishReason.rawValue),
      ]
    }
  }

  package var header: ResponseHeader
  package var choices: [Choice]
  package var usage: Usage

  package init(header: ResponseHeader, choices: [Choice], usage: Usage) {
    (self.header, self.choices, self.usage) = (header, choices, usage)
  }

  package var json: JSONValue { header.object("chat.completion", choices: choices.map(\.json), usage: usage) }
}
