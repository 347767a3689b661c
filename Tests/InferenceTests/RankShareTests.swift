import Testing

@testable import MoEModel
@testable import ModelRuntime

struct RankShareTests {
  @Test func ranksAreToldTogetherWhereTheyHaveAsMuchInCommonToo() {
    var shares: [RankShare] = []
    for (rank, common) in [40, 40, 60].enumerated() {
      let budget = WeightBudget(bytesByWorker: [100], sharedByWorker: [common])
      shares.join(RankShare(rank, experts: 4, expertsPerLayer: 2, budget))
    }
    #expect(shares.map(\.ranks) == [0...1, 2...2])
    #expect(shares.map(\.sharedBytes) == [40, 60])
  }
}
