import Checkpoints
import EngineAPI
import JSON
import Kernels
import MoEModel
import ModelRuntime
import Tensors
import Testing

@testable import Inference

/// Prediction modules of models with gated DeltaNet, which are published beside the model under `mtp.`, against a twin
/// (`Tests/Reference/make_hybrid_prediction_goldens.py`).
struct HybridPredictionTests {
  static let families = ["qwen3_next", "qwen3_5_moe", "qwen3_5"]

  /// The published form with the module; that of Qwen3-Next's is FP8 but for a few matrices.
  private func published(_ family: String) throws -> RewrittenCheckpoint {
    var whole = try PredictionFixture(family).checkpoint(try Golden(family))
    guard family == "qwen3_next" else { return whole }
    whole.config["quantization_config"] = [
      "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128],
      "modules_to_not_convert": ["lm_head", "mtp.fc", "mtp.layers.0.mlp.gate", "mtp.layers.0.mlp.shared_expert_gate"],
    ]
    return whole
  }

  private func withModule(
    _ family: String, changing change: (inout RewrittenCheckpoint) throws -> Void = { _ in },
    _ body: (_ folder: String) throws -> Void
  ) throws {
    var whole = try published(family)
    try change(&whole)
    try whole.written { try body($0) }
  }

  @Test(arguments: families) func guessesAgreeWithTheTwin(family: String) throws {
    let twin = try PredictionFixture(family)
    try withModule(family) { folder in
      let found = try ModuleReading(of: folder, twin.ids)
      for (values, expected, width) in [(found.hidden, try #require(twin.hidden), 24), (found.logits, twin.logits, 64)]
      {
        #expect(values.count == expected.count && expected.count == (twin.ids.count - 1) * width)
        let scale = expected.map(abs).max() ?? 0
        let worst = zip(values, expected).map { abs($0 - $1) }.max() ?? .infinity
        #expect(worst <= 1e-4 * scale, "\(worst) of \(scale)")
      }
      let expected = ModuleReading.greatest(twin.logits, of: 64)
      #expect(found.guesses == expected && Set(expected).count > 10)
      for isa in InstructionSet.supported {
        let other = try ModuleReading(of: folder, twin.ids, threads: 3, isa: isa)
        #expect(other.logits == found.logits && other.guesses == found.guesses, "\(isa)")
      }
    }
  }

  /// Wrong drafts leave states of the model's behind, and rows of the module's, that the next ones must not see.
  @Test(arguments: families, 1...3)
  func draftsAreWhatTheModuleGuessesOfTheWholeText(family: String, ranks: Int) throws {
    var layouts = [(SpeculationMode.mtp, 512), (.mtp, 16), (.auto, 512)].map {
      SpeculatedLayout(mode: $0, draftTokens: 4, ranks: ranks, batchTokens: $1)
    }
    if ranks > 1 {
      // One has no experts, and those of the other's module have a format of their own: only alike ones change places.
      for movesExperts in family == "qwen3_5_moe" ? [false, true] : [false] {
        var layout = layouts[0]
        (layout.sharing, layout.movesExperts) = (.sliced, movesExperts)
        layouts.append(layout)
      }
    }
    try withModule(family) { try ModuleReading.holdDrafts(of: $0, layouts) }
  }

  @Test(arguments: families, [(1, RankLayout.spread), (2, .spread), (3, .spread), (2, .sliced)])
  func rightDraftsTakeHalfTheSteps(family: String, on: (ranks: Int, sharing: RankLayout)) throws {
    try withModule(family) {
      try $0.zero(family == "qwen3_5" ? "model.language_model.embed_tokens.weight" : "lm_head.weight")
    } _: { folder in
      var layout = SpeculatedLayout(mode: .mtp, ranks: on.ranks)
      layout.sharing = on.sharing
      try ModuleReading.holdRightDrafts(of: folder, layout)
    }
  }

  /// Experts of the model and of its module lie apart or fused, each as it likes.
  @Test func expertsOfTheModuleLieAsTheyLike() throws {
    let twin = try PredictionFixture("qwen3_5_moe")
    let (fused, apart) = (true, false)
    var found: [[Float]] = []
    for (model, module) in [(apart, fused), (fused, fused), (apart, apart), (fused, apart)] {
      try withModule("qwen3_5_moe") { whole in
        if model == fused { whole.fuseExperts() }
        if module == apart { try takeApart(&whole) }
        let names = whole.tensors.keys.filter { $0.hasSuffix("experts.gate_up_proj") }
        #expect(names.contains { $0.hasPrefix("mtp.") } == module)
        #expect(names.contains { !$0.hasPrefix("mtp.") } == model)
      } _: { folder in
        found.append(try ModuleReading(of: folder, twin.ids).logits)
        let read = try ModelConfiguration.read(try CheckpointFormat.open(folder))
        #expect(read.predictionLayerCount == 1 && read.unreadTensors == [])
        #expect(ModuleReading.failure(of: folder, .mtp) == "")
      }
    }
    #expect(found.count == 4 && found.allSatisfy { $0 == found[0] })
  }

  private func takeApart(_ whole: inout RewrittenCheckpoint) throws {
    let start = "mtp.layers.0.mlp.experts"
    let both = try #require(whole.tensors["\(start).gate_up_proj"])
    let down = try #require(whole.tensors["\(start).down_proj"])
    for part in ["gate_up_proj", "down_proj"] { whole.tensors["\(start).\(part)"] = nil }
    let count = both.shape[0]
    let (half, size) = (both.bytes.count / count / 2, down.bytes.count / count)
    for expert in 0..<count {
      for (part, name) in ["gate_proj", "up_proj"].enumerated() {
        let first = (2 * expert + part) * half
        whole.tensors["\(start).\(expert).\(name).weight"] = .init(
          both.type, [both.shape[1] / 2, both.shape[2]], Array(both.bytes[first..<(first + half)]))
      }
      whole.tensors["\(start).\(expert).down_proj.weight"] = .init(
        down.type, Array(down.shape.dropFirst()), Array(down.bytes[(expert * size)..<((expert + 1) * size)]))
    }
  }

  /// A text model that was saved alone has its module under the same names.
  @Test func aTextModelAloneHasTheSameModule() throws {
    let twin = try PredictionFixture("qwen3_5")
    var found: [[Float]] = []
    for isAlone in [false, true] {
      try withModule("qwen3_5") { whole in
        guard isAlone else { return }
        whole.config = try #require(whole.config["text_config"]?.object)
        whole.tensors = whole.tensors.filter { !$0.key.hasPrefix("model.visual.") }
        whole.rename("model.language_model.", to: "model.")
      } _: {
        found.append(try ModuleReading(of: $0, twin.ids).logits)
      }
    }
    #expect(found.count == 2 && found[0] == found[1])
  }

  @Test(arguments: [
    "fc.weight", "norm.weight", "pre_fc_norm_embedding.weight", "pre_fc_norm_hidden.weight",
    "layers.0.input_layernorm.weight", "layers.0.post_attention_layernorm.weight", "layers.0.self_attn.q_proj.weight",
    "layers.0.self_attn.k_norm.weight", "layers.0.self_attn.o_proj.weight", "layers.0.mlp.gate.weight",
    "layers.0.mlp.experts.3.up_proj.weight", "layers.0.mlp.shared_expert.down_proj.weight",
    "layers.0.mlp.shared_expert_gate.weight",
  ])
  func whatTheModuleLacksIsNamed(tensor: String) throws {
    for isReshaped in [false, true] {
      try withModule("qwen3_next") { whole in
        _ = try #require(whole.tensors["mtp.\(tensor)"])
        whole.tensors["mtp.\(tensor)"] = isReshaped ? .init([1, 2, 3], [3], as: .float32) : nil
      } _: {
        try ModuleReading.holdRefusal(of: $0, naming: "mtp.\(tensor)")
      }
    }
  }

  /// What nobody would read means that the module computes something else.
  @Test(
    arguments: [
      "embed_tokens.weight", "fc.bias", "layers.0.self_attn.q_proj.bias", "layers.0.self_attn.sinks",
      "layers.0.mlp.experts.6.up_proj.weight", "layers.0.linear_attn.A_log",
    ])
  func whatTheModuleHasTooMuchIsNamed(tensor: String) throws {
    try withModule("qwen3_next") {
      $0.tensors["mtp.\(tensor)"] = .init([1], [1], as: .float32)
    } _: {
      try ModuleReading.holdRefusal(of: $0, naming: "mtp.\(tensor)")
    }
  }

  /// Of several modules the first drafts; what lies under numbers that no module has is none.
  @Test func furtherModulesAreLeftOut() throws {
    try withModule("qwen3_5") { whole in
      whole.tensors["mtp.layers.1.self_attn.q_proj.weight"] = .init([1], [1], as: .float32)
      whole.tensors["mtp.layers.\(Int.max).x"] = .init([1], [1], as: .float32)
    } _: { folder in
      let read = try ModelConfiguration.read(try CheckpointFormat.open(folder))
      #expect(read.predictionLayerCount == 2 && read.outerPredictionLayerCount == 1 && read.unreadTensors == [])
      #expect(ModuleReading.failure(of: folder, .mtp) == "")
    }
    #expect(
      ModuleReading.failure(of: try Golden("qwen3_moe").folder, .mtp).contains("has no multi-token prediction layer"))
  }

  /// What `inspect` tells, of all that there is and of what drafts bring.
  @Test(arguments: families) func theModuleIsCounted(family: String) throws {
    let module = try PredictionFixture(family).tensors.filter { !$0.key.hasSuffix("_scale_inv") }.values
    try withModule(family) { folder in
      let checkpoint = try CheckpointFormat.open(folder)
      let plain = try ModelConfiguration.read(checkpoint)
      #expect(plain.predictionLayerCount == 1 && plain.outerPredictionLayerCount == 0 && plain.unreadNote == nil)
      let without = try ModelInventory(plain, checkpoint: checkpoint).total.parameters
      let with = try ModelInventory(plain.predicting(), checkpoint: checkpoint).total.parameters
      #expect(with - without == module.reduce(0) { $0 + $1.shape.reduce(1, *) })
    }
  }

  /// Quantised on load, the module is held as the model is.
  @Test(arguments: families, [WeightPrecision.q8, .q4])
  func aRoundedModuleIsNearly(family: String, weights: WeightPrecision) throws {
    try withModule(family) { try ModuleReading.holdRounded($0, as: weights, try PredictionFixture(family)) }
  }
}
