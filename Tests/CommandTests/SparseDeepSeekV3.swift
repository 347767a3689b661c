import Foundation
import TestSupport

/// A checkpoint of DeepSeek-V3's published shape whose tensors are holes in sparse files: headers alone are real.
struct SparseDeepSeekV3 {
  let layerCount: Int
  private let hidden = 7168
  private let vocabulary = 129_280
  private let experts = 256

  private struct Tensor {
    var name: String
    var type: String
    var shape: [Int]
    var byteCount: Int
  }

  func write(to folder: TemporaryFolder) throws {
    folder.write(configuration, as: "config.json")
    var groups = [[bfloat16("model.embed_tokens.weight", [vocabulary, hidden])]]
    for layer in 0...layerCount { groups.append(self.layer(layer)) }
    groups.append([bfloat16("model.norm.weight", [hidden]), bfloat16("lm_head.weight", [vocabulary, hidden])])
    var index: [String] = []
    for (number, group) in groups.enumerated() {
      let shard = "model-\(number).safetensors"
      index += group.map { "\"\($0.name)\":\"\(shard)\"" }
      try write(group, as: shard, in: folder)
    }
    folder.write(
      "{\"metadata\":{},\"weight_map\":{\(index.joined(separator: ","))}}", as: "model.safetensors.index.json")
  }

  private func write(_ tensors: [Tensor], as name: String, in folder: TemporaryFolder) throws {
    var end = 0
    let members = tensors.map { tensor in
      defer { end += tensor.byteCount }
      return
        "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type)\",\"shape\":\(tensor.shape),\"data_offsets\":[\(end),\(end + tensor.byteCount)]}"
    }
    let header = Array("{\(members.joined(separator: ","))}".utf8)
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    let path = folder.write(length + header, as: name)
    guard truncate(path, off_t(8 + header.count + end)) == 0 else { throw CocoaError(.fileWriteOutOfSpace) }
  }

  private func bfloat16(_ name: String, _ shape: [Int]) -> Tensor {
    Tensor(name: name, type: "BF16", shape: shape, byteCount: 2 * shape.reduce(1, *))
  }

  /// A projection in FP8 and its scales.
  private func linear(_ name: String, _ rows: Int, _ columns: Int) -> [Tensor] {
    let scales = [(rows + 127) / 128, (columns + 127) / 128]
    return [
      Tensor(name: "\(name).weight", type: "F8_E4M3", shape: [rows, columns], byteCount: rows * columns),
      Tensor(name: "\(name).weight_scale_inv", type: "F32", shape: scales, byteCount: 4 * scales[0] * scales[1]),
    ]
  }

  private func feedForward(_ prefix: String, _ width: Int) -> [Tensor] {
    linear("\(prefix).gate_proj", width, hidden) + linear("\(prefix).up_proj", width, hidden)
      + linear("\(prefix).down_proj", hidden, width)
  }

  private func layer(_ layer: Int) -> [Tensor] {
    let prefix = "model.layers.\(layer)"
    let attention = "\(prefix).self_attn"
    var tensors =
      ["input_layernorm", "post_attention_layernorm"].map { bfloat16("\(prefix).\($0).weight", [hidden]) }
      + linear("\(attention).q_a_proj", 1536, hidden) + [bfloat16("\(attention).q_a_layernorm.weight", [1536])]
      + linear("\(attention).q_b_proj", 128 * 192, 1536) + linear("\(attention).kv_a_proj_with_mqa", 576, hidden)
      + [bfloat16("\(attention).kv_a_layernorm.weight", [512])] + linear("\(attention).kv_b_proj", 128 * 256, 512)
      + linear("\(attention).o_proj", hidden, 128 * 128)
    if layer < 3 {
      tensors += feedForward("\(prefix).mlp", 18432)
    } else {
      let bias = "\(prefix).mlp.gate.e_score_correction_bias"
      tensors.append(bfloat16("\(prefix).mlp.gate.weight", [experts, hidden]))
      tensors.append(Tensor(name: bias, type: "F32", shape: [experts], byteCount: 4 * experts))
      for expert in 0..<experts { tensors += feedForward("\(prefix).mlp.experts.\(expert)", 2048) }
      tensors += feedForward("\(prefix).mlp.shared_experts", 2048)
    }
    // The multi-token prediction module, with an embedding and a head of its own.
    if layer == layerCount {
      tensors += ["enorm", "hnorm", "shared_head.norm"].map { bfloat16("\(prefix).\($0).weight", [hidden]) }
      tensors.append(bfloat16("\(prefix).eh_proj.weight", [hidden, 2 * hidden]))
      tensors += ["shared_head.head", "embed_tokens"].map { bfloat16("\(prefix).\($0).weight", [vocabulary, hidden]) }
    }
    return tensors
  }

  private var configuration: String {
    """
    {"model_type": "deepseek_v3", "attention_bias": false, "first_k_dense_replace": 3, "hidden_act": "silu",
     "hidden_size": \(hidden), "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
     "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": \(experts),
     "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 128, "num_experts_per_tok": 8,
     "num_hidden_layers": \(layerCount), "num_key_value_heads": 128, "num_nextn_predict_layers": 1, "q_lora_rank": 1536,
     "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06, "rope_theta": 10000,
     "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
       "weight_block_size": [128, 128]},
     "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
       "original_max_position_embeddings": 4096, "type": "yarn"},
     "routed_scaling_factor": 2.5, "scoring_func": "sigmoid", "tie_word_embeddings": false, "topk_group": 4,
     "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "v_head_dim": 128, "vocab_size": \(vocabulary)}
    """
  }
}
