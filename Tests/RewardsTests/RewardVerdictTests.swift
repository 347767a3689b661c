import Evaluation
import Rewards
import Testing

@Suite struct RewardVerdictTests {
  @Test func aVerdictKeepsItsParts() {
    let verdict = RewardVerdict(reward: 1.1, outcome: .right, parts: [.init(name: "numeric", value: 1)])
    #expect(verdict.parts.map(\.name) == ["numeric"])
  }
}
