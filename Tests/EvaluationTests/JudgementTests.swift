import Testing

@testable import Evaluation

/// What a judge says of replies.
@Suite struct JudgementTests {
  private let prompts: [String?] = ["a?", nil, "c?"]

  private func said(_ text: String) -> ModelReply { .text(text, tokenCount: 4, isCut: false, logprob: nil) }

  @Test func onlyWhatThereIsToJudgeIsAsked() {
    let asked = Judgement.calls(prompts).map { call -> String in
      if case .generate(let prompt, let settings, _) = call, settings.maxNewTokens > 0 { prompt } else { "" }
    }
    #expect(asked == ["a?", "c?"])
  }

  @Test func verdictsGoToTheRepliesTheyAreOf() {
    let judgement = Judgement(prompts, said: [said("VERDICT: RIGHT"), said("VERDICT: WRONG")])
    #expect(judgement.verdicts.map { $0?.outcome } == [.right, nil, .wrong] && judgement.failure == nil)
  }

  @Test func whatFailsIsUnscoredAndOneThatAnswersIsEnough() {
    let judgement = Judgement(prompts, said: [.failed("no connection"), said("VERDICT: NO ANSWER")])
    #expect(judgement.verdicts.map { $0?.outcome } == [.unscored, nil, .noAnswer] && judgement.failure == nil)
    #expect(judgement.verdicts[0]?.rule == "the judge failed: no connection")
  }

  @Test func aJudgeThatFailsOfAllSaysWhy() {
    let judgement = Judgement(prompts, failed: "interrupted")
    #expect(judgement.verdicts.map { $0?.outcome } == [.unscored, nil, .unscored])
    #expect(judgement.failure == "interrupted" && Judgement([nil], failed: "x").failure == nil)
  }
}
