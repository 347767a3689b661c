import Checkpoints
import Glibc
import JSON
import MoEModel

/// The configuration of a checkpoint to be made: one of some of about four billion parameters, or a file's.
package struct CheckpointShape {
  package static let names = shapes.map(\.name)

  /// `config.json` as it will be written: unquantised, without prediction modules, with our tokenizer's ids.
  package let config: JSONValue
  package let description: DecoderDescription

  /// `name`: one of `names`, or the path of a `config.json`.
  package init(_ name: String, weights: CheckpointWeights) throws {
    let source: (text: [UInt8], path: String)
    if let known = Self.shapes.first(where: { $0.name == name }) {
      source = (Array(known.config.utf8), name)
    } else {
      guard name.utf8.contains(UInt8(ascii: ".")) || name.utf8.contains(UInt8(ascii: "/")) else {
        throw MakeCheckpointError.unknownShape(name, known: Self.names)
      }
      source = (try InputFile(path: name).contents(limit: CheckpointLimits().configByteCount), name)
    }
    let parsed: JSONValue
    do { parsed = try JSONValue(parsing: source.text, limits: JSONLimits(allowsNonFinite: true)) } catch {
      throw CheckpointError.json(path: source.path, byte: 0, error)
    }
    var object = try ConfigReader(parsed, path: source.path).object
    CompositeModel.replaceQuantization(in: &object, with: nil)
    CompositeModel.replaceModuleCount(in: &object, with: 0)
    for key in ["torch_dtype", "dtype"] where object[key] != nil || key == "torch_dtype" {
      object[key] = .string(weights.torchName)
    }
    object["bos_token_id"] = .int(SyntheticTokenizer.beginID)
    object["eos_token_id"] = .int(SyntheticTokenizer.endID)
    object["pad_token_id"] = nil
    config = .object(object)
    description = try ModelConfiguration.read(try ConfigReader(config, path: source.path))
  }

  private static let shapes: [(name: String, config: String)] = [
    ("deepseek-v3-small", deepSeekV3), ("qwen3-moe-small", qwen3MoE), ("mixtral-small", mixtral),
    ("deepseek-v4-small", deepSeekV4),
  ]

  /// 4.3 B parameters.
  private static let deepSeekV3 = """
    {
      "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
      "hidden_size": 2048, "num_hidden_layers": 8, "first_k_dense_replace": 1, "moe_layer_freq": 1,
      "intermediate_size": 10944, "moe_intermediate_size": 1408, "n_routed_experts": 64, "num_experts_per_tok": 6,
      "n_shared_experts": 2, "n_group": 8, "topk_group": 4, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
      "scoring_func": "sigmoid", "topk_method": "noaux_tc",
      "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": 512, "kv_lora_rank": 512,
      "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "attention_bias": false,
      "vocab_size": 32256, "max_position_embeddings": 65536, "rope_theta": 10000, "rms_norm_eps": 1e-06,
      "hidden_act": "silu", "tie_word_embeddings": false
    }
    """

  /// 4.2 B parameters.
  private static let deepSeekV4 = """
    {
      "architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4",
      "hidden_size": 2048, "num_hidden_layers": 7, "moe_intermediate_size": 1408, "n_routed_experts": 64,
      "num_experts_per_tok": 6, "n_shared_experts": 1, "norm_topk_prob": true, "routed_scaling_factor": 1.5,
      "scoring_func": "sqrtsoftplus", "topk_method": "noaux_tc", "num_hash_layers": 2, "swiglu_limit": 10.0,
      "compress_ratios": [0, 4, 128, 4, 128, 4, 128], "sliding_window": 128, "num_attention_heads": 16,
      "num_key_value_heads": 1, "head_dim": 256, "qk_rope_head_dim": 64, "q_lora_rank": 512, "o_groups": 4,
      "o_lora_rank": 512, "index_n_heads": 16, "index_head_dim": 128, "index_topk": 256, "hc_mult": 4,
      "hc_sinkhorn_iters": 20, "hc_eps": 1e-06, "attention_bias": false, "vocab_size": 32256,
      "max_position_embeddings": 65536, "rope_theta": 10000, "compress_rope_theta": 160000, "rms_norm_eps": 1e-06,
      "hidden_act": "silu", "tie_word_embeddings": false
    }
    """

  /// 4.0 B parameters.
  private static let qwen3MoE = """
    {
      "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe",
      "hidden_size": 2048, "num_hidden_layers": 12, "intermediate_size": 6144, "moe_intermediate_size": 768,
      "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": true, "decoder_sparse_step": 1,
      "mlp_only_layers": [], "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
      "attention_bias": false, "vocab_size": 32256, "max_position_embeddings": 65536, "rope_theta": 1000000,
      "rms_norm_eps": 1e-06, "hidden_act": "silu", "tie_word_embeddings": false
    }
    """

  /// 4.1 B parameters.
  private static let mixtral = """
    {
      "architectures": ["MixtralForCausalLM"], "model_type": "mixtral",
      "hidden_size": 2048, "num_hidden_layers": 11, "intermediate_size": 7168, "num_local_experts": 8,
      "num_experts_per_tok": 2, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
      "vocab_size": 32256, "max_position_embeddings": 32768, "rope_theta": 1000000, "rms_norm_eps": 1e-05,
      "hidden_act": "silu", "sliding_window": null, "tie_word_embeddings": false
    }
    """
}
