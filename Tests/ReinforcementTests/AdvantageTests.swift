import Reinforcement
import Testing

@Suite struct AdvantageTests {
  @Test func aGroupOfEqualRewardsHasNone() {
    #expect(Advantage.of([0.1, 0.1, 0.1], divides: true) == [0, 0, 0])
    #expect(Advantage.of([], divides: false) == [])
  }

  @Test func rewardsAreHeldAgainstTheirMean() {
    #expect(Advantage.of([1, 0, 0, 1], divides: false) == [0.5, -0.5, -0.5, 0.5])
    let divided = Advantage.of([1, 0, 0, 1], divides: true)
    #expect(zip(divided, [1, -1, -1, 1]).allSatisfy { abs($0 - $1) < 1e-5 })
  }
}
