import JSON
import TestSupport
import Testing

@testable import Checkpoints

/// Numbers of gated DeltaNet's tensors and settings that do not go together.
struct HostileDeltaGGUFTests {
  let folder = TemporaryFolder()

  /// One layer of two key heads with two value heads each, all of two dimensions.
  private func file(_ architecture: String) -> GGUFBytes {
    var file = GGUFBytes.tinyLlama.renamed(architecture)
    for (key, value) in [
      ("ssm.conv_kernel", 4), ("ssm.state_size", 2), ("ssm.group_count", 2), ("ssm.time_step_rank", 4),
      ("ssm.inner_size", 8), ("attention.key_length", 4), ("attention.value_length", 4), ("rope.dimension_count", 2),
    ] as [(String, UInt32)] { file["\(architecture).\(key)"] = .uint32(value) }
    file.tensors.removeAll { $0.name.contains("attn_q") || $0.name.contains("attn_k") || $0.name.contains("attn_v") }
    func add(_ name: String, _ shape: [Int]) {
      file.tensors.append(.init("blk.0.\(name)", shape, floats: (0..<shape.reduce(1, *)).map { Float($0) }))
    }
    add("attn_qkv.weight", [16, 8])
    add("attn_gate.weight", [8, 8])
    add("ssm_conv1d.weight", [16, 4])
    add("ssm_dt.bias", [4])
    add("ssm_a", [4])
    add("ssm_norm.weight", [2])
    add("ssm_out.weight", [8, 8])
    if architecture == "qwen3next" {
      add("ssm_ba.weight", [8, 8])
    } else {
      add("ssm_alpha.weight", [4, 8])
      add("ssm_beta.weight", [4, 8])
    }
    return file
  }

  private func opened(
    _ architecture: String, _ change: (inout GGUFBytes) -> Void = { _ in }
  ) throws(CheckpointError) -> any Checkpoint {
    var file = file(architecture)
    change(&file)
    return try CheckpointFormat.open(folder.write(file.bytes, as: "m.gguf"))
  }

  private func problem(_ architecture: String, _ change: (inout GGUFBytes) -> Void) -> GGUFProblem? {
    do throws(CheckpointError) {
      _ = try opened(architecture, change)
      return nil
    } catch {
      guard case .gguf(_, _, let problem) = error else { return nil }
      return problem
    }
  }

  private func values(_ checkpoint: any Checkpoint, _ name: String) throws -> [Float] {
    try checkpoint.float32s(try #require(checkpoint.tensor("model.layers.0.linear_attn.\(name)")))
  }

  @Test func headsAreInThePublishedOrder() throws {
    let checkpoint = try opened("qwen35")
    #expect(try values(checkpoint, "A") == [0, 2, 1, 3])
    #expect(try values(checkpoint, "dt_bias") == [0, 2, 1, 3])
    let rows = try values(checkpoint, "in_proj_z.weight").enumerated().filter { $0.offset % 8 == 0 }.map {
      $0.element / 8
    }
    #expect(rows == [0, 1, 4, 5, 2, 3, 6, 7])
    let channels = try values(checkpoint, "conv1d.weight").enumerated().filter { $0.offset % 4 == 0 }.map {
      $0.element / 4
    }
    #expect(channels == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15])
    #expect(checkpoint.tensor("model.layers.0.linear_attn.conv1d.weight")?.shape == [16, 1, 4])
    #expect(try Array(values(checkpoint, "out_proj.weight").prefix(8)) == [0, 1, 4, 5, 2, 3, 6, 7])
    let next = try opened("qwen3next")
    #expect(try values(next, "in_proj_b.weight").prefix(17).suffix(2) == [15, 32])
    #expect(try values(next, "in_proj_a.weight").first == 16)
    #expect(try values(next, "A") == [0, 1, 2, 3])
  }

  /// The first files of Qwen3-Next have gates beside queries, keys and values, and betas and decays as published.
  @Test func olderFilesKeepWhatIsJoined() throws {
    let checkpoint = try opened("qwen3next") { file in
      file.tensors.removeAll { $0.name.contains("attn_qkv") || $0.name.contains("attn_gate") }
      file.tensors.append(
        .init("blk.0.ssm_in.weight", [24, 8], floats: [Float](repeating: 1, count: 192)))
    }
    #expect(checkpoint.holds("model.layers.0.linear_attn.in_proj_qkvz.weight"))
    #expect(checkpoint.holds("model.layers.0.linear_attn.in_proj_ba.weight"))
  }

  @Test(arguments: [
    ("attn_qkv.weight", [15, 8]), ("attn_gate.weight", [4, 8]), ("ssm_conv1d.weight", [8, 4]), ("ssm_a", [3]),
    ("ssm_dt.bias", [8]), ("ssm_alpha.weight", [8, 8]), ("ssm_out.weight", [8, 4]), ("ssm_out.weight", [64]),
    ("ssm_a", [0]), ("attn_gate.weight", [8, 0]),
  ]) func otherShapesAreRefused(name: String, shape: [Int]) {
    let found = problem("qwen35") { file in
      file.tensors.removeAll { $0.name == "blk.0.\(name)" }
      file.tensors.append(
        .init("blk.0.\(name)", shape, floats: [Float](repeating: 1, count: shape.reduce(1, *))))
    }
    switch found {
    case .shape("blk.0.\(name)", shape, _)?, .dimension?: break
    default: Issue.record("\(name) \(shape): \(String(describing: found))")
    }
  }

  @Test func settingsThatDoNotGoTogetherAreRefused() {
    #expect(problem("qwen35") { $0["qwen35.ssm.group_count"] = nil } == .missing(key: "qwen35.ssm.group_count"))
    #expect(
      problem("qwen35") { $0["qwen35.attention.key_length"] = nil } == .missing(key: "qwen35.attention.key_length"))
    #expect(
      problem("qwen35") { $0["qwen35.ssm.inner_size"] = .uint32(9) }
        == .unsupported(
          key: "qwen35.ssm.inner_size", value: "9", remedy: "a multiple of ssm.time_step_rank, 4, is"))
    // Three key heads for four value heads, or more than can be.
    for groups in [3, UInt32.max / 4] {
      let found = problem("qwen35") { $0["qwen35.ssm.group_count"] = .uint32(groups) }
      guard case .unsupported("qwen35.ssm.group_count", _, _)? = found else {
        Issue.record("\(groups) key heads are taken")
        continue
      }
    }
    #expect(
      problem("qwen35") {
        $0["qwen35.attention.recurrent_layers"] = .raw(9, [7, 0, 0, 0] + [UInt8](repeating: 0, count: 8))
      }
        == .unsupported(
          key: "qwen35.attention.recurrent_layers", value: "0 values", remedy: "one for each of 1 layers is"))
    #expect(
      problem("qwen35") { $0["qwen35.attention.recurrent_layers"] = .int32s([2]) }
        == .wrongType(
          key: "qwen35.attention.recurrent_layers", found: "an integer", expected: "a list of truth values"))
  }

  /// Layers past the last are a module beside the model.
  @Test func aModuleIsNamedOutsideOfTheModel() throws {
    let checkpoint = try opened("qwen35") { file in
      file["qwen35.block_count"] = .uint32(2)
      file["qwen35.nextn_predict_layers"] = .uint32(1)
      for name in ["nextn.eh_proj", "nextn.enorm", "nextn.embed_tokens", "attn_q", "ssm_out", "ffn_gate_exps"] {
        file.tensors.append(.init("blk.1.\(name).weight", [2, 8, 8], floats: [Float](repeating: 1, count: 128)))
      }
    }
    for name in [
      "fc.weight", "pre_fc_norm_embedding.weight", "layers.0.embed_tokens.weight", "layers.0.self_attn.q_proj.weight",
      "layers.0.ssm_out.weight", "layers.0.mlp.experts.1.gate_proj.weight",
    ] { #expect(checkpoint.holds("mtp.\(name)"), "\(name)") }
    #expect(checkpoint.config["num_hidden_layers"]?.exactInt == 1)
    #expect(checkpoint.config["mtp_num_hidden_layers"]?.exactInt == 1)
    #expect(try opened("qwen35").config["mtp_num_hidden_layers"]?.exactInt == 0)
  }
}
