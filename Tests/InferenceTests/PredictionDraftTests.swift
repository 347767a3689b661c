import Checkpoints
import EngineAPI
import Fabric
import Kernels
import Machine
import ModelRuntime
import MoEModel
import Testing

@testable import Inference

/// Drafts of the model's own prediction module.
struct PredictionDraftTests {
  @Test(
    arguments: ["deepseek_v3_fp8", "glm4_moe_lite"],
    [(1, RankLayout.spread), (2, .spread), (3, .spread), (2, .sliced), (3, .sliced), (5, .sliced), (8, .sliced)])
  func draftsAreWhatTheModuleGuessesOfTheWholeText(model: String, on: (ranks: Int, sharing: RankLayout)) throws {
    let folder = try Golden(model).folder
    let make: RequestMaker = {
      var sampling = SamplingParameters()
      (sampling.temperature, sampling.seed) = (0.9, 3)
      return (0..<3).map { i in
        GenerationRequest(
          prompt: (0..<(i == 0 ? 45 : 9)).map { Int32(($0 * 31 + i) % 500) },
          task: .generate(maxNewTokens: 50, sampling: sampling, stopTokens: []))
      }
    }
    let prompt = make()[0].prompt
    // Wrong drafts leave rows behind that the next ones must overwrite: some of look-up, too.
    for (mode, batchTokens) in [(SpeculationMode.mtp, 512), (.mtp, 16), (.auto, 512)] {
      var layout = SpeculatedLayout(mode: mode, draftTokens: 4, ranks: on.ranks, batchTokens: batchTokens)
      layout.sharing = on.sharing
      let run = try speculate(model: folder, layout, make)
      let text = prompt + run.tokens[0]
      // Entry i is the guess of token i + 2.
      let expected = try PredictionRun.over(text, folder) { decoder in
        var guesses: [Int32] = []
        try decoder.predictions(ofRows: Array(text.indices.dropLast()), into: &guesses)
        return guesses
      }
      #expect(run.guesses.count > 10)
      for (count, guess) in run.guesses {
        #expect(guess == expected[count - 2], "\(mode), after \(count) tokens")
      }
    }
  }

  /// With a head of zeros model and module say the lowest id for ever: each draft is right.
  @Test(arguments: [1, 2, 3], RankLayout.allCases.filter { $0 != .auto })
  func rightDraftsTakeHalfTheSteps(ranks: Int, sharing: RankLayout) throws {
    var rewritten = try RewrittenCheckpoint(try Golden("glm4_moe_lite"))
    let head = try #require(rewritten.tensors["lm_head.weight"])
    rewritten.tensors["lm_head.weight"] = .init(
      head.type, head.shape, [UInt8](repeating: 0, count: head.bytes.count))
    try rewritten.written { folder in
      let make: RequestMaker = {
        (0..<3).map {
          GenerationRequest(
            prompt: [1, 2, Int32($0)], task: .generate(maxNewTokens: 41, sampling: .init(), stopTokens: []))
        }
      }
      var layout = SpeculatedLayout(mode: .mtp, draftTokens: 4, ranks: ranks)
      layout.sharing = sharing
      let run = try speculate(model: folder, layout, make)
      #expect(run.tokens == Array(repeating: Array(repeating: 0, count: 41), count: 3))
      #expect(run.steps == 1 + 20 && run.speculation.acceptance == 1 && run.speculation.runLength == 2)
      // The module's draft, gone on with what came before.
      layout.mode = .auto
      let both = try speculate(model: folder, layout, make)
      #expect(both.tokens == run.tokens && both.steps < run.steps)
    }
  }

  private func failure(_ folder: String, _ mode: SpeculationMode) -> String {
    do {
      _ = try speculate(model: folder, SpeculatedLayout(mode: mode, ranks: 2)) { [] }
      return ""
    } catch FabricError.peersFailed(let failures) {
      return failures.map { "\($0.ranks.map(\.index)) \($0.message)" }.joined(separator: "\n")
    } catch { return "not agreed on: \(error)" }
  }

  @Test func aModelWithoutTheModuleIsNamedOnAllRanks() throws {
    for model in ["qwen3_moe", "kimi_k2", "llama"] {
      let message = failure(try Golden(model).folder, .mtp)
      #expect(message.hasPrefix("[0, 1] ") && message.contains("has no multi-token prediction layer"), "\(message)")
      #expect(failure(try Golden(model).folder, .auto) == "")
      let run = try speculate(model: try Golden(model).folder, SpeculatedLayout(mode: .auto)) { [] }
      #expect(run.notes.contains { $0.contains("look-up alone") })
    }
  }

  @Test(arguments: [
    "enorm.weight", "hnorm.weight", "shared_head.norm.weight", "mlp.experts.3.up_proj.weight", "mlp.gate.weight",
    "self_attn.kv_b_proj.weight", "input_layernorm.weight",
  ])
  func whatAModuleLacksIsNamed(tensor: String) throws {
    let name = "model.layers.3.\(tensor)"
    for isReshaped in [false, true] {
      var rewritten = try RewrittenCheckpoint(try Golden("glm4_moe_lite"))
      rewritten.tensors[name] = isReshaped ? .init([1, 2], [2], as: .float32) : nil
      try rewritten.written { folder in
        #expect(failure(folder, .mtp).contains(name), "\(failure(folder, .mtp))")
        // Who does not need the module runs as before.
        #expect(failure(folder, .off) == "" && failure(folder, .lookup) == "")
        let run = try speculate(model: folder, SpeculatedLayout(mode: .auto)) { [] }
        #expect(run.notes.contains { $0.contains("is not whole") }, "\(run.notes)")
      }
    }
  }

  @Test func anotherModelTakesItsPlaceWithItsModule() throws {
    let folder = try Golden("glm4_moe_lite").folder
    let communicator = LocalCommunicator.solo()
    var options = SessionOptions()
    (options.threadsPerRank, options.speculation.mode, options.speculation.adapts) = (1, .mtp, false)
    let session = try GenerationSession(model: folder, options: options, communicator: communicator) { _ in }
    let loop = session.makeLoop()
    func draw() throws -> [Int32] {
      var tokens: [Int32] = []
      _ = try loop.submit(
        GenerationRequest(prompt: [1, 2, 3], task: .generate(maxNewTokens: 9, sampling: .init(), stopTokens: [])))
      while loop.hasWork {
        for case .token(_, let token, _) in try loop.step() { tokens.append(token.token) }
      }
      return tokens
    }
    let before = try draw()
    try loop.loadModel(folder)
    #expect(try draw() == before && session.description.predicts)
    #expect(throws: (any Error).self) { try loop.loadModel(try Golden("kimi_k2").folder) }
    #expect(try draw() == before)
    try loop.stop()
  }
}
