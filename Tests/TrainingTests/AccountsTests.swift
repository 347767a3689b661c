import MoEModel
import Testing
import Training

/// What a training asks for and costs.
@Suite struct AccountsTests {
  @Test func theDemonstrationModelsWorkIsTheDerivedOne() throws {
    let description = try TrainingFixtures.model("demo").description
    let work = TrainingWork(description, sequenceLength: 256)
    #expect(work.parameterCount == ParameterTable(description).reduce(0) { $0 + $1.elementCount })
    // 6 · 3.324 M + 3 · 6 layers · 256 · 6 heads · (48 + 32) = 22.2 M.
    #expect(abs(Double(work.activeElements) - 3.324e6) < 0.001e6)
    #expect(work.attention == Double(6 * 256 * 6 * 80))
    #expect(abs(work.operations - 22.2e6) < 0.05e6)
    #expect(abs(TrainingWork(description, sequenceLength: 512).operations - 24.4e6) < 0.05e6)
    #expect(abs(work.utilization(tokensPerSecond: 5830, peak: 225e9) - 0.575) < 0.002)
  }

  @Test func windowsBoundAttention() throws {
    let description = try TrainingFixtures.model("gpt_oss").description
    let window = try #require(description.layers.compactMap(\.slidingWindow).first)
    let (short, long) = (
      TrainingWork(description, sequenceLength: window), TrainingWork(description, sequenceLength: 64 * window)
    )
    #expect(long.attention < 64 * short.attention && short.activeElements == long.activeElements)
  }

  @Test func predictionIsALayerMoreAndTheHeadAgain() throws {
    let description = try TrainingFixtures.model("glm4_moe_lite").description
    let (plain, predicting) = (
      TrainingWork(description, sequenceLength: 64),
      TrainingWork(description, sequenceLength: 64, predicts: true)
    )
    let module = description.parameters(ofLayer: description.layerCount)
    let shared: Set<ParameterRole> = [.prediction(.embedding), .prediction(.head)]
    let own = module.filter { !shared.contains($0.role) }.reduce(0) { $0 + $1.elementCount }
    #expect(predicting.parameterCount - plain.parameterCount == own)
    #expect(predicting.activeElements > plain.activeElements + description.vocabularySize * description.hiddenSize)
  }

  @Test func memoryIsThatOfTheBusiestRank() throws {
    let description = try TrainingFixtures.model("demo").description
    let plan = SavePlan(description, optimizer: .adamW, predicts: false)
    let count = ParameterTable(description).reduce(0) { $0 + $1.elementCount }
    let alone = TrainingMemory(plan, description, rankCount: 1, tokens: 8192)
    let bias = 32 * description.mixtureLayers.count
    #expect(alone.masters == 4 * count && alone.optimizer == 8 * (count - bias) && alone.weights == 4 * count)
    #expect(alone.gradients == 4 * (count - bias) && alone.layerInputs == 8192 * 6 * 192 * 4)
    let four = TrainingMemory(plan, description, rankCount: 4, tokens: 2048)
    #expect(four.masters < alone.masters / 3 && four.total < alone.total / 2)
    let muon = SavePlan(description, optimizer: .muon, predicts: false)
    #expect(TrainingMemory(muon, description, rankCount: 1, tokens: 0).optimizer < alone.optimizer * 2 / 3)
  }

  @Test func deepSeeksOwnCostsAreTheReports() {
    let costs = TrainingCost.deepSeekV3
    #expect(costs.total.dollars == 5_576_000 && costs.pretraining.dollars == 5_328_000)
    #expect(
      costs.pretraining.nodeHours + costs.contextExtension.nodeHours + costs.postTraining.nodeHours
        == costs.total.nodeHours)
    #expect(costs.total.kilowattHours == nil)
    let own = TrainingCost(tokens: 3.6e9, tokensPerSecond: 1e5, nodes: 2, nodePrice: 0.5, nodeWatts: 400)
    #expect(own.nodeHours == 20 && own.dollars == 10 && own.kilowattHours == 8)
    #expect(abs(own.dollarsPerMillionTokens! - 10 / 3600) < 1e-12)
    #expect(throws: TrainingError.self) { try TrainingCost.check(nodePrice: -1, nodeWatts: nil) }
    #expect(throws: TrainingError.self) { try TrainingCost.check(nodePrice: 1, nodeWatts: .nan) }
  }
}
