import Hummingbird
import OpenAIProtocol

/// The routes that turn text into tokens and back.
extension Responder {
  func tokenize(_ request: Request) async throws -> Response {
    let tokenize = try await body(of: request) { try TokenizeRequest($0, limits: $1) }
    try checkModel(tokenize.model)
    let text = coordinator.text
    let family = coordinator.engine.facts?.family ?? ""
    let contextLength = coordinator.contextLength ?? 0
    return try await coordinator.pool.run {
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
    let text = coordinator.text
    return try await coordinator.pool.run { .json(DetokenizeResponse(text: try text.decode(detokenize.tokens)).json) }
  }
}
