import Checkpoints
import EngineAPI
import Fabric
import Kernels
import Machine
import ModelRuntime
import MoEModel
import Tensors
import Testing

@testable import Inference

/// Drafts of the model's own prediction module.
struct PredictionDraftTests {
  @Test(
    arguments: ["deepseek_v3_fp8", "glm4_moe_lite"],
    [(1, RankLayout.spread), (2, .spread), (3, .spread), (2, .sliced), (3, .sliced), (5, .sliced), (8, .sliced)])
  func draftsAreWhatTheModuleGuessesOfTheWholeText(model: String, on: (ranks: Int, sharing: RankLayout)) throws {
    // Wrong drafts leave rows behind that the next ones must overwrite: some of look-up, too.
    let layouts = [(SpeculationMode.mtp, 512), (.mtp, 16), (.auto, 512)].map {
      var layout = SpeculatedLayout(mode: $0, draftTokens: 4, ranks: on.ranks, batchTokens: $1)
      layout.sharing = on.sharing
      return layout
    }
    try ModuleReading.holdDrafts(of: try Golden(model).folder, layouts)
  }

  @Test(arguments: [1, 2, 3], RankLayout.allCases.filter { $0 != .auto })
  func rightDraftsTakeHalfTheSteps(ranks: Int, sharing: RankLayout) throws {
    var rewritten = try RewrittenCheckpoint(try Golden("glm4_moe_lite"))
    try rewritten.zero("lm_head.weight")
    try rewritten.written { folder in
      let prompts: [[Int32]] = [[1, 2, 0], [1, 2, 1], [1, 2, 2]]
      var layout = SpeculatedLayout(mode: .mtp, draftTokens: 4, ranks: ranks)
      layout.sharing = sharing
      let run = try ModuleReading.holdRightDrafts(of: folder, layout, after: prompts)
      // The module's draft, gone on with what came before.
      layout.mode = .auto
      let both = try speculate(model: folder, layout, ModuleReading.likeliest(after: prompts))
      #expect(both.tokens == run.tokens && both.steps < run.steps)
    }
  }

  @Test func aModelWithoutTheModuleIsNamedOnAllRanks() throws {
    for model in ["qwen3_moe", "kimi_k2", "llama"] {
      let message = ModuleReading.failure(of: try Golden(model).folder, .mtp, ranks: 2)
      #expect(message.hasPrefix("[0, 1] ") && message.contains("has no multi-token prediction layer"), "\(message)")
      #expect(ModuleReading.failure(of: try Golden(model).folder, .auto, ranks: 2) == "")
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
      try rewritten.written { try ModuleReading.holdRefusal(of: $0, naming: name, ranks: 2) }
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
