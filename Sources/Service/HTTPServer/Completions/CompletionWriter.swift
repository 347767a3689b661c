import EngineAPI
import JSON
import OpenAIProtocol

/// `POST /v1/completions`.
extension CompletionRequest: GenerationCall {
  var sequenceCount: Int { prompts.count * choiceCount }
  var isStreamed: Bool { stream != nil }

  func plan(text: ServedText, facts: EngineFacts, contextLength: Int) throws(APIError) -> CompletionPlan {
    try CompletionPlan(self, text: text, facts: facts, contextLength: contextLength)
  }

  func writer(_ plan: CompletionPlan, _ scene: AnswerScene) -> CompletionWriter {
    CompletionWriter(plan, scene.header(id: scene.identifiers.completion()))
  }
}

extension CompletionPlan: GenerationPlan {
  var promptTokenCounts: [Int] { prompts.flatMap { Array(repeating: $0.tokens.count, count: request.choiceCount) } }

  func choice(_ index: Int, text: ServedText, identifiers: IdentifierSource) -> TextChoice {
    TextChoice(index: index, plan: self, text: text)
  }

  /// A prompt that is continued several times counts once.
  func usage(_ choices: [TextChoice], cached: [Int]) -> Usage {
    var cachedTokens = 0
    for first in stride(from: 0, to: cached.count, by: request.choiceCount) {
      cachedTokens += cached[first..<min(first + request.choiceCount, cached.count)].max() ?? 0
    }
    return Usage(
      promptTokens: promptTokens, completionTokens: choices.reduce(0) { $0 + $1.tokenCount },
      cachedTokens: cachedTokens)
  }
}

/// Writes a text completion's answer.
struct CompletionWriter: AnswerWriter {
  private let plan: CompletionPlan
  private let header: ResponseHeader
  private let options: StreamOptions
  private var chunks: CompletionChunks

  init(_ plan: CompletionPlan, _ header: ResponseHeader) {
    (self.plan, self.header, options) = (plan, header, plan.request.stream ?? StreamOptions())
    chunks = CompletionChunks(header: header, includesUsage: options.includesUsage)
  }

  private var wantsLogprobs: Bool { plan.request.logprobs != nil }

  /// What is echoed.
  mutating func begin(_ choices: inout [TextChoice]) -> String {
    var frames = ""
    for index in choices.indices { frames += self.frames((), index, &choices, cached: []) }
    return frames
  }

  mutating func frames(_: Void, _ index: Int, _ choices: inout [TextChoice], cached: [Int]) -> String {
    guard let chunk = choices[index].takeChunk(wantsLogprobs: wantsLogprobs) else { return "" }
    if options.continuesUsage { chunks.usageSoFar = plan.usage(choices, cached: cached) }
    return ServerSentEvents.frame(chunks.text(chunk))
  }

  mutating func end(_ choices: inout [TextChoice], cached: [Int]) -> String {
    let usage = options.includesUsage ? ServerSentEvents.frame(chunks.usage(plan.usage(choices, cached: cached))) : ""
    return usage + ServerSentEvents.done
  }

  mutating func whole(_ choices: inout [TextChoice], cached: [Int]) -> JSONValue {
    CompletionResponse(
      header: header, choices: choices.map { $0.choice(wantsLogprobs: wantsLogprobs) },
      usage: plan.usage(choices, cached: cached)
    ).json
  }
}
