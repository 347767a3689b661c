import EngineAPI
import Inference
import Kernels
import MoEModel
import Testing

/// No layout of a run may change a bit of its logits, its routing or its tokens.
struct ExactnessTests {
  static let models = [
    "deepseek_v3", "deepseek_v3_fp8", "deepseek_v2_group", "deepseek_v32", "glm_moe_dsa", "qwen3_moe", "gpt_oss_mxfp4",
    "mixtral", "qwen3",
  ]

  static let allLayouts: [Layout] = [1, 2, 3, 4, 8].flatMap { ranks in
    [1, 2].flatMap { threads in
      [1, 5, 512].flatMap { batchTokens in
        [true, false].map { Layout(ranks: ranks, threads: threads, batchTokens: batchTokens, together: $0) }
      }
    }
  }

  /// Each value of each property, for every model; optimised builds try every combination.
  static let layouts: [Layout] = {
    #if DEBUG
      [
        Layout(ranks: 2, threads: 2, batchTokens: 5, together: true),
        Layout(ranks: 3, threads: 1, batchTokens: 512, together: true),
        Layout(ranks: 4, threads: 1, batchTokens: 1, together: false),
        Layout(ranks: 8, threads: 2, batchTokens: 512, together: false),
        Layout(ranks: 1, threads: 2, batchTokens: 5, together: false),
      ]
    #else
      allLayouts
    #endif
  }()

  /// Every seventh layout: all values of every property, and pairs of them, in an eighth of the time.
  static let someLayouts = stride(from: 0, to: layouts.count, by: layouts.count > 10 ? 7 : 1).map { layouts[$0] }

  @Test(arguments: models)
  func noLayoutChangesABit(model: String) throws {
    try expectSameBits(model, base: Layout(), layouts: Self.layouts)
  }

  @Test(arguments: models, [CacheType.bf16, .q8])
  func noLayoutChangesABitWithARoundedCache(model: String, type: CacheType) throws {
    var base = Layout()
    base.cacheType = type
    let layouts = Self.someLayouts.enumerated().map { i, layout in
      var layout = layout
      layout.isa = InstructionSet.supported[i % InstructionSet.supported.count]
      return layout
    }
    try expectSameBits(model, base: base, layouts: layouts)
  }

  /// With rounded weights and rows too, and whatever the instruction set.
  @Test(
    arguments: ["deepseek_v3", "deepseek_v3_fp8", "glm_moe_dsa", "gpt_oss_mxfp4", "qwen3_moe_bf16"],
    [WeightPrecision.bf16, .q8, .q4])
  func noLayoutChangesABitOfRoundedWeights(model: String, weights: WeightPrecision) throws {
    var base = Layout()
    base.weights = weights
    let layouts = Self.someLayouts.enumerated().map { i, layout in
      var layout = layout
      layout.isa = InstructionSet.supported[i % InstructionSet.supported.count]
      return layout
    }
    try expectSameBits(model, base: base, layouts: layouts)
  }

  @Test(arguments: ["qwen3_moe", "deepseek_v3_fp8"])
  func sampledSequencesDependOnTheirSeedOnly(model: String) throws {
    let golden = try Golden(model)
    let prompt = try golden.prompt(1)
    var sampling = SamplingParameters()
    sampling.temperature = 1.5
    sampling.topP = 0.95
    sampling.repetitionPenalty = 1.2
    sampling.seed = 11
    func drawn(_ layout: Layout, _ seed: UInt64) throws -> [[Int32]] {
      sampling.seed = seed
      return try run(
        model: golden.folder, scored: [], prompts: [prompt, prompt, prompt], newTokens: 12, layout: layout,
        sampling: sampling
      ).greedy
    }
    let expected = try drawn(Layout(), 11)
    #expect(Set(expected).count == 3, "other seeds, other tokens")
    for layout in Self.layouts { #expect(try drawn(layout, 11) == expected, "\(layout)") }
    #expect(
      try drawn(Layout(), 12).prefix(2) == expected.dropFirst().prefix(2), "a seed's tokens do not depend on its place")
  }
}
