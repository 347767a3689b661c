import JSON
import OpenAIProtocol

/// `POST /v1/chat/completions`.
extension ChatCompletionRequest: ChatCall {
  var chat: ChatCompletionRequest { self }
  var isStreamed: Bool { stream != nil }

  func writer(_ plan: ChatPlan, _ scene: AnswerScene) -> ChatWriter {
    ChatWriter(plan, scene.header(id: scene.identifiers.chatCompletion()))
  }
}

extension ChatPlan: GenerationPlan {
  var promptTokenCounts: [Int] { Array(repeating: prompt.count, count: request.choiceCount) }
  var countsReasoning: Bool { format.reasoningTags != nil || format.syntax == .harmony }

  func choice(_ index: Int, text: ServedText, identifiers: IdentifierSource) -> ChatChoice {
    ChatChoice(index: index, plan: self, text: text, identifiers: identifiers)
  }

  func usage(_ choices: [ChatChoice], cached: [Int]) -> Usage {
    Usage(
      promptTokens: prompt.count, completionTokens: choices.reduce(0) { $0 + $1.tokenCount },
      cachedTokens: cached.max() ?? 0,
      reasoningTokens: countsReasoning ? choices.reduce(0) { $0 + $1.reasoningCount } : nil)
  }
}

/// Writes a chat's answer.
struct ChatWriter: AnswerWriter {
  private let plan: ChatPlan
  private let header: ResponseHeader
  private let options: StreamOptions
  private var chunks: ChatCompletionChunks

  init(_ plan: ChatPlan, _ header: ResponseHeader) {
    (self.plan, self.header, options) = (plan, header, plan.request.stream ?? StreamOptions())
    chunks = ChatCompletionChunks(header: header, includesUsage: options.includesUsage)
  }

  mutating func begin(_ choices: inout [ChatChoice]) -> String { "" }

  mutating func frames(_ events: [ReplyEvent], _ index: Int, _ choices: inout [ChatChoice], cached: [Int]) -> String {
    if options.continuesUsage { chunks.usageSoFar = plan.usage(choices, cached: cached) }
    var frames = ""
    if choices[index].tokenCount == 1 { frames += ServerSentEvents.frame(chunks.first(index: index)) }
    for event in events {
      if let chunk = chunks.delta(index: index, event, logprobs: choices[index].takeLogprobs()) {
        frames += ServerSentEvents.frame(chunk)
      }
    }
    guard let finish = choices[index].finish else { return frames }
    let last = chunks.last(index: index, finish, logprobs: choices[index].takeLogprobs())
    return frames + ServerSentEvents.frame(last)
  }

  mutating func end(_ choices: inout [ChatChoice], cached: [Int]) -> String {
    let usage = options.includesUsage ? ServerSentEvents.frame(chunks.usage(plan.usage(choices, cached: cached))) : ""
    return usage + ServerSentEvents.done
  }

  mutating func whole(_ choices: inout [ChatChoice], cached: [Int]) -> JSONValue {
    var answers: [ChatCompletionResponse.Choice] = []
    for i in choices.indices {
      let logprobs = plan.request.wantsLogprobs ? choices[i].takeLogprobs() ?? [] : nil
      answers.append(
        .init(index: i, reply: choices[i].reply, finishReason: choices[i].finish ?? .length, logprobs: logprobs))
    }
    return ChatCompletionResponse(header: header, choices: answers, usage: plan.usage(choices, cached: cached)).json
  }
}
