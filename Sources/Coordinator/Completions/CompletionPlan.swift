import JSON
import OpenAIProtocol
import Serving
import StructuredOutput

/// A text completion's request, understood.
struct CompletionPlan: Sendable {
  struct Prompt: Sendable {
    var tokens: [Int32]
    /// What an echo begins with.
    var text: String
    var maxNewTokens: Int
  }

  let request: CompletionRequest
  let prompts: [Prompt]
  let stopTokens: Set<Int32>
  let grammar: JSONValue?

  var choiceCount: Int { prompts.count * request.choiceCount }
  /// Only the prompt is to be measured, and shown.
  var needsNoTokens: Bool { request.maxTokens == 0 }

  /// `isCountAsked`: the request says how many tokens it wants. Takes time in proportion to the prompts.
  init(
    _ request: CompletionRequest, isCountAsked: Bool, text: ServedText, facts: EngineFacts, contextLength: Int
  ) throws(APIError) {
    self.request = request
    if request.echoes, request.logprobs != nil {
      throw .invalidRequest(
        "'echo' cannot be combined with 'logprobs': log-probabilities of prompts are not computed", param: "logprobs",
        code: "unsupported_parameter")
    }
    var prompts: [Prompt] = []
    for prompt in request.prompts {
      let tokens: [Int]
      var echo = ""
      switch prompt {
      case .text(let string):
        tokens = try text.encode(string, addSpecialTokens: true)
        echo = string
      case .tokens(let ids):
        tokens = ids
        if request.echoes { echo = try text.decode(ids) }
      }
      guard !tokens.isEmpty else {
        throw .invalidRequest("'prompt' has no tokens: there is nothing to continue", param: "prompt")
      }
      let room = TokenRoom(promptCount: tokens.count, contextLength: contextLength, param: "prompt")
      let asked =
        isCountAsked ? request.maxTokens : min(request.maxTokens, try room.maxNewTokens(asked: nil))
      let count = request.maxTokens == 0 ? 0 : try room.maxNewTokens(asked: asked)
      prompts.append(Prompt(tokens: tokens.map { Int32($0) }, text: request.echoes ? echo : "", maxNewTokens: count))
    }
    self.prompts = prompts
    stopTokens = request.ignoresEndOfText ? [] : text.stopTokens
    let grammar = OutputGrammar.of(request.responseFormat)
    try grammar?.check(text: text, facts: facts, param: "response_format")
    self.grammar = grammar?.json
  }

  var promptTokens: Int { prompts.reduce(0) { $0 + $1.tokens.count } }

  func tokenRequests(ids: Range<Int>) throws(APIError) -> [TokenRequest] {
    var requests: [TokenRequest] = []
    for (index, id) in ids.enumerated() {
      let (prompt, choice) = (prompts[index / request.choiceCount], index % request.choiceCount)
      var token = TokenRequest(
        id: RequestID(id), prompt: prompt.tokens, maxNewTokens: prompt.maxNewTokens)
      token.sampling = try SamplingParameters(request.sampling, choice: choice)
      token.logitBias = request.sampling.tokenBias
      token.stopTokens = stopTokens
      token.topLogprobs = request.logprobs
      token.grammar = grammar
      requests.append(token)
    }
    return requests
  }
}

/// One continuation, as it comes.
struct TextChoice: Sendable {
  let index: Int
  private(set) var text: String
  private(set) var tokenCount = 0
  private(set) var finish: OpenAIProtocol.FinishReason?
  private(set) var logprobs: [TokenLogprob] = []
  private let served: ServedText
  private let stopTokens: Set<Int32>
  private var stream: TextStream
  private var textOffset = 0

  init(index: Int, plan: CompletionPlan, text: ServedText) {
    (self.index, served, stopTokens) = (index, text, plan.stopTokens)
    self.text = plan.prompts[index / plan.request.choiceCount].text
    stream = TextStream(text, stop: plan.request.stop)
    if plan.needsNoTokens { finish = .length }
  }

  /// What a token adds. Nothing may be pushed once `finish` is set.
  mutating func push(_ token: TokenFeed.Token) {
    tokenCount += 1
    if let logprob = served.logprob(token.drawn) { logprobs.append(logprob) }
    let isEnd = token.finish == .stop && stopTokens.contains(token.drawn.token)
    let piece = stream.push(token.drawn.token, finish: token.finish, isEnd: isEnd)
    text += piece.text
    finish = piece.finish
  }

  /// All so far.
  func choice(wantsLogprobs: Bool) -> CompletionResponse.Choice {
    .init(index: index, text: text, finishReason: finish, logprobs: wantsLogprobs ? logprobs : nil)
  }

  /// What has come since the last call; nil for nothing.
  mutating func takeChunk(wantsLogprobs: Bool) -> CompletionResponse.Choice? {
    guard !text.isEmpty || finish != nil else { return nil }
    defer {
      textOffset += logprobs.scalarCount
      (text, logprobs) = ("", [])
    }
    return .init(
      index: index, text: text, finishReason: finish, logprobs: wantsLogprobs ? logprobs : nil, textOffset: textOffset)
  }
}
