import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import Reinforcement

/// What was sampled before a training was stopped is not sampled again.
struct RolloutLogTests {
  private func completions() -> [Completion] {
    (0..<3).map { i in
      var completion = Completion()
      completion.tokens = (0..<Int32(2 * i)).map { $0 * 7 + Int32(i) }
      completion.logprobs = completion.tokens.map { -Float($0) / 3 }
      completion.isCut = i == 2
      return completion
    }
  }

  private func begin(_ log: RolloutLog) -> [Completion] {
    log.begin(
      (0..<3).map { RolloutRequest(prompt: [1, 2], maxNewTokens: 4, temperature: 1, seed: UInt64($0)) },
      stopTokens: [], vocabularySize: 4096)
  }

  @Test func whatWasWrittenIsFound() throws {
    try withTemporaryFolder { folder in
      let log = RolloutLog(folder: folder.path)
      log.open(step: 4, key: "k")
      #expect(begin(log).allSatisfy { $0.tokens.isEmpty })
      var sampled = completions()
      try log.write(
        sampled.map { completion in
          var part = completion
          part.tokens = Array(part.tokens.prefix(2))
          part.logprobs = Array(part.logprobs.prefix(2))
          part.isCut = false
          return part
        })
      try log.write(sampled)
      let again = RolloutLog(folder: folder.path)
      again.open(step: 4, key: "k")
      #expect(begin(again) == sampled)
      // Written anew by whoever goes on.
      sampled[0].tokens = [5]
      sampled[0].logprobs = [-1]
      try again.write(sampled)
      let third = RolloutLog(folder: folder.path)
      third.open(step: 4, key: "k")
      #expect(begin(third) == sampled)
      third.close()
      #expect(folder.names == [])
    }
  }

  @Test func anotherStepOrSettingIsNotTaken() throws {
    try withTemporaryFolder { folder in
      let log = RolloutLog(folder: folder.path)
      log.open(step: 4, key: "k")
      _ = begin(log)
      try log.write(completions())
      for (step, key) in [(5, "k"), (4, "other")] {
        let other = RolloutLog(folder: folder.path)
        other.open(step: step, key: key)
        #expect(begin(other).allSatisfy { $0.tokens.isEmpty })
        log.open(step: 4, key: "k")
        _ = begin(log)
        try log.write(completions())
      }
    }
  }

  @Test func aStepStillToComeIsKept() throws {
    try withTemporaryFolder { folder in
      let log = RolloutLog(folder: folder.path)
      log.open(step: 7, key: "k")
      _ = begin(log)
      try log.write(completions())
      let earlier = RolloutLog(folder: folder.path)
      earlier.open(step: 6, key: "j")
      #expect(begin(earlier).allSatisfy { $0.tokens.isEmpty })
      try earlier.write(completions())
      earlier.close()
      earlier.open(step: 7, key: "k")
      #expect(begin(earlier) == completions())
    }
  }

  @Test func damageEndsWhatIsRead() throws {
    try withTemporaryFolder { folder in
      let log = RolloutLog(folder: folder.path)
      log.open(step: 1, key: "k")
      _ = begin(log)
      try log.write(completions())
      let path = folder.file("rollout-0.jsonl")
      let text = try String(contentsOfFile: path, encoding: .utf8)
      for hostile in [
        String(text.dropLast(9)), "{}\n" + text, text.replacing("\"i\":2", with: "\"i\":99"),
        text.replacing("\"tokens\":[", with: "\"tokens\":[-4,"),
        text.replacing("\"tokens\":[2", with: "\"tokens\":[2000000000"),
        text.replacing("\"count\":3", with: "\"count\":-3"),
        "\u{0}\u{1}", "", text.replacing("\"count\":3", with: "\"count\":99999999999"),
      ] {
        try hostile.write(toFile: path, atomically: true, encoding: .utf8)
        let read = RolloutLog(folder: folder.path)
        read.open(step: 1, key: "k")
        let found = begin(read)
        #expect(found.count == 3)
        for (found, written) in zip(found, completions()) {
          #expect(found.tokens.isEmpty || found.tokens == written.tokens)
          #expect(found.tokens.count == found.logprobs.count)
        }
      }
    }
  }

  @Test func sampledTokensAreNotSampledAgain() throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      // A golden whose weights are bf16 as they are published.
      (policy.golden, policy.steps) = ("deepseek_v3_bf16", 1)
      // All that the first step samples, as a stop in its middle would have left it.
      let whole = try policy.run()
      policy.out = folder.file("again")
      let sampled = try policy.firstCompletions()
      try FileManager.default.createDirectory(atPath: policy.out, withIntermediateDirectories: true)
      let log = RolloutLog(folder: policy.out)
      log.open(step: 1, key: "tiny")
      _ = log.begin(
        try policy.requests(), stopTokens: policy.stopTokens, vocabularySize: 4096)
      try log.write(
        sampled.enumerated().map { i, completion in
          var part = completion
          let kept = i % 3 == 0 ? completion.tokens.count : completion.tokens.count * (i % 3) / 3
          (part.tokens, part.logprobs) = (
            Array(completion.tokens.prefix(kept)), Array(completion.logprobs.prefix(kept))
          )
          part.isCut = kept == completion.tokens.count && completion.isCut
          return part
        })
      let again = try policy.run()
      #expect(again.steps == whole.steps && again.ratios == [0])
      #expect((again == whole) == true, "weights")
    }
  }
}
