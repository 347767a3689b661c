import Checkpoints
import EngineAPI
import Fabric
import Foundation
import Kernels
import Machine
import ModelRuntime
import MoEModel
import Tensors
import Testing

@testable import Inference

/// DeepSeek-V4's prediction module, whose layer follows several streams, against a twin in float64.
struct CompressedPredictionTests {
  /// Calls `body` with a folder of the published form that has the module.
  private func withModule(
    changing change: (inout RewrittenCheckpoint) throws -> Void = { _ in }, _ body: (_ folder: String) throws -> Void
  ) throws {
    var whole = try PredictionFixture("deepseek_v4").checkpoint(try Golden("deepseek_v4"))
    try change(&whole)
    try whole.written { try body($0) }
  }

  private func greatest(_ logits: [Float]) -> [Int32] { ModuleReading.greatest(logits, of: 64) }

  @Test func guessesAgreeWithTheTwin() throws {
    let twin = try PredictionFixture("deepseek_v4")
    let (ids, expected) = (twin.ids, twin.logits)
    try withModule { folder in
      let found = try ModuleReading(of: folder, ids).logits
      #expect(found.count == expected.count && expected.count == (ids.count - 1) * 64)
      let scale = expected.map(abs).max() ?? 0
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-3 * scale })
      #expect(greatest(found) == greatest(expected) && Set(greatest(expected)).count > 10)
      for isa in InstructionSet.supported {
        #expect(try ModuleReading(of: folder, ids, threads: 3, isa: isa).logits == found, "\(isa)")
      }
    }
  }

  /// Wrong drafts leave states behind that the module's layer, too, must go back from.
  @Test(arguments: 1...3) func draftsAreWhatTheModuleGuessesOfTheWholeText(ranks: Int) throws {
    try withModule { folder in
      let settings: [(SpeculationMode, Int)] = [(.mtp, 512), (.mtp, 16), (.auto, 512)]
      try ModuleReading.holdDrafts(
        of: folder,
        settings.map { SpeculatedLayout(mode: $0, draftTokens: 4, ranks: ranks, batchTokens: $1) })
    }
  }

  @Test func rightDraftsTakeHalfTheSteps() throws {
    try withModule(changing: { try $0.zero("head.weight") }) {
      try ModuleReading.holdRightDrafts(of: $0, SpeculatedLayout(mode: .mtp, ranks: 2))
    }
  }

  @Test(arguments: [
    "enorm.weight", "hnorm.weight", "e_proj.weight", "e_proj.scale", "norm.weight", "hc_head_fn", "hc_ffn_base",
    "attn.wkv.weight", "attn.attn_sink", "ffn.gate.bias", "ffn.experts.3.w3.weight", "ffn.shared_experts.w2.weight",
  ])
  func whatTheModuleLacksIsNamed(tensor: String) throws {
    let name = "mtp.0.\(tensor)"
    for isReshaped in [false, true] {
      try withModule(changing: { whole in
        _ = try #require(whole.tensors[name])
        whole.tensors[name] = isReshaped ? .init([1, 2, 3], [3], as: .float32) : nil
      }) {
        try ModuleReading.holdRefusal(of: $0, naming: name.dropLast(isReshaped ? 0 : 6))
      }
    }
  }

  /// What lies under the same names and is no such module, as in releases with modules of another kind, is left out.
  @Test func otherModulesAreLeftOut() throws {
    for mode in [SpeculationMode.off, .auto] {
      let run = try speculate(model: try Golden("deepseek_v4").folder, SpeculatedLayout(mode: mode)) { [] }
      #expect(run.failures == [])
    }
    #expect(
      ModuleReading.failure(of: try Golden("deepseek_v4").folder, .mtp).contains("has no multi-token prediction layer"))
    try withModule(changing: { whole in
      whole.tensors["mtp.0.h_proj.weight"] = nil
      whole.tensors["mtp.\(Int.max).h_proj.weight"] = .init([1], [1], as: .float32)
      whole.tensors["mtp.1.main_proj.weight"] = .init([1], [1], as: .float32)
    }) { folder in
      let read = try ModelConfiguration.read(try CheckpointFormat.open(folder))
      #expect(read.predictionLayerCount == 0 && read.outerPredictionLayerCount == 3 && read.unreadTensors == [])
      #expect(ModuleReading.failure(of: folder, .off) == "")
    }
  }

  /// Quantised on load, the module is held as the model is.
  @Test(arguments: [WeightPrecision.q8, .q4]) func aRoundedModuleIsNearly(weights: WeightPrecision) throws {
    try withModule { try ModuleReading.holdRounded($0, as: weights, try PredictionFixture("deepseek_v4")) }
  }
}
