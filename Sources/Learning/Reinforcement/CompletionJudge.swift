import Fabric
import ModelText
import Rewards
import Tokenization

/// Has rank 0 say what completions are worth, and tells all ranks.
package struct CompletionJudge {
  private let rules: RewardRules
  private let codec: TextCodec
  private let stopTokens: Set<Int32>
  private let communicator: any Communicator

  package init(_ rules: RewardRules, codec: TextCodec, stopTokens: Set<Int32>, on communicator: any Communicator) {
    (self.rules, self.codec, self.stopTokens, self.communicator) = (rules, codec, stopTokens, communicator)
  }

  /// The verdict on each completion, whose prompt stands at the same place. Collective; fails on all ranks together.
  package func verdicts(
    _ completions: [Completion], prompts: [PolicyPrompts.Prompt], tokenLimit: Int
  ) throws -> [RewardVerdict] {
    var bytes = try agree(on: communicator) { () -> [UInt8] in
      guard communicator.isRoot else { return [] }
      var samples: [RewardedSample] = []
      for (completion, prompt) in zip(completions, prompts) {
        samples.append(try sample(completion, prompt, tokenLimit: tokenLimit))
      }
      return VerdictMessage.encode(try rules.verdicts(samples))
    }
    try communicator.broadcast(&bytes, from: Rank(0), limit: 1 << 30)
    return try VerdictMessage.decode(bytes, count: completions.count)
  }

  /// What the rules are told of a completion that might have `tokenLimit` tokens.
  package func sample(
    _ completion: Completion, _ prompt: PolicyPrompts.Prompt, tokenLimit: Int
  ) throws -> RewardedSample {
    RewardedSample(
      prompt: prompt.rewarded, promptText: prompt.text, completion: try text(of: completion),
      tokenCount: completion.tokens.count, tokenLimit: tokenLimit, isCut: completion.isCut)
  }

  /// All that was written, special tokens visible, without the token that ended it. Heads have more rows than a
  /// tokenizer has tokens, and a model that knows little samples them: each is U+FFFD.
  package func text(of completion: Completion) throws -> String {
    var ids = completion.tokens.map { Int($0) }
    if let last = completion.tokens.last, stopTokens.contains(last) { ids.removeLast() }
    let tokenizer = try codec.tokenizer()
    var text = ""
    for run in ids.split(omittingEmptySubsequences: false, whereSeparator: { tokenizer.token($0) == nil }) {
      if run.startIndex > ids.startIndex { text += "\u{FFFD}" }
      text += try tokenizer.decode(Array(run), skipSpecialTokens: false)
    }
    return text
  }
}
