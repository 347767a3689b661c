import Foundation
import Hummingbird
import JSON
import OpenAIProtocol
import Serving

/// `POST /v1/chat/completions`.
extension Responder {
  func chatCompletion(_ request: Request, _ context: Context) async throws -> Response {
    let arrival = ContinuousClock.now
    let facts = try servingFacts()
    try coordinator.admission.check(slots: facts.sequences)
    let chat = try await body(of: request) { try ChatCompletionRequest($0, limits: $1) }
    try checkModel(chat.model)
    let submission = try await admit(chat.choiceCount, isStreamed: chat.stream != nil, facts: facts, context)
    do {
      let (text, contextLength) = (coordinator.text, coordinator.contextLength ?? facts.maximumPositions)
      let plan = try await coordinator.pool.run {
        let plan = try ChatPlan(chat, text: text, facts: facts, contextLength: contextLength)
        submission.submit(try plan.tokenRequests(ids: submission.ids))
        return plan
      }
      let choices = (0..<chat.choiceCount).map {
        ChatChoice(index: $0, plan: plan, text: text, identifiers: coordinator.identifiers)
      }
      let promptTokens = Array(repeating: plan.prompt.count, count: chat.choiceCount)
      let feed = TokenFeed(submission, promptTokens: promptTokens, metrics: coordinator.metrics, arrival: arrival)
      let header = ResponseHeader(
        id: coordinator.identifiers.chatCompletion(), created: Int(Date().timeIntervalSince1970), model: chat.model)
      if let stream = chat.stream {
        let frames = ChatFrames(
          chunks: ChatCompletionChunks(header: header, includesUsage: stream.includesUsage), feed: feed,
          choices: choices, promptTokens: plan.prompt.count, countsReasoning: plan.countsReasoning)
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
    _ choices: [ChatChoice], _ feed: TokenFeed, _ plan: ChatPlan, _ header: ResponseHeader
  ) async throws -> JSONValue {
    var (choices, feed) = (choices, feed)
    while let step = try await feed.next() {
      guard case .tokens(let tokens) = step else { continue }
      for token in tokens where choices[token.index].finish == nil {
        _ = choices[token.index].push(token)
        if choices[token.index].finish != nil { feed.end(token.index) }
      }
    }
    let answers = choices.indices.map { i in
      let logprobs = plan.request.wantsLogprobs ? choices[i].takeLogprobs() ?? [] : nil
      return ChatCompletionResponse.Choice(
        index: i, reply: choices[i].reply, finishReason: choices[i].finish ?? .length, logprobs: logprobs)
    }
    let usage = Usage(
      choices, promptTokens: plan.prompt.count, cached: feed.cachedTokens, countsReasoning: plan.countsReasoning)
    return ChatCompletionResponse(header: header, choices: answers, usage: usage).json
  }
}

extension ChatPlan {
  var countsReasoning: Bool { format.reasoningTags != nil || format.syntax == .harmony }
}

extension Usage {
  init(_ choices: [ChatChoice], promptTokens: Int, cached: [Int], countsReasoning: Bool) {
    self.init(
      promptTokens: promptTokens, completionTokens: choices.reduce(0) { $0 + $1.tokenCount },
      cachedTokens: cached.max() ?? 0,
      reasoningTokens: countsReasoning ? choices.reduce(0) { $0 + $1.reasoningCount } : nil)
  }
}

/// The frames of a streamed chat.
struct ChatFrames: FrameSource {
  let chunks: ChatCompletionChunks
  var feed: TokenFeed
  var choices: [ChatChoice]
  let promptTokens: Int
  let countsReasoning: Bool
  private var hasToldUsage = false

  init(
    chunks: ChatCompletionChunks, feed: TokenFeed, choices: [ChatChoice], promptTokens: Int, countsReasoning: Bool
  ) {
    (self.chunks, self.feed, self.choices) = (chunks, feed, choices)
    (self.promptTokens, self.countsReasoning) = (promptTokens, countsReasoning)
  }

  mutating func next() async throws -> String? {
    switch try await feed.next() {
    case .idle: return ServerSentEvents.keepAlive
    // No chat asks for it.
    case .prompt: return ""
    case .tokens(let tokens):
      var frames = ""
      for token in tokens { add(token, to: &frames) }
      return frames
    case nil:
      guard chunks.includesUsage, !hasToldUsage else { return nil }
      hasToldUsage = true
      let usage = Usage(
        choices, promptTokens: promptTokens, cached: feed.cachedTokens, countsReasoning: countsReasoning)
      return ServerSentEvents.frame(chunks.usage(usage))
    }
  }

  private mutating func add(_ token: TokenFeed.Token, to frames: inout String) {
    let index = token.index
    guard choices[index].finish == nil else { return }
    if choices[index].tokenCount == 0 { frames += ServerSentEvents.frame(chunks.first(index: index)) }
    let events = choices[index].push(token)
    for event in events {
      if let chunk = chunks.delta(index: index, event, logprobs: choices[index].takeLogprobs()) {
        frames += ServerSentEvents.frame(chunk)
      }
    }
    guard let finish = choices[index].finish else { return }
    frames += ServerSentEvents.frame(chunks.last(index: index, finish, logprobs: choices[index].takeLogprobs()))
    feed.end(index)
  }
}
