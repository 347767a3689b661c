import EngineAPI
import JSON
import ModelText
import OpenAIProtocol
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

  /// Takes time in proportion to the prompts.
  init(_ request: CompletionRequest, text: ServedText, facts: EngineFacts, contextLength: Int) throws(APIError) {
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
      let room = TokenRoom(
        promptCount: tokens.count, contextLength: contextLength, modelLength: facts.maximumPositions, param: "prompt")
      let count: Int
      if request.maxTokens == 0 {
        try room.checkPrompt()
        count = 0
      } else {
        let asked =
          request.isMaxTokensGiven ? request.maxTokens : min(request.maxTokens, try room.maxNewTokens(asked: nil))
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
          """
          'echo' with 'logprobs' = \(alternatives) would tell \(scores) log-probabilities of 'prompt', more than \
          \(Self.scoreLimit): lower 'logprobs' or 'n', or send less at a time
          """, param: "logprobs")
      }
    }
    self.prompts = prompts
    stopTokens = (request.ignoresEndOfText ? [] : text.stopTokens).union(request.stopTokens.map { Int32($0) })
    let grammar = OutputGrammar.of(request.responseFormat)
    try grammar?.check(text: text, facts: facts, param: "response_format")
    self.grammar = grammar?.json
  }

  var promptTokens: Int { prompts.reduce(0) { $0 + $1.tokens.count } }

  func tokenRequests(ids: Range<Int>) throws(APIError) -> [TokenRequest] {
    var requests: [TokenRequest] = []
    if needsNoEngine { return requests }
    for (index, id) in ids.enumerated() {
      let (prompt, choice) = (prompts[index / request.choiceCount], index % request.choiceCount)
      var token = TokenRequest(id: RequestID(id), prompt: prompt.tokens, maxNewTokens: prompt.maxNewTokens)
      token.sampling = try request.sampling.parameters(choice: choice)
      token.logitBias = request.sampling.tokenBias
      token.stopTokens = stopTokens
      token.details.topLogprobs = request.logprobs
      token.promptLogprobs = scoresPrompts ? request.logprobs : nil
      token.grammar = grammar
      requests.append(token)
    }
    return requests
  }
}
