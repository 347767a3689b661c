import EngineAPI
import JSON
import OpenAIProtocol

/// A request that generates text, as its endpoint reads it: from its body to what writes its answer.
///
/// Every endpoint goes the same way: the body is read, a plan is made of it, the plan's sequences are submitted, their
/// tokens become choices, and a writer makes the endpoint's answer of those.
protocol GenerationCall: Sendable {
  associatedtype Plan: GenerationPlan
  associatedtype Writer: AnswerWriter where Writer.Choice == Plan.Choice

  /// `defaults`: what holds where the body says nothing of how tokens are sampled.
  init(_ body: JSONValue, limits: RequestLimits, defaults: SamplingOptions) throws(APIError)
  /// Nil means the model that is served.
  var model: String? { get }
  var sequenceCount: Int { get }
  var isStreamed: Bool { get }
  /// Takes time in proportion to the prompts. Throws refusals.
  func plan(text: ServedText, facts: EngineFacts, contextLength: Int) throws(APIError) -> Plan
  func writer(_ plan: Plan, _ scene: AnswerScene) -> Writer
}

/// A request, understood: what the engine is to continue, and how its tokens are read.
protocol GenerationPlan: Sendable {
  associatedtype Choice: GeneratedChoice

  /// How many tokens the prompt of each sequence has.
  var promptTokenCounts: [Int] { get }
  /// The sequences; none where the engine is not needed.
  func tokenRequests(ids: Range<Int>) throws(APIError) -> [TokenRequest]
  func choice(_ index: Int, text: ServedText, identifiers: IdentifierSource) -> Choice
}

/// One continuation, as it comes.
protocol GeneratedChoice: Sendable {
  /// What a token adds.
  associatedtype Piece

  var tokenCount: Int { get }
  /// Nil while it goes on. Nothing may be pushed once it is set.
  var finish: OpenAIProtocol.FinishReason? { get }
  mutating func push(_ token: TokenFeed.Token) throws(APIError) -> Piece
  /// The prompt, which comes before all tokens, where it was to be scored.
  mutating func push(_ prompt: TokenFeed.ScoredPrompt) throws(APIError) -> Piece
}

/// What all answers tell: when they were made, by which model, and with ids from where.
struct AnswerScene: Sendable {
  let identifiers: IdentifierSource
  /// Seconds since 1970.
  let created: Int
  let model: String

  func header(id: String) -> ResponseHeader { ResponseHeader(id: id, created: created, model: model) }
}

/// Writes the answer of one endpoint: whole, or as the frames of a stream.
protocol AnswerWriter: Sendable {
  associatedtype Choice: GeneratedChoice

  /// Shows that a stream lives.
  var keepAlive: String { get }
  /// What a stream begins with, before there are tokens.
  mutating func begin(_ choices: inout [Choice]) -> String
  /// The frames for a piece of the choice with this index. `cached`: prompt tokens found in the cache, by choice.
  mutating func frames(_ piece: Choice.Piece, _ index: Int, _ choices: inout [Choice], cached: [Int]) -> String
  /// What a stream ends with that went well.
  mutating func end(_ choices: inout [Choice], cached: [Int]) -> String
  /// What a stream ends with that failed.
  mutating func failure(_ error: APIError) -> String
  /// The body of an answer that is not streamed.
  mutating func whole(_ choices: inout [Choice], cached: [Int]) -> JSONValue
}

extension AnswerWriter {
  var keepAlive: String { ServerSentEvents.keepAlive }
  mutating func failure(_ error: APIError) -> String { ServerSentEvents.failure(error) }
}

/// A request whose answer is that of a chat, however its endpoint spells both.
protocol ChatCall: GenerationCall where Plan == ChatPlan {
  var chat: ChatCompletionRequest { get }
}

extension ChatCall {
  var model: String? { chat.model }
  var sequenceCount: Int { chat.choiceCount }

  func plan(text: ServedText, facts: EngineFacts, contextLength: Int) throws(APIError) -> ChatPlan {
    try ChatPlan(chat, text: text, facts: facts, contextLength: contextLength)
  }
}

/// A request's choices in progress, and the writer of its answer.
struct Generation<Writer: AnswerWriter>: Sendable {
  private(set) var feed: TokenFeed
  private(set) var choices: [Writer.Choice]
  private(set) var writer: Writer
  private var hasBegun = false

  init(feed: TokenFeed, choices: [Writer.Choice], writer: Writer) {
    (self.feed, self.choices, self.writer) = (feed, choices, writer)
    for index in choices.indices where choices[index].finish != nil { self.feed.end(index) }
  }

  /// What a stream sends next, which may be nothing; `isLast`: it is complete with it.
  mutating func next() async throws -> (frames: String, isLast: Bool) {
    if !hasBegun {
      hasBegun = true
      let frames = writer.begin(&choices)
      if !frames.isEmpty { return (frames, false) }
    }
    guard let step = try await feed.next() else { return (writer.end(&choices, cached: feed.cachedTokens), true) }
    var frames = ""
    switch step {
    case .idle: return (writer.keepAlive, false)
    case .prompt(let prompt):
      let piece = try choices[prompt.index].push(prompt)
      frames = writer.frames(piece, prompt.index, &choices, cached: feed.cachedTokens)
    case .tokens(let tokens):
      for token in tokens where choices[token.index].finish == nil {
        let piece = try choices[token.index].push(token)
        frames += writer.frames(piece, token.index, &choices, cached: feed.cachedTokens)
        if choices[token.index].finish != nil { feed.end(token.index) }
      }
    }
    return (frames, false)
  }

  /// What a stream sends last that fails.
  mutating func failure(_ error: APIError) -> String { writer.failure(error) }

  /// The answer, once all of it is there.
  mutating func whole() async throws -> JSONValue {
    while let step = try await feed.next() {
      switch step {
      case .idle: break
      case .prompt(let prompt): _ = try choices[prompt.index].push(prompt)
      case .tokens(let tokens):
        for token in tokens where choices[token.index].finish == nil {
          _ = try choices[token.index].push(token)
          if choices[token.index].finish != nil { feed.end(token.index) }
        }
      }
    }
    return writer.whole(&choices, cached: feed.cachedTokens)
  }
}
