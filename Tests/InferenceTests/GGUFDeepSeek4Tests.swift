import Checkpoints
import Foundation
import JSON
import TestSupport
import Testing

@testable import MoEModel

/// DeepSeek-V4 as GGUF: the golden as published, its numbers expanded, under llama.cpp's names and settings.
struct GGUFDeepSeek4Tests {
  /// Ends of published names and what files call them.
  private static let stems = [
    "attn.attn_sink": "attn_sinks", "attn.wq_a.weight": "attn_q_a", "attn.q_norm.weight": "attn_q_a_norm",
    "attn.wq_b.weight": "attn_q_b", "attn.wkv.weight": "attn_kv", "attn.kv_norm.weight": "attn_kv_a_norm",
    "attn.wo_a.weight": "attn_output_a", "attn.wo_b.weight": "attn_output_b",
    "attn.compressor.ape": "attn_compressor_ape", "attn.compressor.wkv.weight": "attn_compressor_kv",
    "attn.compressor.wgate.weight": "attn_compressor_gate", "attn.compressor.norm.weight": "attn_compressor_norm",
    "attn.indexer.wq_b.weight": "indexer.attn_q_b", "attn.indexer.weights_proj.weight": "indexer.proj",
    "attn.indexer.compressor.ape": "indexer_compressor_ape",
    "attn.indexer.compressor.wkv.weight": "indexer_compressor_kv",
    "attn.indexer.compressor.wgate.weight": "indexer_compressor_gate",
    "attn.indexer.compressor.norm.weight": "indexer_compressor_norm", "attn_norm.weight": "attn_norm",
    "ffn_norm.weight": "ffn_norm", "ffn.gate.weight": "ffn_gate_inp", "ffn.gate.tid2eid": "ffn_gate_tid2eid",
    "ffn.shared_experts.w1.weight": "ffn_gate_shexp", "ffn.shared_experts.w2.weight": "ffn_down_shexp",
    "ffn.shared_experts.w3.weight": "ffn_up_shexp", "hc_attn_fn": "hc_attn_fn", "hc_attn_base": "hc_attn_base",
    "hc_attn_scale": "hc_attn_scale", "hc_ffn_fn": "hc_ffn_fn", "hc_ffn_base": "hc_ffn_base",
    "hc_ffn_scale": "hc_ffn_scale",
  ]
  private static let outside = [
    "embed.weight": "token_embd.weight", "norm.weight": "output_norm.weight", "head.weight": "output.weight",
    "hc_head_fn": "output_hc_fn.weight", "hc_head_base": "output_hc_base.weight",
    "hc_head_scale": "output_hc_scale.weight",
  ]
  private static let projections = ["w1": "ffn_gate_exps", "w2": "ffn_down_exps", "w3": "ffn_up_exps"]

  /// What a file calls a tensor; of an expert's all of the layer's.
  private func name(_ published: String) throws -> String {
    if let whole = Self.outside[published] { return whole }
    let parts = published.split(separator: ".", maxSplits: 2).map(String.init)
    let (layer, rest) = (try #require(parts.dropFirst().first), try #require(parts.last))
    if let expert = rest.wholeMatch(of: /ffn\.experts\.\d+\.(w\d)\.weight/) {
      return "blk.\(layer).\(Self.projections[String(expert.1)]!).weight"
    }
    if rest == "ffn.gate.bias" { return "blk.\(layer).exp_probs_b.bias" }
    return "blk.\(layer).\(try #require(Self.stems[rest], "\(rest)")).weight"
  }

  private func file(_ golden: Golden) throws -> GGUFBytes {
    let checkpoint = try CheckpointFormat.open(golden.folder)
    let description = try ModelConfiguration.read(checkpoint)
    let reader = try ParameterReader(description, checkpoint: checkpoint)
    var file = settings(checkpoint.config)
    var places: [String: Int] = [:]
    for spec in ParameterTable(description) {
      var values = [Float](repeating: 0, count: spec.elementCount)
      try values.withUnsafeMutableBufferPointer { try reader.read(spec, from: 0, into: $0) }
      let name = try name(description.names.tensor(spec.id))
      let shape = spec.storedShape ?? spec.shape
      if spec.role == .tokenExperts {
        file.tensors.append(.init(name, shape, type: 26, values.flatMap { GGUFBytes.little(Int32($0)) }))
      } else if let place = places[name] {
        file.tensors[place].shape[0] += 1
        file.tensors[place].bytes += GGUFBytes.Tensor("", shape, floats: values).bytes
      } else {
        places[name] = file.tensors.count
        file.tensors.append(.init(name, (spec.expert == nil ? [] : [1]) + shape, floats: values))
      }
    }
    return file
  }

  private func settings(_ config: JSONValue) -> GGUFBytes {
    var file = GGUFBytes()
    file["general.architecture"] = .string("deepseek4")
    for (key, published) in [
      ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
      ("embedding_length", "hidden_size"), ("attention.head_count", "num_attention_heads"),
      ("attention.head_count_kv", "num_key_value_heads"), ("expert_count", "n_routed_experts"),
      ("expert_used_count", "num_experts_per_tok"), ("attention.key_length", "head_dim"),
      ("attention.value_length", "head_dim"), ("rope.dimension_count", "qk_rope_head_dim"),
      ("attention.q_lora_rank", "q_lora_rank"), ("attention.sliding_window", "sliding_window"),
      ("expert_feed_forward_length", "moe_intermediate_size"), ("expert_shared_count", "n_shared_experts"),
      ("attention.indexer.head_count", "index_n_heads"), ("attention.indexer.key_length", "index_head_dim"),
      ("attention.indexer.top_k", "index_topk"), ("attention.output_group_count", "o_groups"),
      ("attention.output_lora_rank", "o_lora_rank"), ("hyper_connection.count", "hc_mult"),
      ("hyper_connection.sinkhorn_iterations", "hc_sinkhorn_iters"), ("hash_layer_count", "num_hash_layers"),
    ] { file["deepseek4.\(key)"] = .uint32(UInt32(config[published]!.exactInt!)) }
    for (key, published) in [
      ("attention.layer_norm_rms_epsilon", "rms_norm_eps"), ("rope.freq_base", "rope_theta"),
      ("expert_weights_scale", "routed_scaling_factor"), ("attention.compress_rope_freq_base", "compress_rope_theta"),
      ("hyper_connection.epsilon", "hc_eps"),
    ] { file["deepseek4.\(key)"] = .float32(Float(config[published]!.double!)) }
    let scaling = config["rope_scaling"]!
    file["deepseek4.rope.scaling.type"] = .string("yarn")
    file["deepseek4.rope.scaling.factor"] = .float32(Float(scaling["factor"]!.double!))
    file["deepseek4.rope.scaling.original_context_length"] = .uint32(
      UInt32(scaling["original_max_position_embeddings"]!.exactInt!))
    file["deepseek4.rope.scaling.yarn_beta_fast"] = .float32(Float(scaling["beta_fast"]!.double!))
    file["deepseek4.rope.scaling.yarn_beta_slow"] = .float32(Float(scaling["beta_slow"]!.double!))
    file["deepseek4.expert_gating_func"] = .uint32(4)
    file["deepseek4.expert_weights_norm"] = .bool(true)
    let layers = config["num_hidden_layers"]!.exactInt!
    file["deepseek4.swiglu_clamp_exp"] = .float32s(
      Array(repeating: Float(config["swiglu_limit"]!.double!), count: layers))
    file["deepseek4.swiglu_clamp_shexp"] = file["deepseek4.swiglu_clamp_exp"]
    file["deepseek4.attention.compress_ratios"] = .int32s(
      config["compress_ratios"]!.array!.map { Int32($0.exactInt!) })
    file["deepseek4.embedding_length_out"] = .uint32(
      UInt32(config["hidden_size"]!.exactInt! * config["hc_mult"]!.exactInt!))
    return file
  }

  private func written<Result>(_ body: (String) throws -> Result) throws -> Result {
    let golden = try Golden("deepseek_v4")
    return try withTemporaryFolder { folder in
      try body(folder.write(try file(golden).bytes, as: "model.gguf"))
    }
  }

  /// Of a model that sees images, too, whose file has them.
  @Test func biasesForImagesAreLeftAlone() throws {
    var seeing = try file(try Golden("deepseek_v4"))
    for layer in 0..<4 {
      seeing.tensors.append(.init("blk.\(layer).exp_probs_b_vl.bias", [5], floats: [1, 2, 3, 4, 5]))
    }
    try withTemporaryFolder { folder in
      let path = folder.write(seeing.bytes, as: "model.gguf")
      let model = try ModelConfiguration.read(try CheckpointFormat.open(path))
      #expect(model.unreadTensors == [] && model.layerCount == 4)
    }
  }

  @Test func logitsAreThoseOfTheFolder() throws {
    let golden = try Golden("deepseek_v4")
    func result(_ model: String, _ layout: Layout) throws -> RunResult {
      var layout = layout
      layout.weights = .f32
      return try run(
        model: model, scored: [Array(try golden.scoredIDs(3).prefix(140))], prompts: [try golden.prompt(0)],
        newTokens: 6, layout: layout)
    }
    let expected = try result(golden.folder, Layout())
    try written { path in
      for layout in [Layout(), Layout(ranks: 2, threads: 2, batchTokens: 40), Layout(ranks: 3, batchTokens: 7)] {
        let found = try result(path, layout)
        #expect(found == expected, "\(layout)")
      }
    }
  }

  @Test func everySettingAndTensorIsRead() throws {
    let golden = try Golden("deepseek_v4")
    let expected = try ModelConfiguration.read(try CheckpointFormat.open(golden.folder))
    let found = try written { try ModelConfiguration.read(try CheckpointFormat.open($0)) }
    #expect(found.unreadNote == nil, "\(found.unreadNote ?? "")")
    #expect(found.family == expected.family && "\(found.layers)" == "\(expected.layers)")
    #expect("\(String(describing: found.moe))" == "\(String(describing: expected.moe))")
    #expect("\(found.rotary)" == "\(expected.rotary)" && "\(found.residual)" == "\(expected.residual)")
    #expect("\(String(describing: found.entryRotary))" == "\(String(describing: expected.entryRotary))")
    #expect(found.maximumPositions == expected.maximumPositions && found.normEpsilon == expected.normEpsilon)
  }

  /// What a file with one setting changed is refused for; nil for one that is taken.
  private func problem(_ key: String, _ value: GGUFBytes.Value) throws -> GGUFProblem? {
    var changed = try file(try Golden("deepseek_v4"))
    changed["deepseek4.\(key)"] = value
    return try withTemporaryFolder { folder in
      let path = folder.write(changed.bytes, as: "m.gguf")
      do throws(CheckpointError) {
        _ = try CheckpointFormat.open(path)
        return nil
      } catch {
        guard case .gguf(_, _, let problem) = error else { throw error }
        return problem
      }
    }
  }

  @Test func aRouterOfAnotherKindIsRefused() throws {
    guard case .unsupported("deepseek4.expert_gating_func", "2", _)? = try problem("expert_gating_func", .uint32(2))
    else {
      Issue.record("another router is taken")
      return
    }
  }

  /// Layers that are cut otherwise than others are not taken for such as the others, nor are numbers that are none.
  @Test func limitsOfActivationsMustAgree() throws {
    let key = "swiglu_clamp_exp"
    for limits: [Float] in [[0, 10], [10, 0], [10, 7]] {
      #expect(try problem(key, .float32s(limits)) == .differsByLayer(key: "deepseek4.\(key)"), "\(limits)")
    }
    for value in [GGUFBytes.Value.float32s([10, .nan]), .int32s([10, 10])] {
      guard case .wrongType("deepseek4.swiglu_clamp_exp", _, _)? = try problem(key, value) else {
        Issue.record("\(value) is taken")
        continue
      }
    }
  }
}
