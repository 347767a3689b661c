import Checkpoints
import Foundation
import JSON
import ModelRuntime
import MoEModel
import TestSupport
import Testing

/// The families without a golden as llama.cpp's converter writes them (`Tests/Reference/make_gguf_families.py`): the
/// same model as their folder, bit for bit.
struct GGUFFamilyTests {
  static let names = [
    "bailing_moe_v2", "dots1", "ernie4_5_moe", "exaone_moe", "hy_v3", "mistral4", "sarvam_moe", "solar_open",
  ]

  private static let ids: [Int32] = (0..<26).map { ($0 * 7 + 3) % 48 }

  private func path(_ name: String) -> String { Golden.fixtures.appending(path: "gguf/\(name).gguf").path }

  /// The folder, with what files do not tell as they are taken to mean it.
  private func folder(_ name: String) throws -> RewrittenCheckpoint {
    var folder = try RewrittenCheckpoint(
      try HuggingFaceFolder(path: FamilyFixtures.folder(name)))
    if name == "dots1" { folder.config["sliding_window"] = .null }
    if name == "mistral4", var rotary = folder.config["rope_parameters"]?.object {
      rotary["llama_4_scaling_beta"] = .double(0.1)
      folder.config["rope_parameters"] = .object(rotary)
    }
    return folder
  }

  private func result(_ model: String, _ layout: Layout) throws -> RunResult {
    try run(model: model, scored: [Self.ids], prompts: [Array(Self.ids.prefix(9))], newTokens: 4, layout: layout)
  }

  @Test(arguments: names) func outputsAreThoseOfTheFolder(name: String) throws {
    let expected = try folder(name).written { try result($0, Layout()) }
    for layout in [Layout(), Layout(ranks: 2, threads: 2, batchTokens: 3), Layout(ranks: 3, sharing: .sliced)] {
      let found = try result(path(name), layout)
      #expect(found == expected, "\(layout)")
    }
  }

  @Test(arguments: names) func everySettingAndTensorIsRead(name: String) throws {
    let file = try CheckpointFormat.open(path(name))
    let found = try ModelConfiguration.read(file)
    let expected = try folder(name).written { try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
    #expect(found.unreadNote == nil, "\(found.unreadNote ?? "")")
    #expect("\(found.layers)" == "\(expected.layers)")
    #expect("\(String(describing: found.moe))" == "\(String(describing: expected.moe))")
    #expect(found.maximumPositions == expected.maximumPositions && found.tiedEmbeddings == expected.tiedEmbeddings)
  }

  /// The settings of a file of an architecture that is changed by hand.
  private func config(
    _ architecture: String, _ change: (inout GGUFBytes) -> Void
  ) throws(CheckpointError) -> JSONObject? {
    var file = GGUFBytes.tinyLlama.renamed(architecture)
    change(&file)
    let folder = TemporaryFolder()
    return try CheckpointFormat.open(folder.write(file.bytes, as: "m.gguf")).config.object
  }

  private func problem(_ architecture: String, _ change: (inout GGUFBytes) -> Void) -> GGUFProblem? {
    do throws(CheckpointError) {
      _ = try config(architecture, change)
      return nil
    } catch {
      guard case .gguf(_, _, let problem) = error else { return nil }
      return problem
    }
  }

  @Test(arguments: ["bailingmoe2", "dots1", "exaone-moe", "hy_v3"])
  func anotherRouterIsRefused(architecture: String) {
    #expect(
      problem(architecture) { $0["\(architecture).expert_gating_func"] = .uint32(1) }
        == .unsupported(
          key: "\(architecture).expert_gating_func", value: "1",
          remedy: "models of this architecture have 2 (sigmoid)"))
  }

  @Test(arguments: ["bailingmoe2", "ernie4_5-moe", "hy_v3"])
  func weightsThatAreNotDividedByTheirSumAreRefused(architecture: String) {
    #expect(
      problem(architecture) { $0["\(architecture).expert_weights_norm"] = .bool(false) }
        == .unsupported(key: "\(architecture).expert_weights_norm", value: "false", remedy: "only true is"))
  }

  @Test func theWindowOfWhichLayersMustBeTold() {
    #expect(
      problem("exaone-moe") { $0["exaone-moe.attention.sliding_window"] = .uint32(8) }
        == .missing(key: "exaone-moe.attention.sliding_window_pattern"))
  }

  @Test func aSharedExpertIsAsWideAsSeveral() {
    #expect(
      problem("hy_v3") { $0["hy_v3.expert_shared_feed_forward_length"] = .uint32(7) }
        == .unsupported(
          key: "hy_v3.expert_shared_feed_forward_length", value: "7",
          remedy: "a multiple of expert_feed_forward_length, 6, is"))
  }

  @Test func layersWithExpertsAreThoseThatHaveARouter() throws {
    let config = try config("hy_v3") { file in
      file["hy_v3.block_count"] = .uint32(2)
      file.tensors.append(.init("blk.1.ffn_gate_inp.weight", [4, 8], floats: [Float](repeating: 0, count: 32)))
    }
    #expect(config?["mlp_layer_types"] == ["dense", "sparse"])
  }

  @Test func howQueriesGrowIsReadWhereItIsTold() throws {
    func beta(_ told: Float?) throws -> JSONValue? {
      try config("mistral4") { file in
        file["mistral4.attention.kv_lora_rank"] = .uint32(4)
        file["mistral4.rope.dimension_count"] = .uint32(2)
        file["mistral4.rope.scaling.type"] = .string("yarn")
        file["mistral4.rope.scaling.factor"] = .float32(4)
        file["mistral4.rope.scaling.original_context_length"] = .uint32(16)
        if let told { file["mistral4.attention.temperature_scale"] = .float32(told) }
      }?["rope_parameters"]?["llama_4_scaling_beta"]
    }
    #expect(try beta(nil)?.number?.double == 0.1)
    #expect(try beta(0.5)?.number?.double == 0.5)
  }
}
