import EngineAPI
import ModelText
import OpenAIProtocol

/// One continuation of a text, as it comes.
struct TextChoice: GeneratedChoice {
  let index: Int
  private(set) var text: String
  private(set) var tokenCount = 0
  private(set) var finish: OpenAIProtocol.FinishReason?
  private(set) var logprobs: [TokenLogprob] = []
  private let served: ServedText
  private let stopTokens: Set<Int32>
  private var stream: TextStream
  private var textOffset = 0
  /// What the text begins with, once the engine has told how probable it is; nil where nothing is waited for.
  private var unscored: EchoedPrompt?

  init(index: Int, plan: CompletionPlan, text: ServedText) {
    (self.index, served, stopTokens) = (index, text, plan.stopTokens)
    let echo = plan.prompts[index / plan.request.choiceCount].echo
    unscored = plan.scoresPrompts ? echo : nil
    self.text = plan.scoresPrompts ? "" : echo?.text ?? ""
    stream = TextStream(text.tokenizer, stops: plan.stops)
    if plan.needsNoEngine { finish = .length }
  }

  /// The prompt, which comes before all tokens.
  mutating func push(_ prompt: TokenFeed.ScoredPrompt) throws(APIError) {
    guard let echo = unscored, let first = echo.tokens.first,
      prompt.tokens.map({ Int($0.token) }) == Array(echo.tokens.dropFirst())
    else { throw .internalFailure("the engine scored another prompt than it was asked to") }
    unscored = nil
    logprobs.append(TokenLogprob(bytes: served.bytes(Int32(first)), logprob: nil, width: echo.widths[0]))
    for (token, width) in zip(prompt.tokens, echo.widths.dropFirst()) {
      guard let logprob = served.logprob(token, width: width) else {
        throw .internalFailure("the engine told no log-probability of token \(token.token) of the prompt")
      }
      logprobs.append(logprob)
    }
    text = echo.text
    if prompt.finish != nil { finish = .length }
  }

  mutating func push(_ token: TokenFeed.Token) throws(APIError) {
    guard unscored == nil else { throw .internalFailure("the engine went on without having scored the prompt") }
    tokenCount += 1
    let isEnd = token.finish == .stop && stopTokens.contains(token.sampled.token)
    let piece = stream.push(token.sampled.token, isLast: token.finish != nil, isEnd: isEnd)
    if let logprob = served.logprob(token.sampled, width: piece.width) { logprobs.append(logprob) }
    text += piece.text
    finish = token.finish(piece)
  }

  /// All so far.
  func choice(wantsLogprobs: Bool) -> CompletionResponse.Choice {
    .init(index: index, text: text, finishReason: finish, logprobs: wantsLogprobs ? logprobs : nil)
  }

  /// What has come since the last call; nil for nothing.
  mutating func takeChunk(wantsLogprobs: Bool) -> CompletionResponse.Choice? {
    guard !text.isEmpty || finish != nil else { return nil }
    defer {
      textOffset += logprobs.width
      (text, logprobs) = ("", [])
    }
    return .init(
      index: index, text: text, finishReason: finish, logprobs: wantsLogprobs ? logprobs : nil, textOffset: textOffset)
  }
}
