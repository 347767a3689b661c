import Checkpoints
import Fabric
import Inference
import Machine
import MoEModel
import ModelRuntime
import Synchronization
import Testing

/// Whoever reads a model knows no more of its checkpoint than the protocol says.
struct MemoryCheckpointTests {
  private static let names = ["deepseek_v3_fp8", "gpt_oss_mxfp4", "qwen3_moe_bf16"]

  @Test(arguments: names) func aModelInMemoryIsTheOneInItsFolder(name: String) throws {
    let folder = try CheckpointFormat.open(Golden(name).folder)
    let memory = try MemoryCheckpoint(copying: folder)
    let descriptions = try [folder, memory].map { try ModelConfiguration.read($0) }
    #expect("\(descriptions[0])" == "\(descriptions[1])")
    let budgets = try [folder, memory].map { checkpoint in
      try WeightBudget.measure(descriptions[0], checkpoint: checkpoint, workerCount: 2) { _, _ in true }
    }
    #expect(budgets[0].bytesByWorker == budgets[1].bytesByWorker)
    #expect(budgets[0].storedBytesByType == budgets[1].storedBytesByType)
    let pool = try WorkerPool(cores: [0, 0], pin: false, oversubscribed: true)
    #expect(try WeightScan.all(folder).run(pool: pool) == WeightScan.all(memory).run(pool: pool))
  }

  @Test(arguments: names, [WeightPrecision.auto, .q8]) func itAnswersAsItDoesFromFiles(
    name: String, weights: WeightPrecision
  ) throws {
    let golden = try Golden(name)
    let prompt = try golden.scoredIDs(0)
    var layout = Layout()
    layout.weights = weights
    let expected = try run(model: golden.folder, scored: [prompt], prompts: [], newTokens: 1, layout: layout)
    let memory = try MemoryCheckpoint(copying: try CheckpointFormat.open(golden.folder))
    let readBefore = memory.bytesRead
    let found = try run(opening: { memory }, scored: [prompt], prompts: [], newTokens: 1, layout: layout)
    #expect(found.logits == expected.logits && found.experts == expected.experts)
    #expect(memory.bytesRead > readBefore && memory.prefetched.withLock { !$0.isEmpty })
  }
}
