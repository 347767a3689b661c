import Foundation
import Hummingbird
import JSON
import OpenAIProtocol
import Serving

/// `POST /v1/completions`.
extension Responder {
  func completion(_ request: Request, _ context: Context) async throws -> Response {
    let arrival = ContinuousClock.now
    let facts = try servingFacts()
    try coordinator.admission.check(slots: facts.sequences)
    let (completion, isCountAsked) = try await body(of: request) { body, limits in
      (try CompletionRequest(body, limits: limits), body["max_tokens"].map { !$0.isNull } ?? false)
    }
    try checkModel(completion.model)
    let submission = try await admit(
      completion.prompts.count * completion.choiceCount, isStreamed: completion.stream != nil, facts: facts, context)
    do {
      let (text, contextLength) = (coordinator.text, coordinator.contextLength ?? facts.maximumPositions)
      let plan = try await coordinator.pool.run {
        let plan = try CompletionPlan(
          completion, isCountAsked: isCountAsked, text: text, facts: facts, contextLength: contextLength)
        if !plan.needsNoEngine { submission.submit(try plan.tokenRequests(ids: submission.ids)) }
        return plan
      }
      let choices = (0..<plan.choiceCount).map { TextChoice(index: $0, plan: plan, text: text) }
      let promptTokens = choices.indices.map { plan.prompts[$0 / completion.choiceCount].tokens.count }
      var feed = TokenFeed(submission, promptTokens: promptTokens, metrics: coordinator.metrics, arrival: arrival)
      if plan.needsNoEngine { for index in choices.indices { feed.end(index) } }
      let header = ResponseHeader(
        id: coordinator.identifiers.completion(), created: Int(Date().timeIntervalSince1970), model: completion.model)
      if let stream = completion.stream {
        let frames = CompletionFrames(
          chunks: CompletionChunks(header: header, includesUsage: stream.includesUsage), feed: feed, choices: choices,
          plan: plan)
        return streamed(frames, submission, context, arrival: arrival)
      }
      let json = try await Self.collect(choices, feed, plan, header)
      submission.end()
      coordinator.metrics.count { $0.wholeRequest.record((.now - arrival).inSeconds) }
      return .json(json)
    } catch {
      submission.end()
      throw error
    }
  }

  private static func collect(
    _ choices: [TextChoice], _ feed: TokenFeed, _ plan: CompletionPlan, _ header: ResponseHeader
  ) async throws -> JSONValue {
    var (choices, feed) = (choices, feed)
    while let step = try await feed.next() {
      switch step {
      case .idle: break
      case .prompt(let prompt): try choices[prompt.index].push(prompt)
      case .tokens(let tokens):
        for token in tokens where choices[token.index].finish == nil {
          try choices[token.index].push(token)
          if choices[token.index].finish != nil { feed.end(token.index) }
        }
      }
    }
    let answers = choices.map { $0.choice(wantsLogprobs: plan.request.logprobs != nil) }
    return CompletionResponse(
      header: header, choices: answers, usage: Usage(choices, plan: plan, cached: feed.cachedTokens)
    ).json
  }
}

extension Usage {
  /// A prompt that is continued several times counts once.
  init(_ choices: [TextChoice], plan: CompletionPlan, cached: [Int]) {
    var cachedTokens = 0
    for first in stride(from: 0, to: cached.count, by: plan.request.choiceCount) {
      cachedTokens += cached[first..<min(first + plan.request.choiceCount, cached.count)].max() ?? 0
    }
    self.init(
      promptTokens: plan.promptTokens, completionTokens: choices.reduce(0) { $0 + $1.tokenCount },
      cachedTokens: cachedTokens)
  }
}

/// The frames of a streamed text completion.
struct CompletionFrames: FrameSource {
  let chunks: CompletionChunks
  var feed: TokenFeed
  var choices: [TextChoice]
  let plan: CompletionPlan
  private var hasBegun = false
  private var hasToldUsage = false

  init(chunks: CompletionChunks, feed: TokenFeed, choices: [TextChoice], plan: CompletionPlan) {
    (self.chunks, self.feed, self.choices, self.plan) = (chunks, feed, choices, plan)
  }

  mutating func next() async throws -> String? {
    if !hasBegun {
      // What is echoed.
      hasBegun = true
      var frames = ""
      for index in choices.indices { addChunk(index, to: &frames) }
      if !frames.isEmpty { return frames }
    }
    switch try await feed.next() {
    case .idle: return ServerSentEvents.keepAlive
    case .prompt(let prompt):
      var frames = ""
      try choices[prompt.index].push(prompt)
      addChunk(prompt.index, to: &frames)
      return frames
    case .tokens(let tokens):
      var frames = ""
      for token in tokens where choices[token.index].finish == nil {
        try choices[token.index].push(token)
        addChunk(token.index, to: &frames)
        if choices[token.index].finish != nil { feed.end(token.index) }
      }
      return frames
    case nil:
      guard chunks.includesUsage, !hasToldUsage else { return nil }
      hasToldUsage = true
      return ServerSentEvents.frame(chunks.usage(Usage(choices, plan: plan, cached: feed.cachedTokens)))
    }
  }

  private mutating func addChunk(_ index: Int, to frames: inout String) {
    guard let chunk = choices[index].takeChunk(wantsLogprobs: plan.request.logprobs != nil) else { return }
    frames += ServerSentEvents.frame(chunks.text(chunk))
  }
}
