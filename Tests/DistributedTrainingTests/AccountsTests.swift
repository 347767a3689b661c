import Backpropagation
import Checkpoints
import Fabric
import Foundation
import MoEModel
import TestSupport
import Testing
import Training
import TreeReduction

@testable import DistributedTraining

/// What a training is said to need and to cost.
@Suite struct TrainingAccountTests {
  private func description(_ golden: String) throws -> DecoderDescription {
    let folder = FamilyFixtures.folder(golden)
    let source = try CheckpointFormat.open(folder)
    return try ModelConfiguration.read(try ShapeCheckpoint(source.config, path: folder))
  }

  private func layout(
    _ golden: String, ranks: Int = 1, sequences: Int = 8, length: Int = 64, optimizer: OptimizerKind = .adamW,
    recomputes: Bool = false, leaves: Int? = nil
  ) throws -> TrainingLayout {
    var terms = TrainingLayout.Terms(
      sequenceLength: length, sequences: sequences, rankCount: ranks, ranksPerHost: ranks, workerCount: 1)
    (terms.optimizer, terms.recomputes, terms.leaves) = (optimizer, recomputes, leaves)
    return TrainingLayout(try description(golden), terms)
  }

  @Test(arguments: [
    "deepseek_v3", "qwen3_moe", "gpt_oss", "qwen3", "llama", "qwen3_next", "qwen3_5", "deepseek_v4_saved",
  ])
  func ranksShareWhatIsNotACopy(golden: String) throws {
    let count = ParameterTable(try description(golden)).reduce(0) { $0 + $1.elementCount }
    let alone = TrainingMemory(try layout(golden), rank: 0)
    #expect(alone.byteCount(.masters) == 4 * count && alone.byteCount(.values) == 4 * count)
    #expect(alone.byteCount(.messages) == 0 && alone.total > 22 * count)
    let shares = (0..<4).map { TrainingMemory((try? layout(golden, ranks: 4))!, rank: $0) }
    #expect(shares.reduce(0) { $0 + $1.byteCount(.masters) } == 4 * count)
    #expect(shares.allSatisfy { $0.byteCount(.activations) == alone.byteCount(.activations) / 4 })
    #expect(TrainingMemory.busiest(try layout(golden, ranks: 4)).memory.total == shares.map(\.total).max())
    let muon = TrainingMemory(try layout(golden, optimizer: .muon), rank: 0)
    #expect(muon.byteCount(.masters) == 4 * count && muon.byteCount(.gradients) == alone.byteCount(.gradients))
    let lean = TrainingMemory(try layout(golden, recomputes: true), rank: 0)
    #expect(lean.byteCount(.activations) < alone.byteCount(.activations) * 2 / 3)
    #expect(lean.byteCount(.experts) <= alone.byteCount(.experts))
  }

  /// Completions share leaves: sums of gradients are of leaves, all else is of sequences.
  @Test func leavesOfSeveralSequencesTakeFewerSums() throws {
    let apart = try layout("deepseek_v3", sequences: 64, length: 8)
    let joined = TrainingMemory(try layout("deepseek_v3", sequences: 64, length: 8, leaves: 4), rank: 0)
    let memory = TrainingMemory(apart, rank: 0)
    // Open subtrees of 64 and of 4 leaves: 7 and 3, of products 6 and 2.
    let elements = apart.shared.reduce(0) { $0 + ($1.rule.learns ? $1.spec.elementCount : 0) }
    #expect(memory.byteCount(.gradients) - joined.byteCount(.gradients) == 4 * 4 * elements)
    for part in TrainingMemory.Part.allCases where ![.gradients, .logits, .backward].contains(part) {
      #expect(memory.byteCount(part) == joined.byteCount(part), "\(part)")
    }
    // A worker has the gradients by one leaf's inputs of a norm.
    let wider = 16 * 8 - 8
    #expect(joined.byteCount(.backward) - memory.byteCount(.backward) == 4 * wider * apart.description.hiddenSize)
    // Many workers meet in each leaf: none needs a leaf's gradients of its own.
    #expect(NormBackward.parts(leaves: 1, workers: 128) == (false, 2))
    #expect(
      NormBackward.parts(leaves: 8, workers: 2) == (true, 2) && NormBackward.parts(leaves: 7, workers: 2).parts == 2)
    // A leaf's rows of logits are there at once.
    #expect(joined.byteCount(.logits) == 16 * memory.byteCount(.logits))
    let shares = try (0..<3).map {
      TrainingMemory(try layout("deepseek_v3", ranks: 3, sequences: 64, length: 8, leaves: 4), rank: $0)
    }
    #expect(shares.map { $0.byteCount(.cache) } == [1, 1, 2].map { $0 * memory.byteCount(.cache) / 4 })
  }

  /// Numbers that no machine can hold are told as such.
  @Test func nothingOverflows() throws {
    let huge = try layout("deepseek_v3", sequences: 1 << 16, length: 1 << 24)
    #expect(TrainingMemory(huge, rank: 0).total > 1 << 50)
    let budget = TrainingBudget(
      huge, rank: 0,
      disk: DiskSpace(
        SavePlan(huge.description, optimizer: .adamW, predicts: false), companions: Companions(), folder: "", keep: 1))
    #expect(throws: DistributedTrainingError.self) { try budget.checkMemory(available: 1 << 40, ranksOnHost: 2) }
    do { try budget.checkMemory(available: 1 << 40, ranksOnHost: 2) } catch {
      #expect("\(error)".contains("activations") && "\(error)".contains("512.0 GiB"))
    }
  }

  /// Completions wait for each other where there is no memory for all of a round, and a training without memory for one
  /// is refused.
  @Test func rolloutsTakeWhatThereIsBetweenOneCompletionAndAll() throws {
    var layout = try layout("deepseek_v3", ranks: 2)
    let without = TrainingMemory(layout, rank: 0)
    let rollouts = RolloutMemory(layout.description, sequences: 512, longest: 100, layout.terms)
    // Four blocks of 32 for each of a rank's, and for one more.
    #expect(rollouts.leastBlocks == 4 && rollouts.blocks == 4 * 257)
    #expect(rollouts.byteCount - rollouts.leastByteCount == 4 * 256 * rollouts.blockByteCount)
    #expect(rollouts.blocks(share: 0) == 4 && rollouts.blocks(share: 1) == rollouts.blocks)
    #expect(rollouts.blocks(share: 0.5) == 4 + 4 * 128 && rollouts.blocks(share: 7) == rollouts.blocks)
    layout.rollouts = [rollouts]
    let memory = TrainingMemory(layout, rank: 0)
    #expect(memory.byteCount(.rollouts) == rollouts.byteCount && without.byteCount(.rollouts) == 0)
    #expect(abs(memory.least - without.least - rollouts.leastByteCount) <= 2)
    let disk = DiskSpace(
      SavePlan(layout.description, optimizer: .adamW, predicts: false), companions: Companions(), folder: "", keep: 1)
    let budget = TrainingBudget(layout, rank: 0, disk: disk)
    let enough = memory.least + 2
    try budget.checkMemory(available: 2 * enough, ranksOnHost: 2)
    #expect(budget.rolloutShare(available: 2 * enough, ranksOnHost: 2) < 0.001)
    #expect(budget.rolloutShare(available: 8 * memory.total, ranksOnHost: 2) == 1)
    let half = budget.rolloutShare(available: enough + memory.spareRollouts, ranksOnHost: 1)
    #expect(abs(half - 0.5) < 0.001)
    #expect(throws: DistributedTrainingError.self) {
      try budget.checkMemory(available: memory.least - 2, ranksOnHost: 1)
    }
    layout.rollouts = [RolloutMemory(layout.description, sequences: 512, longest: 1 << 30, layout.terms)]
    let long = TrainingBudget(layout, rank: 0, disk: disk)
    do { try long.checkMemory(available: 1 << 30, ranksOnHost: 1) } catch {
      #expect("\(error)".contains("rollouts") && "\(error)".contains("--max-new-tokens"), "\(error)")
    }
    #expect(throws: DistributedTrainingError.self) { try long.checkMemory(available: 1 << 30, ranksOnHost: 1) }
    let never = RolloutMemory(layout.description, sequences: .max, longest: .max, layout.terms)
    #expect(never.byteCount > 1 << 50 && never.leastByteCount > 1 << 40)
  }

  @Test func aTokenReachesSomeOfItsExpertsByChance() throws {
    // 24 experts of which a token chooses 4.
    let layout = try layout("deepseek_v3", ranks: 3)
    #expect(layout.chance(ofSome: 0) == 0 && layout.chance(ofSome: 24) == 1 && layout.chance(ofSome: 21) == 1)
    #expect(abs(layout.chance(ofSome: 1) - 4.0 / 24) < 1e-12)
    #expect(abs(layout.chance(ofSome: 8) - (1 - 16.0 * 15 * 14 * 13 / (24 * 23 * 22 * 21))) < 1e-12)
    #expect((0..<3).allSatisfy { layout.returnedRows(by: $0) == layout.chance(ofSome: 8) })
  }

  @Test func leavesTakeABufferForEachOpenSubtree() {
    func buffers(_ counts: [Int], _ rank: Int) -> Int {
      LeafSums.bufferCount(LeafTree(counts: counts), rank: Rank(rank))
    }
    #expect(buffers([1], 0) == 1 && buffers([2], 0) == 2 && buffers([32], 0) == 6 && buffers([0, 4], 0) == 0)
    // 5 leaves of 8 are parts of 4 and 1.
    #expect(buffers([5, 3], 0) == 3 && buffers([5, 3], 1) == 3)
    // The second of two leaves is added as it is computed.
    let tree = LeafTree(counts: [32])
    #expect(LeafSums.bufferCount(tree, rank: Rank(0), accumulated: true) == 5)
    #expect(LeafSums.bufferCount(LeafTree(counts: [2]), rank: Rank(0), accumulated: true) == 1)
  }

  @Test func timeFollowsFromOperationsAndMessages() throws {
    var forecast = TrainingForecast(
      steps: 10, tokens: 1e6, operations: 2e6, peak: 1e9, utilization: 0.5, nodes: 3)
    #expect(forecast.seconds == 4000 && forecast.tokensPerSecond == 250)
    forecast.exchangeSeconds = 100
    #expect(forecast.seconds == 5000)
    let cost = forecast.cost(TrainingCost.Rates(nodePrice: 6, nodeWatts: 500))
    #expect(abs(cost.nodeHours - 3 * 5000.0 / 3600) < 1e-12 && abs(cost.dollars! - 25) < 1e-9)
    let none = TrainingForecast(steps: 0, tokens: 0, operations: 1, peak: 0, utilization: 0, nodes: 1)
    #expect(none.seconds == 0 && none.tokensPerSecond == 0)
  }

  /// Of a training that goes on, the steps before do not count.
  @Test func timeLeftIsOfTheStepsThatARunHasToTake() {
    let forecast = TrainingForecast(steps: 3, tokens: 3e3, operations: 1, peak: 1, utilization: 1, nodes: 1)
    var account = TrainingAccount(forecast, predictedBytes: 0, resident: nil)
    func report(_ number: Int) -> StepReport {
      // Of conversations few tokens are predicted.
      let result = StepResult(
        loss: 1, predictionLoss: nil, balanceLoss: 0, predicted: 10, gradientNorm: 1, loads: [:], fault: nil)
      return StepReport(
        number: number, result: result, learningRate: 1, tokens: 10, seconds: 2, communication: 0, skipped: nil,
        policy: nil)
    }
    #expect(account.secondsLeft == 0)
    let began = ContinuousClock.now
    account.add(report(91))
    #expect(account.secondsLeft == 4)
    account.add(report(92))
    // What has passed since the first, whatever steps say of themselves.
    #expect(account.secondsLeft >= 0 && account.secondsLeft <= (.now - began) / .seconds(1))
    account.add(report(93))
    #expect(account.secondsLeft == 0)
  }

  @Test func moreNodesNeedLessMemoryEach() throws {
    var task = ClusterTraining.Task(sequenceLength: 64, sequences: 32, tokens: 1e6)
    task.utilization = 0.5
    let description = try description("deepseek_v3")
    func plan(_ nodes: Int, mebibytes: Int) -> ClusterTraining {
      ClusterTraining(
        description, task,
        node: .init(memoryBytes: mebibytes << 20, cores: 2, numaNodes: 2, operationsPerSecond: 1e11), nodeCount: nodes,
        reserved: 0.08
      ) { bytes, messages in bytes / 1e9 + Double(messages) * 1e-5 }
    }
    let roomy = plan(2, mebibytes: 4096)
    #expect(roomy.options.map(\.ranks) == [2, 4] && roomy.best != nil && roomy.nodesNeeded == 1)
    #expect(roomy.options.allSatisfy { $0.forecast.exchangeSeconds > 0 && $0.exchangeShare < 1 })
    let tight = plan(1, mebibytes: roomy.options[0].memory.total >> 20)
    let needed = try #require(tight.nodesNeeded)
    #expect(tight.best == nil && needed > 1)
    #expect(plan(needed, mebibytes: roomy.options[0].memory.total >> 20).options[0].fits)
    #expect(plan(1, mebibytes: 1).nodesNeeded == nil)
  }
}
