import EngineAPI
import Hummingbird
import JSON
import OpenAIProtocol
import Tokenization

/// The routes that turn text into tokens and back.
extension Responder {
  func tokenize(_ request: Request) async throws -> Response {
    let tokenize = try await body(of: request) { try TokenizeRequest($0, limits: $1) }
    try checkModel(tokenize.model)
    let text = server.text
    let family = server.engine.facts?.family ?? ""
    let contextLength = server.contextLength ?? 0
    return try await server.pool.run {
      let ids: [Int]
      switch tokenize.input {
      case .text(let prompt): ids = try text.encode(prompt, addSpecialTokens: tokenize.addsSpecialTokens)
      case .conversation(let conversation):
        let prompt = try text.render(conversation, family: family)
        ids = try text.encode(prompt, addSpecialTokens: tokenize.addsSpecialTokens)
      }
      let texts = tokenize.wantsTokenTexts ? ids.map { text.tokenizer.token($0) ?? "" } : nil
      return .json(TokenizeResponse(tokens: ids, contextLength: contextLength, tokenTexts: texts).json)
    }
  }

  func detokenize(_ request: Request) async throws -> Response {
    let detokenize = try await body(of: request) { try DetokenizeRequest($0, limits: $1) }
    try checkModel(detokenize.model)
    let text = server.text
    return try await server.pool.run { .json(DetokenizeResponse(text: try text.decode(detokenize.tokens)).json) }
  }

  /// `POST /v1/messages/count_tokens`.
  func countTokens(_ request: Request) async throws -> Response {
    let count = try await promptCount(
      of: try await body(of: request) { try MessagesRequest($0, limits: $1, onlyCounts: true).chat })
    return .json(["input_tokens": .int(count)])
  }

  /// `POST /v1/responses/input_tokens`.
  func inputTokens(_ request: Request) async throws -> Response {
    let count = try await promptCount(of: try await body(of: request) { try ResponsesRequest($0, limits: $1).chat })
    return .json(["object": "response.input_tokens", "input_tokens": .int(count)])
  }

  /// The tokens of a conversation's prompt, however many.
  private func promptCount(of chat: ChatCompletionRequest) async throws -> Int {
    try checkModel(chat.model)
    let (text, facts) = (server.text, try servingFacts())
    return try await server.pool.run {
      try ChatPlan(chat, text: text, facts: facts, contextLength: .max).prompt.count
    }
  }
}
