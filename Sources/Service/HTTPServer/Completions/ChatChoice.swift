import EngineAPI
import ModelText
import OpenAIProtocol

/// One reply of a chat, as it comes.
struct ChatChoice: GeneratedChoice {
  let index: Int
  private(set) var reply = Reply()
  private(set) var tokenCount = 0
  private(set) var reasoningCount = 0
  private(set) var finish: OpenAIProtocol.FinishReason?
  /// Log-probabilities of tokens whose text is not given out yet.
  private var logprobs: [TokenLogprob] = []
  /// Log-probabilities of tokens that are content, and of those whose kind is not known yet.
  private(set) var contentLogprobs: [TokenLogprob] = []
  private var undecidedLogprobs: [TokenLogprob] = []
  private let text: ServedText
  private let stopTokens: Set<Int32>
  private var stream: TextStream
  private var parser: ReplyParser
  private var isReasoning: Bool
  /// Finds what closes the reasoning; nil once it has, and where there is none.
  private var closing: StopStrings?

  init(index: Int, plan: ChatPlan, text: ServedText, identifiers: IdentifierSource) {
    (self.index, self.text, stopTokens) = (index, text, plan.stopTokens)
    stream = TextStream(text.tokenizer, markers: Set(plan.format.markers), stops: plan.stops)
    parser = ReplyParser(
      format: plan.format, tools: plan.tools, startsInReasoning: plan.startsInReasoning,
      continuesReasoning: plan.request.continuesFinalMessage, callLimit: plan.callLimit,
      earlierCalls: plan.request.messages.callCount, identifiers: identifiers)
    isReasoning = plan.startsInReasoning
    closing = plan.format.reasoningTags.map { StopStrings([$0.close]) }
  }

  /// No chat asks for it.
  mutating func push(_: TokenFeed.ScoredPrompt) -> [ReplyEvent] { [] }

  mutating func push(_ token: TokenFeed.Token) -> [ReplyEvent] {
    tokenCount += 1
    if let logprob = text.logprob(token.sampled) {
      logprobs.append(logprob)
      undecidedLogprobs.append(logprob)
    }
    let isEnd = token.finish == .stop && stopTokens.contains(token.sampled.token)
    let piece = stream.push(token.sampled.token, isLast: token.finish != nil, isEnd: isEnd)
    var events = piece.text.isEmpty ? [] : parser.push(piece.text)
    if let finish = token.finish(piece) {
      events += parser.finish(isCutOff: finish != .stop)
      self.finish = finish == .stop && parser.hasToolCalls ? .toolCalls : finish
    } else if parser.isComplete {
      // As many calls as may be: what the model would go on with is not wanted.
      finish = .toolCalls
    }
    if !events.isEmpty {
      if events.contains(where: \.isContent) { contentLogprobs += undecidedLogprobs }
      undecidedLogprobs = []
    }
    for event in events {
      reply.add(event)
      if case .reasoning = event { isReasoning = true } else { isReasoning = false }
      if case .reasoningWasAnswer = event { reasoningCount = 0 }
    }
    if closing?.push(piece.text).isStopped ?? false { (isReasoning, closing) = (false, nil) }
    if isReasoning { reasoningCount += 1 }
    return events
  }

  /// The stop string that ended it; nil where something else did.
  var stopText: String? { stream.stopText }

  mutating func takeLogprobs() -> [TokenLogprob]? {
    defer { logprobs = [] }
    return logprobs.isEmpty ? nil : logprobs
  }
}
