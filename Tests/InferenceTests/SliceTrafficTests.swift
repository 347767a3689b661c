import EngineAPI
import Fabric
import Foundation
import Inference
import Kernels
import ModelRuntime
import MoEModel
import Telemetry
import Testing

/// What ranks that share out every matrix are expected to send each other is what they send.
struct SliceTrafficTests {
  /// What all ranks sent in steps that continue one sequence, how many these were, and the model's work.
  private func decode(
    _ folder: String, ranks: Int, weights: WeightPrecision
  ) throws -> (sent: Traffic, steps: Int, work: ModelWork) {
    let results = try LocalFabric.run(size: ranks) { communicator -> (Traffic, Int, ModelWork)? in
      var options = SessionOptions()
      (options.threadsPerRank, options.cacheTokens, options.layout) = (1, 64, .sliced)
      options.weights = weights
      let session = try GenerationSession(model: folder, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      _ = try loop.submit(
        GenerationRequest(
          prompt: [3, 4, 5], task: .generate(maxNewTokens: 6, sampling: SamplingParameters(), stopTokens: [])))
      while loop.hasWork { _ = try loop.step() }
      let kinds = try loop.collectAccounts().ranks.map { $0.kinds[StepKind.decode.rawValue] }
      try loop.stop()
      let sent = kinds.reduce(into: Traffic()) { sum, kind in for one in kind.sent { sum += one } }
      return (sent, kinds[0].steps, session.description.work)
    }
    return try #require(results[0])
  }

  @Test(
    arguments: ["deepseek_v3", "olmoe", "gpt_oss", "qwen2_moe", "llama", "qwen3_next"],
    [(2, WeightPrecision.auto), (3, .q8), (5, .bf16)])
  func bytesAreThoseOfTheModelsExchanges(model: String, terms: (ranks: Int, weights: WeightPrecision)) throws {
    try expectBytes(try Golden(model).folder, ranks: terms.ranks, weights: terms.weights)
  }

  /// Wide enough that some rows travel rounded.
  @Test(arguments: [(2, WeightPrecision.q8), (3, .q4), (4, .bf16)])
  func bytesOfRoundedRowsAreThoseOfTheModelsExchanges(ranks: Int, weights: WeightPrecision) throws {
    let model = Golden.fixtures.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Sources/Model/DemoModel/demo-model").path
    try expectBytes(model, ranks: ranks, weights: weights)
  }

  private func expectBytes(_ folder: String, ranks: Int, weights: WeightPrecision) throws {
    let (sent, steps, work) = try decode(folder, ranks: ranks, weights: weights)
    // The first token comes out of the step that reads the prompt.
    #expect(steps == 5)
    let bytes = work.exchanges.reduce(0) { $0 + Double($1.count) * $1.byteCounts(ranks: ranks).all }
    // To each other rank.
    #expect(Double(sent.gatherPayload) == Double(steps) * bytes * Double(ranks - 1), "\(work.exchanges)")
    let count = work.exchanges.reduce(0) { $0 + $1.count }
    #expect(sent.messages <= steps * count * ranks * (ranks - 1) && sent.messages > 0)
  }
}
