import JSON
import OpenAIProtocol
import Prompts
import Serving
import StructuredOutput

/// A text completion's request, understood.
struct CompletionPlan: Sendable {
  struct Prompt: Sendable {
    var tokens: [Int32]
    /// What the answer begins with; nil where it begins with its own tokens.
    var echo: EchoedPrompt?
    var maxNewTokens: Int
  }

  /// Most bytes of prompts that an answer repeats, over all choices.
  static let echoByteLimit = 16 << 20
  /// Most log-probabilities of prompts in an answer, alternatives among them.
  static let scoreLimit = 1 << 20

  let request: CompletionRequest
  let prompts: [Prompt]
  let stopTokens: Set<Int32>
  let stops: StopStrings
  let grammar: JSONValue?

  var choiceCount: Int { prompts.count * request.choiceCount }
  /// The answer tells how probable the prompts are.
  var scoresPrompts: Bool { request.echoes && request.logprobs != nil }
  /// Only the prompts' tokens are to be counted, and shown.
  var needsNoEngine: Bool { request.maxTokens == 0 && !scoresPrompts }

  /// `isCountAsked`: the request says how many tokens it wants. Takes time in proportion to the prompts.
  init(
    _ request: CompletionRequest, isCountAsked: Bool, text: ServedText, facts: EngineFacts, contextLength: Int
  ) throws(APIError) {
    self.request = request
    stops = StopStrings(request.stop)
    var prompts: [Prompt] = []
    var echoedBytes = 0
    for prompt in request.prompts {
      let (tokens, string): ([Int], String?)
      switch prompt {
      case .text(let given): (tokens, string) = (try text.encode(given, addSpecialTokens: true), given)
      case .tokens(let ids): (tokens, string) = (ids, nil)
      }
      guard !tokens.isEmpty else {
        throw .invalidRequest("'prompt' has no tokens: there is nothing to continue", param: "prompt")
      }
      let room = TokenRoom(promptCount: tokens.count, contextLength: contextLength, param: "prompt")
      let count: Int
      if request.maxTokens == 0 {
        try room.checkPrompt()
        count = 0
      } else {
        let asked = isCountAsked ? request.maxTokens : min(request.maxTokens, try room.maxNewTokens(asked: nil))
        count = try room.maxNewTokens(asked: asked)
      }
      let echo = request.echoes ? try EchoedPrompt(tokens, of: string, tokenizer: text.tokenizer) : nil
      echoedBytes += (echo?.text.utf8.count ?? 0) * request.choiceCount
      guard echoedBytes <= Self.echoByteLimit else {
        throw .invalidRequest(
          "'echo' with 'n' = \(request.choiceCount) would repeat more than \(Self.echoByteLimit) bytes of 'prompt': "
            + "lower 'n', send less at a time, or leave 'echo' out", param: "echo")
      }
      prompts.append(Prompt(tokens: tokens.map { Int32($0) }, echo: echo, maxNewTokens: count))
    }
    if request.echoes, let alternatives = request.logprobs {
      let scores = prompts.reduce(0) { $0 + $1.tokens.count } * request.choiceCount * (1 + alternatives)
      guard scores <= Self.scoreLimit else {
        throw .invalidRequest(
          "'echo' with 'logprobs' = \(alternatives) would tell \(scores) log-probabilities of 'prompt', more than \(Self.scoreLimit): "
            + "lower 'logprobs' or 'n', or send less at a time", param: "logprobs")
      }
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
      token.promptLogprobs = scoresPrompts ? request.logprobs : nil
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
  /// What the text begins with, once the engine has told how probable it is; nil where nothing is waited for.
  private var unscored: EchoedPrompt?

  init(index: Int, plan: CompletionPlan, text: ServedText) {
    (self.index, served, stopTokens) = (index, text, plan.stopTokens)
    let echo = plan.prompts[index / plan.request.choiceCount].echo
    unscored = plan.scoresPrompts ? echo : nil
    self.text = plan.scoresPrompts ? "" : echo?.text ?? ""
    stream = TextStream(text, stops: plan.stops)
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

  /// What a token adds. Nothing may be pushed once `finish` is set.
  mutating func push(_ token: TokenFeed.Token) throws(APIError) {
    guard unscored == nil else { throw .internalFailure("the engine went on without having scored the prompt") }
    tokenCount += 1
    let isEnd = token.finish == .stop && stopTokens.contains(token.drawn.token)
    let piece = stream.push(token.drawn.token, finish: token.finish, isEnd: isEnd)
    if let logprob = served.logprob(token.drawn, width: piece.width) { logprobs.append(logprob) }
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
      textOffset += logprobs.width
      (text, logprobs) = ("", [])
    }
    return .init(
      index: index, text: text, finishReason: finish, logprobs: wantsLogprobs ? logprobs : nil, textOffset: textOffset)
  }
}
