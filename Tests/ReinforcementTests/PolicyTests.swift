import Foundation
import Kernels
import TestSupport
import Testing

@testable import DistributedTraining
@testable import Reinforcement

/// Completions are sampled by the model that learns from them, and what it learns depends on nothing but prompts and
/// seed.
struct PolicyTests {
  @Test(arguments: ["deepseek_v3", "qwen3_moe", "gpt_oss", "llama"])
  func theFirstRatioIsExactlyOne(golden: String) throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      policy.golden = golden
      let told = try policy.run()
      #expect(told.ratios == [0, 0, 0])
      #expect(told.signal.contains { $0 > 0 }, "nothing was learnt")
      #expect(Set(told.steps).count == 3)
    }
  }

  /// The others only feed its last token, to sample from; where layers keep states, all after its last whole block.
  @Test(arguments: ["deepseek_v3", "deepseek_v32", "qwen3_moe", "qwen3_next", "qwen3_5"])
  func oneOfAGroupReadsThePromptForAll(golden: String) throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      policy.golden = golden
      // Nothing ends them before others have begun.
      policy.stopTokens = []
      let lengths = [9, 13, 33, 40]
      let requests = lengths.flatMap { (count: Int) -> [RolloutRequest] in
        let prompt = (0..<Int32(count)).map { ($0 * 37 + Int32(count)) % 60 + 2 }
        return (0..<4).map {
          RolloutRequest(prompt: prompt, maxNewTokens: 12, temperature: 1, seed: UInt64(count * 10 + $0))
        }
      }
      let apart = try policy.sample(requests, sharesPrompts: false)
      let all = 4 * lengths.reduce(0, +)
      #expect(apart.promptTokens == (all, all))
      let together = try policy.sample(requests)
      #expect(together.completions == apart.completions)
      let keepsStates = FamilyFixtures.deltas.contains(golden)
      let rest = lengths.reduce(0) { $0 + 3 * (keepsStates ? $1 - ($1 - 1) / 32 * 32 : 1) }
      #expect(together.promptTokens == (all, all / 4 + rest))
      // Whole groups fit on each rank; on three, some are cut in two.
      for ranks in [2, 3] {
        policy.ranks = ranks
        let spread = try policy.sample(requests)
        #expect(spread.completions == apart.completions)
        #expect(ranks == 3 || spread.promptTokens == together.promptTokens, "\(spread.promptTokens)")
        #expect(spread.promptTokens.read < (keepsStates ? all * 2 / 3 : all / 2))
      }
    }
  }

  @Test(arguments: ["deepseek_v3", "qwen3_moe"])
  func nothingDependsOnRanksOrThreads(golden: String) throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      policy.golden = golden
      let alone = try policy.run()
      for (ranks, threads) in [(1, 2), (2, 1), (3, 1)] {
        var other = policy
        (other.ranks, other.threads, other.out) = (ranks, threads, folder.file("out-\(ranks)-\(threads)"))
        let found = try other.run()
        #expect(found.steps == alone.steps, "\(ranks) ranks, \(threads) threads")
        #expect(found.completions == alone.completions)
        let different = alone.weights.keys.filter { found.weights[$0] != alone.weights[$0] }
        #expect(different.isEmpty, "\(ranks) ranks, \(threads) threads: \(different.sorted().prefix(5))")
      }
    }
  }

  @Test func theReferenceKernelsLearnTheSame() throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      policy.steps = 2
      let best = try policy.run()
      (policy.isa, policy.out) = (.reference, folder.file("reference"))
      let found = try policy.run()
      #expect(found.steps == best.steps)
      #expect((found == best) == true, "weights")
    }
  }

  @Test func aStoppedTrainingGoesOnAsIfItHadNot() throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      policy.steps = 4
      let whole = try policy.run()
      (policy.out, policy.stopAfter) = (folder.file("stopped"), 2)
      let first = try policy.run()
      (policy.resumes, policy.stopAfter, policy.ranks) = (true, nil, 2)
      let rest = try policy.run()
      #expect(first.steps + rest.steps == whole.steps)
      #expect((rest.weights == whole.weights) == true)
    }
  }

  @Test(arguments: [PolicyObjective.Ratio.token, .sequence])
  func laterUpdatesOfARoundHaveRatios(ratio: PolicyObjective.Ratio) throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      (policy.settings.objective.updates, policy.settings.objective.ratio) = (2, ratio)
      policy.settings.objective.mean = .completions
      // Whatever leaves 1 is clipped where it goes on in its direction.
      (policy.settings.objective.clipLow, policy.settings.objective.clipHigh) = (0, 0)
      let told = try policy.run()
      #expect(told.ratios == [0, 0, 0])
      var other = policy
      (other.ranks, other.out) = (2, folder.file("two"))
      let two = try other.run()
      #expect(two.steps == told.steps)
      #expect((two.weights == told.weights) == true)
    }
  }

  @Test(arguments: [0, 2])
  func aReferenceHoldsThePolicy(every: Int) throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      (policy.steps, policy.saveEvery) = (4, 1)
      (policy.settings.objective.referencePenalty, policy.settings.objective.referenceEvery) = (0.1, every)
      let whole = try policy.run()
      // The policy is its reference at first, and whenever that becomes the policy.
      #expect(whole.divergences[0] == 0 && whole.divergences[1] > 0)
      #expect(every == 2 ? whole.divergences[2] == 0 : whole.divergences[2] > 0)
      (policy.out, policy.stopAfter) = (folder.file("stopped"), 3)
      let first = try policy.run()
      (policy.resumes, policy.stopAfter, policy.ranks) = (true, nil, 2)
      let rest = try policy.run()
      #expect(first.steps + rest.steps == whole.steps)
      #expect((rest.weights == whole.weights) == true)
    }
  }

  @Test func groupsWithoutSignalAreSampledAnew() throws {
    try withTemporaryFolder { folder in
      var policy = TinyPolicy(in: folder)
      policy.settings.objective.resamples = true
      policy.settings.objective.dividesByDeviation = true
      let told = try policy.run()
      #expect(told.ratios == [0, 0, 0])
      #expect(told.signal.allSatisfy { $0 >= 4 || $0 > 0 })
    }
  }
}
