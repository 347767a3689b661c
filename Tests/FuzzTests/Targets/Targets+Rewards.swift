import JSON
import TestSupport

@testable import Rewards

extension FuzzTarget {
  static let rewards = [rewardedPrompts, rewardNames, rewardReplies]

  private static let rewardedPrompts = FuzzTarget(
    "rewarded-prompts", inputs: 3000,
    pieces: jsonPieces + [
      "\"messages\":[", "\"role\":\"assistant\"", "\"prompt\":\"a\"", "\"answer\":[", "\"numbers\":[1]", "\"tools\":{}",
      "\"falsehoods\":\"b\"", "\n\n", "\r\n", "\u{FEFF}",
    ],
    seeds: {
      [
        Array(
          (#"{"prompt":"1 + 1 =","answer":2}"# + "\n\n"
            + #"{"messages":[{"role":"user","content":"?"}],"answer":["6",7],"numbers":[1,5],"tools":[{}]}"#)
            .utf8),
        Array(#"{"prompt":"Is it so?","answer":"no","falsehoods":["yes"],"source":{"page":3}}"#.utf8),
      ]
    },
    read: { bytes in
      let prompts = try PromptFile.parse(bytes, path: "prompts.jsonl", requiresAnswers: true)
      try hold(prompts.allSatisfy { $0.hasAnswer && $0.number > 0 }, "a prompt without an answer")
      try hold(zip(prompts, prompts.dropFirst()).allSatisfy { $0.number < $1.number }, "lines out of order")
      let again = try PromptFile.parse(
        Array(prompts.map { $0.line.text() }.joined(separator: "\n").utf8), path: "again", requiresAnswers: true)
      try hold(PromptFile.fingerprint(prompts) == PromptFile.fingerprint(again), "another fingerprint of the same")
      let rules = try RewardRules("numeric,expression,outcomes,format,length,exact,contains", options: RewardOptions())
      for verdict in try rules.verdicts(
        prompts.map {
          RewardedSample(
            prompt: $0, promptText: "<think>", completion: "1</think>2", tokenCount: 4, tokenLimit: 5, isCut: false)
        })
      { try hold(verdict.reward.isFinite && verdict.parts.count == 7, "\(verdict)") }
    })

  private static let rewardNames = FuzzTarget(
    "reward-names", inputs: 3000,
    pieces: RewardRules.names + ["=", ",", "=0.5", "=-1", "nan", "inf", "1e999", "0x1p3", " ", "\u{0}", "☃"],
    seeds: { [Array("numeric,format=0.1,length=-0.5".utf8), Array("outcomes=2, claim, expression=0".utf8)] },
    read: { bytes in
      let rules = try RewardRules(String(decoding: bytes, as: UTF8.self), options: RewardOptions()).rules
      try hold(!rules.isEmpty && rules.allSatisfy { $0.weight.isFinite }, "weights that are none")
      try hold(Set(rules.map(\.rule.name)).count == rules.count, "one rule twice")
    })

  private static let rewardReplies = FuzzTarget(
    "reward-replies", inputs: 4000,
    pieces: jsonPieces + [
      "\"index\":", "\"reward\":", "\"outcome\":\"right\"", "NaN", "-Infinity", "{\"index\":1,\"reward\":2}\n", "\n",
    ],
    seeds: {
      [
        Array(
          #"{"index":2,"reward":1,"outcome":"right"}|{"index":0,"reward":-0.5}|{"index":1,"reward":0,"why":"x"}|"#
            .replacing("|", with: "\n").utf8)
      ]
    },
    read: { bytes in
      var replies = ProgramReplies(count: 3)
      var rest = bytes[...]
      while !rest.isEmpty {
        try replies.take(rest.prefix(1 + rest.count / 2))
        rest = rest.dropFirst(1 + rest.count / 2)
      }
      try replies.finish()
      try hold(replies.answeredCount <= 3 && replies.isComplete == (replies.answeredCount == 3), "a reply too many")
      let all = replies.all ?? []
      try hold(all.allSatisfy { abs($0.reward) <= ProgramReplies.rewardLimit }, "rewards that are none")
    })
}
