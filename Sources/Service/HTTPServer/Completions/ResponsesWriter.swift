import JSON
import OpenAIProtocol

/// `POST /v1/responses`.
extension ResponsesRequest: ChatCall {
  func writer(_ plan: ChatPlan, _ scene: AnswerScene) -> ResponsesWriter {
    ResponsesWriter(
      plan, ResponsesAnswer(header: scene.header(id: scene.identifiers.response()), request: self), scene.identifiers)
  }
}

/// Writes a response's answer.
struct ResponsesWriter: AnswerWriter {
  private let plan: ChatPlan
  private let answer: ResponsesAnswer
  private let identifiers: IdentifierSource
  private var stream: ResponsesStream

  init(_ plan: ChatPlan, _ answer: ResponsesAnswer, _ identifiers: IdentifierSource) {
    (self.plan, self.answer, self.identifiers) = (plan, answer, identifiers)
    stream = ResponsesStream(answer, identifiers: identifiers)
  }

  mutating func begin(_ choices: inout [ChatChoice]) -> String { stream.begin() }

  mutating func frames(_ events: [ReplyEvent], _ index: Int, _ choices: inout [ChatChoice], cached: [Int]) -> String {
    var frames = ""
    for event in events { frames += stream.frames(for: event, logprobs: choices[index].takeLogprobs() ?? []) }
    return frames
  }

  mutating func end(_ choices: inout [ChatChoice], cached: [Int]) -> String {
    stream.end(choices.first?.finish ?? .length, usage: plan.usage(choices, cached: cached))
  }

  mutating func failure(_ error: APIError) -> String { stream.failure(error) }

  mutating func whole(_ choices: inout [ChatChoice], cached: [Int]) -> JSONValue {
    let finish = choices.first?.finish ?? .length
    let items = answer.items(
      of: choices.first?.reply ?? Reply(), finish: finish, logprobs: choices.first?.contentLogprobs ?? [],
      identifiers: identifiers)
    return answer.json(output: items, finish: finish, usage: plan.usage(choices, cached: cached))
  }
}
