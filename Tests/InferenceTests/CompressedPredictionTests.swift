import Checkpoints
import EngineAPI
import Fabric
import Foundation
import Kernels
import Machine
import ModelRuntime
import MoEModel
import Testing

@testable import Inference

/// DeepSeek-V4's prediction module, whose layer follows several streams, against a twin in float64.
struct CompressedPredictionTests {
  private static let module = Golden.fixtures.appending(path: "prediction/deepseek_v4.safetensors").path

  /// Calls `body` with a folder of the published form that has the module.
  private func withModule(
    changing change: (inout RewrittenCheckpoint) throws -> Void = { _ in }, _ body: (_ folder: String) throws -> Void
  ) throws {
    let file = try SafetensorsFile(path: Self.module)
    var whole = try RewrittenCheckpoint(try Golden("deepseek_v4"))
    for entry in file.entries where entry.name.hasPrefix("mtp.") {
      whole.tensors[entry.name] = .init(entry.type, entry.shape, try file.readAll(entry))
    }
    try change(&whole)
    try whole.written { try body($0) }
  }

  /// The twin's text, and what it makes of it.
  private func expected() throws -> (ids: [Int32], logits: [Float]) {
    let file = try SafetensorsFile(path: Self.module)
    return (
      try file.int32s(try #require(file.tensor("ids"))), try file.float32s(try #require(file.tensor("logits")))
    )
  }

  /// The module's logits after each token of a text that it reads whole but for the last.
  private func logits(
    _ folder: String, _ tokens: [Int32], threads: Int = 1, isa: InstructionSet = .best,
    weights: WeightPrecision = .auto
  ) throws -> [Float] {
    try PredictionRun.over(tokens, folder, threads: threads, isa: isa, weights: weights) { decoder in
      let found = decoder.logits(ofRows: 0..<(tokens.count - 1), ahead: true).logits
      return (0..<found.rowCount).flatMap { Array(UnsafeBufferPointer(start: found[$0], count: found.columns)) }
    }
  }

  private func greatest(_ logits: [Float], of vocabulary: Int = 64) -> [Int32] {
    stride(from: 0, to: logits.count, by: vocabulary).map { row in
      Int32((0..<vocabulary).max { logits[row + $0] < logits[row + $1] } ?? 0)
    }
  }

  @Test func guessesAgreeWithTheTwin() throws {
    let (ids, expected) = try expected()
    try withModule { folder in
      let found = try logits(folder, ids)
      #expect(found.count == expected.count && expected.count == (ids.count - 1) * 64)
      let scale = expected.map(abs).max() ?? 0
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-3 * scale })
      #expect(greatest(found) == greatest(expected) && Set(greatest(expected)).count > 10)
      for isa in InstructionSet.supported {
        #expect(try logits(folder, ids, threads: 3, isa: isa) == found, "\(isa)")
      }
    }
  }

  private let requests: RequestMaker = {
    var sampling = SamplingParameters()
    (sampling.temperature, sampling.seed) = (0.9, 3)
    return [45, 9, 9].enumerated().map { (i: Int, count: Int) -> GenerationRequest in
      let prompt = (0..<count).map { (place: Int) -> Int32 in Int32((place * 31 + i) % 60) }
      return GenerationRequest(
        prompt: prompt, task: .generate(maxNewTokens: 50, sampling: sampling, stopTokens: []))
    }
  }

  /// Wrong drafts leave states behind that the module's layer, too, must go back from.
  @Test(arguments: 1...3) func draftsAreWhatTheModuleGuessesOfTheWholeText(ranks: Int) throws {
    try withModule { folder in try holdDrafts(of: folder, ranks: ranks) }
  }

  private func holdDrafts(of folder: String, ranks: Int) throws {
    let plain = try speculate(model: folder, SpeculatedLayout(), requests)
    let settings: [(SpeculationMode, Int)] = [(.mtp, 512), (.mtp, 16), (.auto, 512)]
    for (mode, batchTokens) in settings {
      let layout = SpeculatedLayout(mode: mode, draftTokens: 4, ranks: ranks, batchTokens: batchTokens)
      let run = try speculate(model: folder, layout, requests)
      #expect(run.drawn == plain.drawn && run.speculation.draftedCount > 0, "\(layout)")
      let expected = greatest(try logits(folder, requests()[0].prompt + run.tokens[0]))
      #expect(run.guesses.count > 10)
      for (count, guess) in run.guesses {
        #expect(guess == expected[count - 2], "\(mode), after \(count) tokens")
      }
    }
  }

  /// With a head of zeros model and module say the lowest id for ever: each draft is right.
  @Test func rightDraftsTakeHalfTheSteps() throws {
    try withModule(changing: { whole in
      let head = try #require(whole.tensors["head.weight"])
      whole.tensors["head.weight"] = .init(head.type, head.shape, [UInt8](repeating: 0, count: head.bytes.count))
    }) { folder in
      let make: RequestMaker = {
        [GenerationRequest(prompt: [1, 2, 3], task: .generate(maxNewTokens: 41, sampling: .init(), stopTokens: []))]
      }
      let run = try speculate(model: folder, SpeculatedLayout(mode: .mtp, ranks: 2), make)
      #expect(run.tokens == [Array(repeating: 0, count: 41)])
      #expect(run.steps == 1 + 20 && run.speculation.acceptance == 1 && run.speculation.runLength == 2)
    }
  }

  private func failure(_ folder: String, _ mode: SpeculationMode) -> String {
    do {
      _ = try speculate(model: folder, SpeculatedLayout(mode: mode)) { [] }
      return ""
    } catch { return "\(error)" }
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
      }) { folder in
        #expect(failure(folder, .mtp).contains(name.dropLast(isReshaped ? 0 : 6)), "\(failure(folder, .mtp))")
        #expect(failure(folder, .off) == "" && failure(folder, .lookup) == "")
        let run = try speculate(model: folder, SpeculatedLayout(mode: .auto)) { [] }
        #expect(run.notes.contains { $0.contains("is not whole") }, "\(run.notes)")
      }
    }
  }

  /// What lies under the same names and is no such module, as in releases with modules of another kind, is left out.
  @Test func otherModulesAreLeftOut() throws {
    for mode in [SpeculationMode.off, .auto] {
      let run = try speculate(model: try Golden("deepseek_v4").folder, SpeculatedLayout(mode: mode)) { [] }
      #expect(run.failures == [])
    }
    #expect(failure(try Golden("deepseek_v4").folder, .mtp).contains("has no multi-token prediction layer"))
    try withModule(changing: { whole in
      whole.tensors["mtp.0.h_proj.weight"] = nil
      whole.tensors["mtp.\(Int.max).h_proj.weight"] = .init([1], [1], as: .float32)
      whole.tensors["mtp.1.main_proj.weight"] = .init([1], [1], as: .float32)
    }) { folder in
      let read = try ModelConfiguration.read(try CheckpointFormat.open(folder))
      #expect(read.predictionLayerCount == 0 && read.outerPredictionLayerCount == 3 && read.unreadTensors == [])
      #expect(failure(folder, .off) == "")
    }
  }

  /// Quantised on load, the module is held as the model is.
  @Test(arguments: [WeightPrecision.q8, .q4]) func aRoundedModuleIsNearly(weights: WeightPrecision) throws {
    let twin = try expected()
    try withModule { folder in
      let (ids, expected) = (twin.ids, greatest(twin.logits))
      let found = greatest(try logits(folder, ids, weights: weights))
      let same = zip(found, expected).count { $0 == $1 }
      #expect(same > expected.count / (weights == .q8 ? 2 : 6), "\(same) of \(expected.count)")
    }
  }
}
