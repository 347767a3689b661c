import Checkpoints
import EngineAPI
import Fabric
import Inference
import Kernels
import MoEModel
import Testing

/// Pooled hidden states against the reference implementation's logits, and against themselves on other layouts.
struct EmbeddingTests {
  /// For each prompt its vector of each pooling, computed among each other and beside a prompt that is continued.
  private func vectors(_ model: String, _ prompts: [[Int32]], _ layout: Layout, cachedTokens: Int = 4096) throws
    -> [Pooling: [[Float]]]
  {
    let found = try LocalFabric.run(size: layout.ranks) { communicator -> [Pooling: [[Float]]]? in
      var options = SessionOptions()
      options.threadsPerRank = layout.threads
      options.batchTokens = layout.batchTokens
      options.cacheTokens = cachedTokens
      options.instructionSet = layout.isa
      options.weights = layout.weights
      let session = try GenerationSession(model: model, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      var found: [SequenceID: [Float]] = [:]
      func work() throws {
        while loop.hasWork {
          for event in try loop.step() {
            if case .embedded(let id, let values) = event { #expect(found.updateValue(values, forKey: id) == nil) }
            if case .failed(_, let reason) = event { throw InferenceError.sequenceFailed(reason) }
          }
        }
      }
      var ids: [Pooling: [SequenceID]] = [:]
      for prompt in prompts {
        for pooling in Pooling.allCases {
          ids[pooling, default: []].append(try loop.submit(GenerationRequest(prompt: prompt, task: .embed(pooling))))
        }
        _ = try loop.submit(
          GenerationRequest(
            prompt: prompt, task: .generate(maxNewTokens: 40, sampling: SamplingParameters(), stopTokens: [])))
        if !layout.together { try work() }
      }
      try work()
      try loop.stop()
      return try ids.mapValues { try $0.map { try #require(found[$0]) } }
    }
    return try #require(found[0])
  }

  /// The head, fp32 `[vocabulary, hidden]`.
  private func head(_ golden: Golden) throws -> [Float] {
    let folder = try HuggingFaceFolder(path: golden.folder)
    return try folder.float32s(
      try #require(folder.tensor("lm_head.weight") ?? folder.tensor("model.embed_tokens.weight")))
  }

  /// The head's product with the last state is the last row of logits, and with the mean state the mean row.
  @Test(arguments: ["deepseek_v3", "qwen3_moe", "mixtral", "gpt_oss", "llama", "glm4_moe"])
  func vectorsGiveTheReferencesLogits(name: String) throws {
    let golden = try Golden(name)
    let head = try head(golden)
    let prompts = try (0..<golden.promptCount).map { try golden.scoredIDs($0) }
    let found = try vectors(golden.folder, prompts, Layout(ranks: 2, batchTokens: 7))
    for (i, prompt) in prompts.enumerated() {
      let logits = try golden.floats("p\(i).logits")
      let vocabulary = logits.count / prompt.count
      for (pooling, vectors) in found {
        let vector = vectors[i]
        #expect(vector.count == head.count / vocabulary)
        for token in stride(from: 0, to: vocabulary, by: 11) {
          let row = head[(token * vector.count)..<((token + 1) * vector.count)]
          let product = zip(row, vector).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
          let column = stride(from: token, to: logits.count, by: vocabulary).map { Double(logits[$0]) }
          let expected = pooling == .last ? column[column.count - 1] : column.reduce(0, +) / Double(column.count)
          #expect(abs(product - expected) <= 1e-3, "\(pooling) of prompt \(i), token \(token)")
        }
      }
    }
  }

  @Test(arguments: [("deepseek_v3_fp8", WeightPrecision.auto), ("qwen3_moe", .q8), ("gpt_oss_mxfp4", .auto)])
  func noLayoutChangesABit(model: String, weights: WeightPrecision) throws {
    let golden = try Golden(model)
    let prompts = [
      try golden.prompt(0), Array(try golden.scoredIDs(3).prefix(70)), Array(try golden.scoredIDs(3).prefix(45)),
    ]
    func bits(_ layout: Layout, cachedTokens: Int = 4096) throws -> [Pooling: [[UInt32]]] {
      var layout = layout
      layout.weights = weights
      return try vectors(golden.folder, prompts, layout, cachedTokens: cachedTokens).mapValues {
        $0.map { $0.map(\.bitPattern) }
      }
    }
    let expected = try bits(Layout())
    for layout in [
      Layout(ranks: 3, threads: 2, batchTokens: 5), Layout(ranks: 2, batchTokens: 1, together: false),
      Layout(ranks: 1, threads: 3, batchTokens: 33, together: false), Layout(ranks: 4, isa: .reference),
    ] { #expect(try bits(layout) == expected, "\(layout)") }
    // Little memory: sequences make room for others and are read again.
    #expect(try bits(Layout(batchTokens: 16), cachedTokens: 160) == expected)
  }
}
