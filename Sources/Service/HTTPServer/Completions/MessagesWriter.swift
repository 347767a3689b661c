import JSON
import OpenAIProtocol

/// `POST /v1/messages`.
extension MessagesRequest: ChatCall {
  func writer(_ plan: ChatPlan, _ scene: AnswerScene) -> MessagesWriter {
    MessagesWriter(
      plan, MessagesAnswer(header: scene.header(id: scene.identifiers.message()), showsThinking: showsThinking))
  }
}

/// Writes a message's answer.
struct MessagesWriter: AnswerWriter {
  private let plan: ChatPlan
  private let answer: MessagesAnswer
  private var stream: MessagesStream
  private var hasBegun = false

  init(_ plan: ChatPlan, _ answer: MessagesAnswer) {
    (self.plan, self.answer, stream) = (plan, answer, MessagesStream(answer))
  }

  /// Pings come between the events of a message.
  var keepAlive: String { hasBegun ? MessagesStream.ping : ServerSentEvents.keepAlive }

  /// The message begins with its first token, when it is known how much of the prompt was cached.
  mutating func begin(_ choices: inout [ChatChoice]) -> String { "" }

  mutating func frames(_ events: [ReplyEvent], _ index: Int, _ choices: inout [ChatChoice], cached: [Int]) -> String {
    var frames = beginOnce(choices, cached)
    for event in events { frames += stream.frames(for: event) }
    return frames
  }

  mutating func end(_ choices: inout [ChatChoice], cached: [Int]) -> String {
    let begin = beginOnce(choices, cached)
    return begin
      + stream.end(
        choices.first?.finish ?? .length, stopText: choices.first?.stopText, usage: plan.usage(choices, cached: cached))
  }

  mutating func failure(_ error: APIError) -> String { stream.failure(error) }

  mutating func whole(_ choices: inout [ChatChoice], cached: [Int]) -> JSONValue {
    answer.json(
      choices.first?.reply ?? Reply(), finish: choices.first?.finish ?? .length, stopText: choices.first?.stopText,
      usage: plan.usage(choices, cached: cached))
  }

  private mutating func beginOnce(_ choices: [ChatChoice], _ cached: [Int]) -> String {
    if hasBegun { return "" }
    hasBegun = true
    return stream.begin(usage: plan.usage(choices, cached: cached))
  }
}
