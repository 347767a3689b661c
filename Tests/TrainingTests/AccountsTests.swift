import Foundation
import MoEModel
import TestSupport
import Testing
import Training

/// What a training asks for and costs.
@Suite struct AccountsTests {
  @Test func aShapesWorkIsTheDerivedOne() throws {
    let description = try TrainingFixtures.shape()
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
    let rates = TrainingCost.Rates(nodePrice: 0.5, nodeWatts: 400)
    #expect(TrainingCost(tokens: 3.6e9, nodeHours: 20, rates) == own)
    #expect(throws: TrainingError.self) { try TrainingCost.check(nodePrice: -1, nodeWatts: nil) }
    #expect(throws: TrainingError.self) { try TrainingCost.check(nodePrice: 1, nodeWatts: .nan) }
  }

  @Test func checkpointsTakeOneMoreThanAreKept() throws {
    let folder = TemporaryFolder()
    let description = try TrainingFixtures.shape()
    let plan = SavePlan(description, optimizer: .adamW, predicts: false)
    let disk = DiskSpace(plan, companions: Companions(), folder: folder.path, keep: 2)
    #expect(disk.checkpointBytes == plan.exportedByteCount + plan.stateByteCount)
    #expect(disk.total == 3 * disk.checkpointBytes && disk.needed == disk.total)
    for step in [1, 2] {
      try FileManager.default.createDirectory(
        atPath: TrainingFolder.statePath(of: step, in: folder.path), withIntermediateDirectories: true)
    }
    let later = DiskSpace(plan, companions: Companions(), folder: folder.path, keep: 2)
    #expect(later.needed == disk.checkpointBytes)
    try later.check(folder: folder.path, available: disk.checkpointBytes)
    try later.check(folder: folder.path, available: nil)
    #expect(message { try later.check(folder: folder.path, available: 1 << 20) }.contains("--keep"))
    let endless = DiskSpace(plan, companions: Companions(), folder: folder.path, keep: Int.max - 1)
    #expect(endless.total == Int.max)
  }

  @Test func spaceIsFoundWhereAFolderWillBe() {
    let folder = TemporaryFolder()
    let here = DiskSpace.available(at: folder.path)
    #expect(here != nil && DiskSpace.available(at: folder.path + "/not/there/") != nil)
    #expect(DiskSpace.available(at: "nowhere") != nil && DiskSpace.available(at: "") != nil)
  }

  @Test func theKernelTellsThePeakOfMemory() throws {
    let before = try #require(PeakMemory.byteCount)
    let memory = [UInt8](repeating: 1, count: 64 << 20)
    #expect(memory[memory.count / 2] == 1 && PeakMemory.byteCount! >= before)
  }
}
