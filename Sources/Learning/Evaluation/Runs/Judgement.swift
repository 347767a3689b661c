/// What a judge says of a task's replies.
package struct Judgement: Sendable, Equatable {
  /// One of each reply; none where there was nothing to judge.
  package private(set) var verdicts: [Verdict?]
  /// Why the judge said nothing of any.
  package private(set) var failure: String?

  /// Tokens that a judge may write.
  private static let tokenLimit = 1024

  /// What a judge is asked, of `prompts` (`TaskRun.judgements`): those that are there, in their order.
  package static func calls(_ prompts: [String?]) -> [ModelCall] {
    var settings = GenerationSettings()
    settings.maxNewTokens = tokenLimit
    return prompts.compactMap { $0 }.map { .generate(prompt: $0, settings: settings, seed: 0) }
  }

  /// `said`: replies in the order of `calls`. Where one failed, what was to be judged is unscored.
  package init(_ prompts: [String?], said: [ModelReply]) {
    verdicts = Array(repeating: nil, count: prompts.count)
    let places = prompts.indices.filter { prompts[$0] != nil }
    var failures: [String] = []
    for (place, reply) in zip(places, said) {
      switch reply {
      case .text(let text, _, let isCut, _): verdicts[place] = JudgeRubric.verdict(of: Answer(text, isCut: isCut))
      case .failed(let reason):
        verdicts[place] = Verdict(.unscored, rule: "the judge failed: \(reason)")
        failures.append(reason)
      case .scores, .measure: break
      }
    }
    if failures.count == places.count { failure = failures.first }
  }

  /// Of a judge that could not be asked at all.
  package init(_ prompts: [String?], failed reason: String) {
    self.init(prompts, said: Self.calls(prompts).map { _ in .failed(reason) })
  }
}
