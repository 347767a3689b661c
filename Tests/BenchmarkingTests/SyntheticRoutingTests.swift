import ExpertParallelism
import Fabric
import MoEModel
import Tensors
import Testing

@testable import Benchmarking

/// The experts that tokens of a dispatch benchmark choose.
struct SyntheticRoutingTests {
  private static let made: [SyntheticRouting] = [.uniform, .zipf, .oneRank]

  /// By token, in the order in which they stand.
  private func choices(
    _ routing: SyntheticRouting, tokens: Int, topK: Int, experts: Int, ranks: Int = 1, seed: UInt64 = 1
  ) -> [[Int32]] {
    let decisions = routing.decisions(
      count: tokens, topK: topK, placement: ExpertPlacement(expertCount: experts, rankCount: ranks), seed: seed)
    return (0..<tokens).map { token in (0..<topK).map { decisions.experts.pointer[token * topK + $0] } }
  }

  @Test(arguments: made) func aTokenChoosesDistinctExpertsThatThereAre(routing: SyntheticRouting) {
    for (experts, topK, ranks) in [(1, 1, 1), (4, 4, 3), (10, 3, 3), (64, 6, 5), (7, 2, 9)] {
      for chosen in choices(routing, tokens: 50, topK: topK, experts: experts, ranks: ranks) {
        #expect(zip(chosen, chosen.dropFirst()).allSatisfy { $0 < $1 }, "\(chosen)")
        #expect(chosen.allSatisfy { (0..<Int32(experts)).contains($0) }, "\(chosen) of \(experts)")
      }
    }
  }

  @Test(arguments: made) func theSameSeedGivesTheSameChoices(routing: SyntheticRouting) {
    let first = choices(routing, tokens: 40, topK: 3, experts: 32, ranks: 2, seed: 5)
    #expect(choices(routing, tokens: 40, topK: 3, experts: 32, ranks: 2, seed: 5) == first)
    #expect(choices(routing, tokens: 40, topK: 3, experts: 32, ranks: 2, seed: 6) != first)
  }

  @Test func allOfOneRankGoThereAsFarAsItHasEnough() {
    for (experts, topK, ranks) in [(12, 3, 4), (12, 3, 6), (8, 3, 8)] {
      let own = Set(ExpertPlacement(expertCount: experts, rankCount: ranks).experts(of: Rank(0)).map { Int32($0) })
      for chosen in choices(.oneRank, tokens: 30, topK: topK, experts: experts, ranks: ranks) {
        #expect(own.intersection(chosen).count == min(topK, own.count), "\(chosen) where rank 0 has \(own)")
      }
    }
  }

  /// Within five standard deviations of what is to be expected.
  @Test func expertsAreAsPopularAsTheLawSays() {
    let (tokens, experts) = (20_000, 16)
    let harmonic = (0..<experts).map { 1 / Double($0 * 7919 % experts + 1) }
    let total = harmonic.reduce(0, +)
    let laws: [(SyntheticRouting, [Double])] = [
      (.uniform, Array(repeating: 1 / Double(experts), count: experts)), (.zipf, harmonic.map { $0 / total }),
    ]
    for (routing, shares) in laws {
      var counts = [Int](repeating: 0, count: experts)
      for chosen in choices(routing, tokens: tokens, topK: 1, experts: experts) { counts[Int(chosen[0])] += 1 }
      for (count, share) in zip(counts, shares) {
        let deviation = (Double(tokens) * share * (1 - share)).squareRoot()
        #expect(abs(Double(count) - Double(tokens) * share) < 5 * deviation, "\(routing): \(count) for \(share)")
      }
    }
  }
}
