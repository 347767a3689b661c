import Checkpoints
import EngineAPI
import Inference
import JSON
import Kernels
import Machine
import MoEModel
import TestSupport
import Testing

/// Models with gated DeltaNet against the reference implementation's outputs, and against themselves.
struct DeltaGoldenTests {
  @Test(arguments: Golden.deltas, [1, 2, 3, 5])
  func outputsAgreeWithTheReferenceImplementation(name: String, ranks: Int) throws {
    try GoldenTests.compare(name, Layout(ranks: ranks, threads: ranks == 1 ? 3 : 1), newTokens: 12)
  }

  /// Prompts cut into chunks of any size, one by one or together, on any ranks, threads and instruction sets.
  @Test(arguments: Golden.deltas) func noLayoutChangesABit(name: String) throws {
    let golden = try Golden(name)
    let scored = [try golden.scoredIDs(2), Array(try golden.scoredIDs(1).prefix(9))]
    let prompts = [try golden.prompt(0), try golden.prompt(2)]
    func result(_ layout: Layout) throws -> RunResult {
      try run(model: golden.folder, scored: scored, prompts: prompts, newTokens: 20, layout: layout)
    }
    for weights in [WeightPrecision.auto, .q8] {
      var base = Layout()
      base.weights = weights
      let expected = try result(base)
      var layouts = [
        Layout(ranks: 2, threads: 2, batchTokens: 5), Layout(ranks: 3, batchTokens: 1, together: false),
        Layout(ranks: 5, threads: 2, batchTokens: 33, together: false), Layout(threads: 3, batchTokens: 2),
      ]
      for isa in InstructionSet.supported {
        layouts.append(Layout(threads: 2, batchTokens: 7))
        layouts[layouts.count - 1].isa = isa
      }
      for var layout in layouts {
        layout.weights = weights
        #expect(try result(layout) == expected, "\(layout)")
      }
    }
  }

  @Test(arguments: Golden.deltas) func aContinuationHasTheBitsOfItsPrompt(name: String) throws {
    let golden = try Golden(name)
    try GoldenTests.continueAsScored(golden, try golden.prompt(1))
  }

  private func logits(_ golden: Golden, _ model: String, weights: WeightPrecision = .auto) throws -> [[Float]] {
    var layout = Layout(ranks: 2)
    layout.weights = weights
    return try run(model: model, scored: [try golden.scoredIDs(1)], prompts: [], newTokens: 1, layout: layout).logits
  }

  /// Some publish all experts of a layer in one tensor.
  @Test(arguments: ["qwen3_next", "qwen3_5_moe"]) func fusedExpertsAreTheSame(name: String) throws {
    let golden = try Golden(name)
    var fused = try RewrittenCheckpoint(golden)
    fused.fuseExperts()
    #expect(fused.tensors.keys.contains { $0.hasSuffix("mlp.experts.gate_up_proj") })
    let same = try fused.written { try logits(golden, $0) }
    #expect(try same == logits(golden, golden.folder))
  }

  @Test(arguments: Golden.deltas, [WeightPrecision.q8, .q4])
  func aQuantisedFolderHasTheBitsOfQuantisingOnLoad(name: String, weights: WeightPrecision) throws {
    let golden = try Golden(name)
    let same = try golden.withQuantised(to: weights) { try logits(golden, $0) }
    #expect(try same == logits(golden, golden.folder, weights: weights))
  }

  /// A text model that was saved alone: settings not nested, names without the whole's.
  @Test(arguments: ["qwen3_5_moe", "qwen3_5"]) func aTextModelAloneIsTheSame(name: String) throws {
    let golden = try Golden(name)
    var alone = try RewrittenCheckpoint(golden)
    alone.config = try #require(alone.config["text_config"]?.object)
    alone.tensors = alone.tensors.filter { !$0.key.hasPrefix("model.visual.") }
    alone.rename("model.language_model.", to: "model.")
    let same = try alone.written { try logits(golden, $0) }
    #expect(try same == logits(golden, golden.folder))
  }

  @Test func tensorsThatDoNotFitAreNamed() throws {
    func failure(_ name: String, _ shape: [Int]?) throws -> String {
      let golden = try Golden("qwen3_next")
      var broken = try RewrittenCheckpoint(golden)
      let tensor = try #require(broken.tensors[name])
      broken.tensors[name] = shape.map { .init(tensor.type, $0, tensor.bytes) }
      do {
        _ = try broken.written { try logits(golden, $0) }
        return ""
      } catch { return "\(error)" }
    }
    let layer = "model.layers.0.linear_attn."
    for (name, shape) in [
      ("conv1d.weight", [44, 4]), ("conv1d.weight", [4, 1, 44]), ("in_proj_ba.weight", [24, 8]), ("A_log", nil),
      ("dt_bias", [2, 2]), ("in_proj_qkvz.weight", nil), ("norm.weight", nil),
    ] {
      let message = try failure(layer + name, shape)
      #expect(message.contains(layer + name), "\(message)")
    }
  }
}
