import JSON

/// The body of a response of `POST /tokenize`.
package struct TokenizeResponse: Sendable, Equatable {
  package var tokens: [Int]
  package var contextLength: Int
  /// Nil where the request does not want them.
  package var tokenTexts: [String]?

  package init(tokens: [Int], contextLength: Int, tokenTexts: [String]? = nil) {
    (self.tokens, self.contextLength, self.tokenTexts) = (tokens, contextLength, tokenTexts)
  }

  package var json: JSONValue {
    [
      "count": .int(tokens.count), "max_model_len": .int(contextLength), "tokens": .array(tokens.map { .int($0) }),
      "token_strs": tokenTexts.map { .array($0.map { .string($0) }) } ?? .null,
    ]
  }
}

/// The body of a response of `POST /detokenize`.
package struct DetokenizeResponse: Sendable, Equatable {
  package var text: String
  package init(text: String) { self.text = text }
  package var json: JSONValue { ["prompt": .string(text)] }
}
