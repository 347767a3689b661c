import Checkpoints
import JSON

/// What each family's settings are when `config.json` leaves them out or says null: the values of the reference
/// implementation's configuration classes (transformers 5.23), which are not the same from one family to the next.
///
/// `nullable` names the settings for which null is a value of its own there: no sliding window, a full query
/// projection. Only settings that are read here are listed. `Tests/Reference/make_configuration_cases.py` holds them to
/// the classes.
enum FamilyDefaults {
  static func of(_ family: String) throws -> ConfigDefaults {
    guard let text = texts[family] else { return ConfigDefaults() }
    return ConfigDefaults(
      try JSONValue(parsing: text).object ?? JSONObject(), nullable: nullable.union(nullableIn[family] ?? []))
  }

  private static let nullable: Set<String> = [
    "q_lora_rank", "sliding_window", "layer_types", "mlp_only_layers", "clip_qkv", "partial_rotary_factor",
  ]
  /// As many key heads as query heads; booleans that count as false.
  private static let nullableIn: [String: Set<String>] = [
    "deepseek_v3": ["norm_topk_prob", "rope_interleave"], "qwen2_moe": ["num_key_value_heads"],
    "qwen2": ["num_key_value_heads"], "qwen3": ["num_key_value_heads"],
  ]

  private static let texts: [String: String] = [
    "deepseek_v3": """
    {"vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
     "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "n_shared_experts": 1,
     "n_routed_experts": 256, "routed_scaling_factor": 2.5, "kv_lora_rank": 512, "q_lora_rank": 1536,
     "qk_rope_head_dim": 64, "v_head_dim": 128, "qk_nope_head_dim": 128, "n_group": 8, "topk_group": 4,
     "num_experts_per_tok": 8, "first_k_dense_replace": 3, "norm_topk_prob": true, "hidden_act": "silu",
     "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "rope_interleave": true,
     "attention_bias": false}
    """,
    "deepseek_v2": """
    {"vocab_size": 102400, "hidden_size": 4096, "intermediate_size": 11008, "moe_intermediate_size": 1407,
     "num_hidden_layers": 32, "num_attention_heads": 32, "n_shared_experts": 2, "n_routed_experts": 64,
     "routed_scaling_factor": 1.0, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "v_head_dim": 128,
     "qk_nope_head_dim": 128, "topk_method": "greedy", "first_k_dense_replace": 0, "hidden_act": "silu",
     "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false,
     "mlp_bias": false}
    """,
    "qwen3_moe": """
    {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768,
     "num_hidden_layers": 24, "num_attention_heads": 32, "num_key_value_heads": 4, "num_experts": 128,
     "num_experts_per_tok": 8, "decoder_sparse_step": 1, "norm_topk_prob": false, "hidden_act": "silu",
     "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false,
     "use_sliding_window": false, "sliding_window": 4096}
    """,
    "qwen2_moe": """
    {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632, "moe_intermediate_size": 1408,
     "shared_expert_intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16,
     "num_key_value_heads": 16, "num_experts": 60, "num_experts_per_tok": 4, "decoder_sparse_step": 1,
     "norm_topk_prob": false, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06,
     "tie_word_embeddings": false, "qkv_bias": true, "use_sliding_window": false, "sliding_window": 4096,
     "max_window_layers": 28}
    """,
    "mixtral": """
    {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
     "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2,
     "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "tie_word_embeddings": false,
     "rope_theta": 1000000.0}
    """,
    "olmoe": """
    {"vocab_size": 50304, "hidden_size": 2048, "intermediate_size": 2048, "num_hidden_layers": 16,
     "num_attention_heads": 16, "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": false,
     "hidden_act": "silu", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "tie_word_embeddings": false,
     "attention_bias": false}
    """,
    "glm4_moe": """
    {"vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 10944, "moe_intermediate_size": 1408,
     "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8, "n_shared_experts": 1,
     "n_routed_experts": 128, "routed_scaling_factor": 1.0, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8,
     "first_k_dense_replace": 1, "norm_topk_prob": true, "hidden_act": "silu", "max_position_embeddings": 131072,
     "rms_norm_eps": 1e-05, "tie_word_embeddings": false, "attention_bias": false, "use_qk_norm": false,
     "partial_rotary_factor": 0.5}
    """,
    "gpt_oss": """
    {"vocab_size": 201088, "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36,
     "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 128,
     "num_experts_per_tok": 4, "sliding_window": 128, "swiglu_alpha": 1.702, "swiglu_limit": 7.0, "hidden_act": "silu",
     "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "tie_word_embeddings": false, "attention_bias": true,
     "rope_theta": 150000.0, "rope_parameters": {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0,
       "beta_slow": 1.0, "truncate": false, "original_max_position_embeddings": 4096}}
    """,
    "llama": """
    {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
     "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06,
     "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false}
    """,
    "qwen2": """
    {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
     "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 32768,
     "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "use_sliding_window": false, "sliding_window": 4096,
     "max_window_layers": 28}
    """,
    "qwen3": """
    {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
     "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "hidden_act": "silu",
     "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "attention_bias": false,
     "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28}
    """,
  ]
}
