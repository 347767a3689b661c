import Checkpoints
import Foundation
import JSON
import Tensors
import TestSupport

/// A golden's checkpoint as GGUF files have it: llama.cpp's names, settings and transformations.
///
/// `Tests/Reference/make_gguf.py` does the same with the tables of the `gguf` package.
struct GGUFGolden {
  /// How the up-projection of keys and values is stored.
  enum Latent: Sendable { case split, whole, both }

  /// Numbers and names of the types that matrices may be written in.
  enum Kind: UInt32, Sendable { case float32 = 0, float16 = 1, q80 = 8, bfloat16 = 30 }

  var kind = Kind.float32
  var latent = Latent.split
  /// Gate and up of all experts in one tensor.
  var fusesExperts = false

  private static let architectures = [
    "deepseek_v2": "deepseek2", "deepseek_v3": "deepseek2", "deepseek_v32": "deepseek32",
    "glm_moe_dsa": "glm-dsa", "kimi_k2": "deepseek2", "glm4_moe_lite": "deepseek2",
    "qwen3_moe": "qwen3moe", "qwen2_moe": "qwen2moe", "llama": "llama", "mixtral": "llama", "qwen2": "qwen2",
    "qwen3": "qwen3", "gpt_oss": "gpt-oss", "glm4_moe": "glm4moe", "minimax_m2": "minimax-m2", "olmoe": "olmoe",
  ]

  private static let stems = [
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "self_attn.q_a_proj": "attn_q_a",
    "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa", "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp",
    "mlp.router": "ffn_gate_inp", "block_sparse_moe.gate": "ffn_gate_inp",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp", "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp", "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp", "eh_proj": "nextn.eh_proj", "embed_tokens": "nextn.embed_tokens",
    "enorm": "nextn.enorm", "hnorm": "nextn.hnorm", "shared_head.head": "nextn.shared_head_head",
    "shared_head.norm": "nextn.shared_head_norm", "self_attn.indexer.wq_b": "indexer.attn_q_b",
    "self_attn.indexer.wk": "indexer.attn_k", "self_attn.indexer.k_norm": "indexer.k_norm",
    "self_attn.indexer.weights_proj": "indexer.proj",
  ]

  private struct Matrix {
    var shape: [Int]
    var values: [Float]
  }

  /// The file.
  func file(of golden: Golden) throws -> GGUFBytes {
    let source = try RewrittenCheckpoint(golden)
    let config = JSONValue.object(source.config)
    var file = settings(config).file
    var experts: [String: [Int: Matrix]] = [:]
    var tensors: [String: Matrix] = [:]
    for (name, tensor) in source.tensors {
      let matrix = Matrix(shape: tensor.shape, values: try values(tensor))
      switch name {
      case "model.embed_tokens.weight": tensors["token_embd.weight"] = matrix
      case "model.norm.weight": tensors["output_norm.weight"] = matrix
      case "lm_head.weight": tensors["output.weight"] = matrix
      default: layer(name, matrix, config, &tensors, &experts)
      }
    }
    for (name, parts) in experts {
      guard let first = parts[0] else { continue }
      tensors[name] = Matrix(
        shape: [parts.count] + first.shape, values: (0..<parts.count).flatMap { parts[$0]?.values ?? [] })
    }
    if fusesExperts { fuse(&tensors) }
    if let factors = Self.divisors(config) {
      tensors["rope_freqs.weight"] = Matrix(shape: [factors.count], values: factors)
    }
    file.tensors = tensors.sorted { $0.key < $1.key }.map { written($0.key, $0.value) }
    return file
  }

  private func values(_ tensor: RewrittenCheckpoint.Tensor) throws -> [Float] {
    guard tensor.type == .bfloat16 else { return tensor.floats }
    return stride(from: 0, to: tensor.bytes.count, by: 2).map {
      Float(bitPattern: UInt32(tensor.bytes[$0]) << 16 | UInt32(tensor.bytes[$0 + 1]) << 24)
    }
  }

  /// Puts a layer's tensor where it goes.
  private func layer(
    _ name: String, _ matrix: Matrix, _ config: JSONValue, _ tensors: inout [String: Matrix],
    _ experts: inout [String: [Int: Matrix]]
  ) {
    let parts = name.split(separator: ".", maxSplits: 3).map(String.init)
    let (block, rest) = ("blk.\(parts[2]).", parts[3])
    let heads = config["num_attention_heads"]!.exactInt!
    var (stem, ending) = (rest, "")
    for known in [".weight", ".bias"] where rest.hasSuffix(known) {
      (stem, ending) = (String(rest.dropLast(known.count)), known)
    }
    if let found = rest.wholeMatch(of: /(?:mlp|block_sparse_moe)\.experts\.(\d+)\.(\w+)\.weight/) {
      let projection =
        ["w1": "gate", "w3": "up", "w2": "down"][String(found.2)] ?? String(found.2.dropLast("_proj".count))
      experts["\(block)ffn_\(projection)_exps.weight", default: [:]][Int(found.1)!] = matrix
    } else if rest.hasPrefix("mlp.experts.") {
      interleaved(block, rest, matrix, &tensors)
    } else if rest.hasSuffix("e_score_correction_bias") {
      tensors["\(block)exp_probs_b.bias"] = matrix
    } else if rest == "self_attn.sinks" {
      tensors["\(block)attn_sinks.weight"] = matrix
    } else if stem == "self_attn.kv_b_proj" {
      if latent != .split { tensors["\(block)attn_kv_b.weight"] = matrix }
      if latent != .whole { split(matrix, block, heads, nope: config["qk_nope_head_dim"]!.exactInt!, &tensors) }
    } else if ["llama", "mixtral"].contains(config["model_type"]!.string), stem.hasSuffix("q_proj") {
      tensors["\(block)attn_q\(ending)"] = turned(matrix, heads)
    } else if ["llama", "mixtral"].contains(config["model_type"]!.string), stem.hasSuffix("k_proj") {
      tensors["\(block)attn_k\(ending)"] = turned(matrix, config["num_key_value_heads"]!.exactInt!)
    } else if stem == "mlp.shared_expert_gate" {
      tensors["\(block)ffn_gate_inp_shexp.weight"] = Matrix(shape: [matrix.values.count], values: matrix.values)
    } else {
      tensors["\(block)\(Self.stems[stem] ?? stem)\(ending)"] = matrix
    }
  }

  /// gpt-oss's experts: rows of gate and up take turns, and matrices are turned.
  private func interleaved(_ block: String, _ rest: String, _ matrix: Matrix, _ tensors: inout [String: Matrix]) {
    let isBias = rest.hasSuffix("_bias")
    let ending = isBias ? "bias" : "weight"
    let count = matrix.shape[0]
    let (columns, rows) = isBias ? (1, matrix.shape[1]) : (matrix.shape[1], matrix.shape[2])
    func part(_ wanted: [Int]) -> Matrix {
      var values: [Float] = []
      for expert in 0..<count {
        for row in wanted {
          for column in 0..<columns { values.append(matrix.values[(expert * columns + column) * rows + row]) }
        }
      }
      return Matrix(shape: [count, wanted.count] + (isBias ? [] : [columns]), values: values)
    }
    if rest.contains("down_proj") {
      tensors["\(block)ffn_down_exps.\(ending)"] = part(Array(0..<rows))
    } else {
      tensors["\(block)ffn_gate_exps.\(ending)"] = part(Array(stride(from: 0, to: rows, by: 2)))
      tensors["\(block)ffn_up_exps.\(ending)"] = part(Array(stride(from: 1, to: rows, by: 2)))
    }
  }

  private func turned(_ matrix: Matrix, _ heads: Int) -> Matrix {
    let (rows, columns) = (matrix.shape[0], matrix.shape.count > 1 ? matrix.shape[1] : 1)
    let width = rows / heads
    var values: [Float] = []
    for row in 0..<rows {
      let (head, inside) = (row / width, row % width)
      let from = head * width + inside % 2 * width / 2 + inside / 2
      values += matrix.values[(from * columns)..<((from + 1) * columns)]
    }
    return Matrix(shape: matrix.shape, values: values)
  }

  private func split(
    _ matrix: Matrix, _ block: String, _ heads: Int, nope: Int, _ tensors: inout [String: Matrix]
  ) {
    let rank = matrix.shape[1]
    let height = matrix.shape[0] / heads
    var (keys, values): ([Float], [Float]) = ([], [])
    for head in 0..<heads {
      let first = head * height * rank
      for column in 0..<rank { for row in 0..<nope { keys.append(matrix.values[first + row * rank + column]) } }
      values += matrix.values[(first + nope * rank)..<(first + height * rank)]
    }
    tensors["\(block)attn_k_b.weight"] = Matrix(shape: [heads, rank, nope], values: keys)
    tensors["\(block)attn_v_b.weight"] = Matrix(shape: [heads, height - nope, rank], values: values)
  }

  private func fuse(_ tensors: inout [String: Matrix]) {
    for name in tensors.keys.filter({ $0.contains("ffn_gate_exps") }) {
      let other = name.replacingOccurrences(of: "gate_exps", with: "up_exps")
      guard let gate = tensors.removeValue(forKey: name), let up = tensors.removeValue(forKey: other) else { continue }
      let each = gate.values.count / gate.shape[0]
      var shape = gate.shape
      shape[1] *= 2
      var values: [Float] = []
      for expert in 0..<shape[0] {
        let range = (expert * each)..<((expert + 1) * each)
        values += gate.values[range]
        values += up.values[range]
      }
      let fused = name.replacingOccurrences(of: "gate_exps", with: "gate_up_exps")
      tensors[fused] = Matrix(shape: shape, values: values)
    }
  }

  /// Norms, routers and biases stay F32, as do rows that no block divides.
  private func written(_ name: String, _ matrix: Matrix) -> GGUFBytes.Tensor {
    let stays = matrix.shape.count < 2 || name.contains("ffn_gate_inp") || name.hasSuffix(".bias")
    switch kind {
    case .bfloat16 where !stays:
      return .init(
        name, matrix.shape, type: 30, matrix.values.flatMap { GGUFBytes.little(UInt16($0.bitPattern >> 16)) })
    case .float16 where !stays:
      return .init(name, matrix.shape, type: 1, matrix.values.flatMap { GGUFBytes.little(Float16($0).bitPattern) })
    case .q80 where !stays && matrix.shape[matrix.shape.count - 1] % 32 == 0:
      return .init(name, matrix.shape, type: 8, Self.blocks(matrix.values))
    default: return .init(name, matrix.shape, floats: matrix.values)
    }
  }

  /// Q8_0: for 32 numbers a scale, the largest over 127, and levels.
  static func blocks(_ values: [Float]) -> [UInt8] {
    stride(from: 0, to: values.count, by: 32).flatMap { first -> [UInt8] in
      let block = values[first..<(first + 32)]
      let scale = (block.map { abs($0) }.max() ?? 0) / 127
      let levels = block.map { UInt8(bitPattern: scale == 0 ? 0 : Int8(($0 / scale).rounded())) }
      return GGUFBytes.little(Float16(scale).bitPattern) + levels
    }
  }
}

extension GGUFGolden {
  /// Keys of one architecture.
  private struct Keys {
    let name: String
    var file = GGUFBytes()

    mutating func int(_ key: String, _ value: JSONValue?) {
      if let value = value?.exactInt { file["\(name).\(key)"] = .uint32(UInt32(value)) }
    }

    mutating func float(_ key: String, _ value: JSONValue?) {
      if let value = value?.double { file["\(name).\(key)"] = .float32(Float(value)) }
    }
  }

  private func settings(_ config: JSONValue) -> Keys {
    let family = config["model_type"]!.string!
    let name = Self.architectures[family]!
    var keys = Keys(name: name)
    keys.file["general.architecture"] = .string(name)
    let modules = config["num_nextn_predict_layers"]?.exactInt ?? 0
    keys.int("block_count", .int(config["num_hidden_layers"]!.exactInt! + modules))
    if modules > 0 { keys.int("nextn_predict_layers", .int(modules)) }
    keys.int("context_length", config["max_position_embeddings"])
    keys.int("embedding_length", config["hidden_size"])
    keys.int("feed_forward_length", config["intermediate_size"])
    let heads = config["num_attention_heads"]!.exactInt!
    keys.int("attention.head_count", .int(heads))
    keys.float("attention.layer_norm_rms_epsilon", config["rms_norm_eps"])
    let nested = config["rope_parameters"]?.object.map { JSONValue.object($0) } ?? config["rope_scaling"]
    keys.float("rope.freq_base", nested?["rope_theta"] ?? config["rope_theta"])
    scaling(nested, into: &keys)
    if config["kv_lora_rank"] != nil {
      let rotary = config["qk_rope_head_dim"]!.exactInt!
      keys.int("attention.head_count_kv", 1)
      keys.int("attention.kv_lora_rank", config["kv_lora_rank"])
      keys.int("attention.q_lora_rank", config["q_lora_rank"])
      keys.int("rope.dimension_count", .int(rotary))
      keys.int("attention.key_length", .int(config["kv_lora_rank"]!.exactInt! + rotary))
      keys.int("attention.value_length", config["kv_lora_rank"])
      keys.int("attention.key_length_mla", .int(config["qk_nope_head_dim"]!.exactInt! + rotary))
      keys.int("attention.value_length_mla", config["v_head_dim"])
      keys.int("attention.indexer.head_count", config["index_n_heads"])
      keys.int("attention.indexer.key_length", config["index_head_dim"])
      keys.int("attention.indexer.top_k", config["index_topk"])
      if let types = config["indexer_types"]?.array {
        // An array of truth values: how many, and a byte each.
        let count = GGUFBytes.little(UInt32(7)) + GGUFBytes.little(UInt64(types.count))
        keys.file["\(name).attention.indexer.types"] = .raw(9, count + types.map { $0 == "full" ? 1 : 0 })
      }
    } else {
      let width = config["head_dim"]?.exactInt ?? config["hidden_size"]!.exactInt! / heads
      keys.int("attention.head_count_kv", config["num_key_value_heads"])
      keys.int("attention.key_length", config["head_dim"])
      let share = family == "glm4_moe" ? config["partial_rotary_factor"]!.double! : 1
      keys.int("rope.dimension_count", config["rotary_dim"] ?? .int(Int(Double(width) * share)))
    }
    moe(config, family, into: &keys)
    return keys
  }

  private func scaling(_ rope: JSONValue?, into keys: inout Keys) {
    let kind = rope?["rope_type"]?.string ?? rope?["type"]?.string
    guard kind == "yarn", let rope, let factor = rope["factor"]?.double,
      let original = rope["original_max_position_embeddings"]?.exactInt
    else { return }
    keys.file["\(keys.name).rope.scaling.type"] = .string("yarn")
    keys.file["\(keys.name).rope.scaling.factor"] = .float32(Float(factor))
    keys.file["\(keys.name).rope.scaling.original_context_length"] = .uint32(UInt32(original))
    for (key, published) in [("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")] {
      if let value = rope[published]?.double { keys.file["\(keys.name).rope.scaling.\(key)"] = .float32(Float(value)) }
    }
    if let all = rope["mscale_all_dim"]?.double {
      keys.file["\(keys.name).rope.scaling.yarn_log_multiplier"] = .float32(Float(0.1 * all))
    }
  }

  /// What Llama 3's scaling divides each pair's frequency by; nil for others.
  private static func divisors(_ config: JSONValue) -> [Float]? {
    guard let rope = config["rope_parameters"], rope["rope_type"]?.string == "llama3",
      let base = rope["rope_theta"]?.double,
      let factor = rope["factor"]?.double, let original = rope["original_max_position_embeddings"]?.double
    else { return nil }
    let width = config["hidden_size"]!.exactInt! / config["num_attention_heads"]!.exactInt!
    return (0..<(width / 2)).map { pair in
      let wave = 2 * Double.pi * pow(base, Double(2 * pair) / Double(width))
      let smooth = min(max((original / wave - 1) / 3, 0), 1)
      return Float(1 / ((1 - smooth) / factor + smooth))
    }
  }

  private func moe(_ config: JSONValue, _ family: String, into keys: inout Keys) {
    let count = config["n_routed_experts"] ?? config["num_experts"] ?? config["num_local_experts"]
    guard count?.exactInt != nil else { return }
    keys.int("expert_count", count)
    keys.int("expert_used_count", config["num_experts_per_tok"])
    let width = config["moe_intermediate_size"]
    keys.int(
      "expert_feed_forward_length", ["gpt_oss", "minimax_m2"].contains(family) ? config["intermediate_size"] : width)
    keys.int("expert_shared_count", config["n_shared_experts"])
    keys.int("leading_dense_block_count", config["first_k_dense_replace"])
    keys.float("expert_weights_scale", config["routed_scaling_factor"])
    keys.int("expert_shared_feed_forward_length", config["shared_expert_intermediate_size"])
    if let groups = config["n_group"]?.exactInt, groups > 1 {
      keys.int("expert_group_count", .int(groups))
      keys.int("expert_group_used_count", config["topk_group"])
    }
    let isSigmoid = config["scoring_func"]?.string == "sigmoid" || family.hasPrefix("glm4")
    if family != "gpt_oss" { keys.int("expert_gating_func", isSigmoid ? 2 : 1) }
    if config["norm_topk_prob"]?.bool == true { keys.file["\(keys.name).expert_weights_norm"] = .bool(true) }
    guard family == "gpt_oss" else { return }
    keys.int("attention.sliding_window", config["sliding_window"])
    keys.file["gpt-oss.swiglu_clamp_exp"] = .float32s(
      Array(repeating: Float(config["swiglu_limit"]!.double!), count: config["num_hidden_layers"]!.exactInt!))
  }
}
