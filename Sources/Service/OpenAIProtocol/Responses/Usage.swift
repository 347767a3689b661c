import JSON

/// How many tokens a response took.
package struct Usage: Sendable, Equatable {
  package var promptTokens: Int
  /// Of all choices together.
  package var completionTokens: Int
  /// Tokens of the prompt that were not computed again.
  package var cachedTokens: Int
  /// Tokens of the completion that are reasoning; nil where nobody counts them.
  package var reasoningTokens: Int?

  package init(promptTokens: Int, completionTokens: Int, cachedTokens: Int = 0, reasoningTokens: Int? = nil) {
    (self.promptTokens, self.completionTokens) = (promptTokens, completionTokens)
    (self.cachedTokens, self.reasoningTokens) = (cachedTokens, reasoningTokens)
  }

  /// As chats and text completions have it.
  package var json: JSONValue {
    var usage = JSONObject([
      ("prompt_tokens", .int(promptTokens)), ("completion_tokens", .int(completionTokens)),
      ("total_tokens", .int(promptTokens + completionTokens)),
      ("prompt_tokens_details", ["cached_tokens": .int(cachedTokens)]),
    ])
    if let reasoningTokens { usage["completion_tokens_details"] = ["reasoning_tokens": .int(reasoningTokens)] }
    return .object(usage)
  }

  /// As `/v1/responses` has it.
  var responsesJSON: JSONValue {
    [
      "input_tokens": .int(promptTokens),
      "input_tokens_details": ["cached_tokens": .int(cachedTokens), "cache_write_tokens": 0],
      "output_tokens": .int(completionTokens),
      "output_tokens_details": ["reasoning_tokens": .int(reasoningTokens ?? 0)],
      "total_tokens": .int(promptTokens + completionTokens),
    ]
  }

  /// As `/v1/messages` has it: tokens found in the cache are counted apart.
  var messagesJSON: JSONValue {
    [
      "input_tokens": .int(promptTokens - cachedTokens), "cache_creation_input_tokens": 0,
      "cache_read_input_tokens": .int(cachedTokens), "output_tokens": .int(completionTokens),
    ]
  }
}

/// Why a choice ended.
package enum FinishReason: String, Sendable {
  /// The model ended it, or a stop text did.
  case stop
  /// As many tokens as were asked for, or as the context holds.
  case length
  /// The model called functions and waits for their results.
  case toolCalls = "tool_calls"
}

/// What every response and every chunk begins with; the same for all chunks of a stream.
package struct ResponseHeader: Sendable, Equatable {
  package var id: String
  /// Seconds since 1970.
  package var created: Int
  package var model: String
  /// Names what computes: the same fingerprint and seed give the same reply.
  package var systemFingerprint: String?

  package init(id: String, created: Int, model: String, systemFingerprint: String? = nil) {
    (self.id, self.created, self.model, self.systemFingerprint) = (id, created, model, systemFingerprint)
  }

  func object(_ kind: String) -> JSONObject {
    JSONObject([
      ("id", .string(id)), ("object", .string(kind)), ("created", .int(created)), ("model", .string(model)),
      ("system_fingerprint", systemFingerprint.map { .string($0) } ?? .null),
    ])
  }

  /// A whole response of this kind.
  func object(_ kind: String, choices: [JSONValue], usage: Usage) -> JSONValue {
    var object = object(kind)
    object["choices"] = .array(choices)
    object["usage"] = usage.json
    return .object(object)
  }
}
