import Checkpoints
import JSON
import MoEModel
import Testing

/// Configurations with one thing wrong: an error names the setting, and nothing traps.
struct ModelConfigurationTests {
  @Test(arguments: Configuration.all)
  func everyGoldenConfigurationIsRead(name: String) throws {
    let configuration = try Configuration(golden: name)
    let description = try configuration.read()
    #expect(description.hiddenSize == configuration.json["hidden_size"]?.exactInt)
    #expect(description.layerCount == configuration.json["num_hidden_layers"]?.exactInt)
    #expect(description.vocabularySize == configuration.json["vocab_size"]?.exactInt)
    let topK = configuration.json["num_experts_per_tok"] ?? configuration.json["moe_k"]
    #expect(description.moe?.topK == topK?.exactInt)
    #expect(description.layers[0].attention.headCount == configuration.json["num_attention_heads"]?.exactInt)
  }

  static let broken: [(golden: String, key: String, value: String?)] = [
    ("qwen3_moe", "model_type", #""bert""#), ("qwen3_moe", "model_type", nil), ("qwen3_moe", "model_type", "3"),
    ("qwen3_moe", "num_experts_per_tok", "11"), ("qwen3_moe", "num_experts_per_tok", "0"),
    ("qwen3_moe", "num_experts", "2"), ("qwen3_moe", "num_experts", "-1"),
    ("qwen3_moe", "num_experts", "1000000000"), ("qwen3_moe", "hidden_size", "80.5"),
    ("qwen3_moe", "hidden_size", "8e1"),
    ("qwen3_moe", "hidden_size", "9223372036854775807"), ("qwen3_moe", "hidden_size", "99999999999999999999999"),
    ("qwen3_moe", "hidden_size", "0"), ("qwen3_moe", "num_hidden_layers", "100000"),
    ("qwen3_moe", "vocab_size", "-5"), ("qwen3_moe", "num_key_value_heads", "3"),
    ("qwen3_moe", "num_attention_heads", "7"),
    ("qwen3_moe", "hidden_act", #""gelu""#), ("qwen3_moe", "rope_theta", "0"), ("qwen3_moe", "rope_theta", "1e400"),
    ("qwen3_moe", "rope_theta", #""big""#), ("qwen3_moe", "decoder_sparse_step", "0"),
    ("qwen3_moe", "mlp_only_layers", "[-1]"), ("qwen3_moe", "mlp_only_layers", #"["a"]"#),
    ("qwen3_moe", "rms_norm_eps", "-1"), ("qwen3_moe", "norm_topk_prob", "1"),
    ("qwen3_moe", "rope_scaling", "3"), ("qwen3_moe", "head_dim", "15"),
    ("qwen3_moe", "rope_scaling.rope_type", #""dynamic""#), ("llama", "rope_parameters.rope_type", #""dynamic""#),
    ("qwen3_moe", "rope_scaling.type", #""longrope""#),
    ("qwen3_moe", "rope_parameters.rope_theta", "-1"),
    ("qwen3_moe", "quantization_config.quant_method", #""bitsandbytes""#),
    ("deepseek_v3", "n_group", "5"), ("deepseek_v3", "n_group", "0"), ("deepseek_v3", "n_group", "24"),
    ("deepseek_v3", "topk_group", "5"), ("deepseek_v3", "topk_group", "0"),
    ("deepseek_v3", "num_experts_per_tok", "13"),
    ("deepseek_v3", "qk_rope_head_dim", "7"), ("deepseek_v3", "scoring_func", #""softmax""#),
    ("deepseek_v3", "topk_method", #""greedy""#), ("deepseek_v3", "first_k_dense_replace", "5"),
    ("deepseek_v3", "moe_layer_freq", "0"), ("deepseek_v3", "rope_scaling.factor", "-2"),
    ("deepseek_v3", "rope_scaling.original_max_position_embeddings", "0"), ("deepseek_v3", "n_shared_experts", "-1"),
    ("deepseek_v3", "routed_scaling_factor", "-1"), ("deepseek_v3", "v_head_dim", "0"),
    ("deepseek_v3_fp8", "quantization_config.weight_block_size", "[64, 64, 64]"),
    ("deepseek_v3_fp8", "quantization_config.weight_block_size", "0"),
    ("deepseek_v3_fp8", "quantization_config.fmt", #""e5m2""#),
    ("deepseek_v3_fp8", "quantization_config.quant_method", nil), ("deepseek_v3_fp8", "quantization_config", "[]"),
    ("deepseek_v2_group", "topk_method", #""noaux_tc""#), ("deepseek_v2_group", "n_group", "4"),
    ("gpt_oss", "layer_types", #"["full_attention"]"#), ("gpt_oss", "layer_types", #"["a", "b", "c", "d"]"#),
    ("gpt_oss", "sliding_window", "0"), ("gpt_oss", "experts_per_token", "2"), ("gpt_oss", "swiglu_limit", "0"),
    ("glm4_moe", "partial_rotary_factor", "0"), ("glm4_moe", "partial_rotary_factor", "2"),
    ("llama", "rope_parameters.low_freq_factor", "4"), ("llama", "rope_parameters.factor", nil),
    ("llama", "num_key_value_heads", "4"),
    ("olmoe", "clip_qkv", "0"), ("glm4_moe_lite", "mlp_layer_types", #"["dense"]"#),
    ("glm4_moe_lite", "mlp_layer_types", #"["dense", "x", "sparse"]"#), ("glm4_moe_lite", "first_k_dense_replace", "2"),
    ("kimi_k2", "scoring_func", #""softmax""#), ("minimax_m2", "attn_type_list", "[1, 0, 1]"),
    ("minimax_m2", "use_qk_norm", "false"), ("minimax_m2", "qk_norm_type", #""per_head""#),
    ("minimax_m2", "rotary_dim", "17"), ("minimax_m2", "use_routing_bias", "false"),
    ("solar_open", "rope_scaling.partial_rotary_factor", "0.5"), ("solar_open", "use_qk_norm", "true"),
    ("sarvam_moe", "num_experts", "0"), ("sarvam_moe", "score_function", #""softmax""#),
    ("sarvam_moe", "use_bias", "true"), ("sarvam_moe", "n_shared_experts", "7"),
    ("sarvam_moe", "attention_bias", "false"), ("sarvam_mla", "n_routed_experts", "7"),
    ("sarvam_mla", "rope_scaling.factor", "0"), ("sarvam_mla", "moe_router_enable_expert_bias", "false"),
    ("mistral4", "rope_parameters.llama_4_scaling_beta", nil), ("mistral4", "rope_parameters", "{}"),
    ("mistral4", "rope_parameters.llama_4_scaling_beta", "-1"), ("mistral4", "rope_parameters.factor", "0"),
    ("mistral4", "rope_parameters.original_max_position_embeddings", "0"),
    ("mistral4", "rope_parameters.partial_rotary_factor", "0.5"), ("mistral4", "qk_rope_head_dim", "5"),
    ("dots1", "num_experts_per_tok", nil), ("dots1", "n_shared_experts", nil), ("dots1", "n_routed_experts", nil),
    ("dots1", "layer_types", #"["full_attention"]"#), ("dots1", "max_window_layers", "-1"),
    ("hy_v3", "mlp_layer_types", #"["dense"]"#), ("hy_v3", "first_k_dense_replace", "2"),
    ("hy_v3", "expert_hidden_dim", "13"), ("hy_v3", "route_norm", "false"), ("hy_v3", "qk_norm", "false"),
    ("hy_v3", "router_scaling_factor", "-1"), ("exaone_moe", "is_moe_layer", "[true, true, true]"),
    ("exaone_moe", "first_last_k_dense_replace", "2"), ("exaone_moe", "sliding_window", "null"),
    ("exaone_moe", "layer_types", #"["full_attention"]"#), ("ernie4_5_moe", "use_bias", "true"),
    ("ernie4_5_moe", "moe_layer_interval", "0"), ("ernie4_5_moe", "moe_layer_end_index", "-2"),
    ("ernie4_5_moe", "moe_norm_min", "-1"), ("ernie4_5_moe", "moe_k", "9"),
    ("ernie4_5_moe", "moe_use_aux_free", "false"), ("bailing_moe_v2", "rotary_dim", "2"),
    ("bailing_moe_v2", "norm_topk_prob", "false"), ("bailing_moe_v2", "norm_head", "true"),
    ("bailing_moe_v2", "moe_shared_expert_intermediate_size", "5"),
    ("deepseek_v32", "index_topk", "0"), ("deepseek_v32", "index_topk", "-1"), ("deepseek_v32", "index_topk", "1e9"),
    ("deepseek_v32", "index_topk", "9223372036854775807"), ("deepseek_v32", "index_topk", "2.5"),
    ("deepseek_v32", "index_n_heads", "0"), ("deepseek_v32", "index_n_heads", "5000"),
    ("deepseek_v32", "index_head_dim", "7"), ("deepseek_v32", "index_head_dim", "1000000"),
    ("deepseek_v32", "indexer_rope_interleave", "true"), ("deepseek_v32", "rope_interleave", "false"),
    ("deepseek_v32", "layer_types", #"["sliding_attention"]"#), ("deepseek_v32", "moe_layer_freq", "2"),
    ("deepseek_v32", "mlp_layer_types", #"["dense"]"#), ("glm_moe_dsa", "indexer_rope_interleave", "false"),
    ("glm_moe_dsa", "indexer_types", #"["full"]"#),
    ("glm_moe_dsa", "indexer_types", #"["shared", "full", "full", "full", "full"]"#),
    ("glm_moe_dsa", "indexer_types", #"["full", "full", "none", "full", "full"]"#),
    ("glm_moe_dsa", "indexer_types", #""FSFSS""#),
  ]

  @Test(arguments: broken)
  func aBrokenSettingIsAnErrorThatNamesIt(golden: String, key: String, value: String?) throws {
    let message = try #require(try Configuration(golden: golden).with(key, value).failure())
    #expect(message.contains(key.split(separator: ".").last!), "\(message)")
    #expect(message.contains("config.json"), "\(message)")
  }

  static let hostileValues: [String?] = [
    nil, "null", "-1", "0", "1", "2", "3", "7", "0.5", "-0", "1e300", "1e999", "4096", "9223372036854775807",
    "-9223372036854775808", "99999999999999999999", "true", "\"\"", "\"x\"", "[]", "[1]", "[null]", "{}",
    #"{"type": "yarn"}"#, #"{"rope_type": "llama3"}"#, #"{"rope_type": "yarn", "factor": 0}"#,
  ]

  /// Every setting of every golden takes every hostile value: it is read, or an error is thrown that names the setting
  /// or, where two settings disagree, the other one.
  @Test(arguments: Configuration.all)
  func noValueOfAnySettingTraps(golden: String) throws {
    try Self.takeAnyValue(golden) { key, value, message, names in
      #expect(names.contains { message.contains($0) }, "\(key) = \(value): \(message)")
    }
  }

  /// Gives every setting of a golden every hostile value. Each error names the file; `check` is told the setting, its
  /// value, the error's words, and the names of settings.
  static func takeAnyValue(
    _ golden: String,
    _ check: (_ key: String, _ value: String, _ message: String, _ names: [String]) -> Void = { _, _, _, _ in }
  ) throws {
    let configuration = try Configuration(golden: golden)
    var keys = configuration.json.keys
    for (key, value) in configuration.json.members {
      if let nested = value.object { keys += nested.keys.map { "\(key).\($0)" } }
    }
    let names = keys.flatMap { $0.split(separator: ".").map(String.init) } + ["rope_type", "low_freq_factor", "factor"]
    for key in keys {
      for value in hostileValues {
        guard let message = try configuration.with(key, value).failure() else { continue }
        #expect(message.contains("config.json"), "\(key) = \(value ?? "missing"): \(message)")
        check(key, value ?? "missing", message, names)
      }
    }
  }

  @Test(arguments: ["[]", "null", "3", "\"x\""])
  func aDocumentThatIsNoObjectIsRefused(text: String) throws {
    #expect(throws: (any Error).self) {
      try ModelConfiguration.read(.init(try JSONValue(parsing: text), path: "config.json"))
    }
    #expect(try Configuration("{}").failure()?.contains("model_type") == true)
  }

  @Test func theTwoSpellingsOfRotaryParametersMeanTheSame() throws {
    let base = try Configuration(golden: "deepseek_v3")
    let scaling = base.json["rope_scaling"]!.object!
    var parameters = scaling
    parameters["rope_type"] = scaling["type"]
    parameters["type"] = nil
    parameters["rope_theta"] = base.json["rope_theta"]
    var newer = base
    newer.json["rope_scaling"] = nil
    newer.json["rope_theta"] = nil
    newer.json["rope_parameters"] = .object(parameters)
    let descriptions = [try base.read(), try newer.read()]
    #expect("\(descriptions[0])" == "\(descriptions[1])")
    #expect(descriptions[1].rotary.base == 10_000)
    #expect(
      descriptions[1].rotary.scaling
        == .yarn(factor: 40, originalPositions: 4096, betaFast: 32, betaSlow: 1, truncates: true))
  }

  @Test func anIndexersLayersAreThoseOfThePattern() throws {
    let base = try Configuration(golden: "glm_moe_dsa").with("indexer_types", nil)
    func shares(_ changes: [(String, String)]) throws -> [Bool] {
      var configuration = base
      for (key, value) in changes { configuration = try configuration.with(key, value) }
      return try configuration.read().layers.map {
        guard case .latent(let latent) = $0.attention, let indexer = latent.indexer else { throw WrongAttention() }
        return indexer.isShared
      }
    }
    #expect(try shares([]) == [false, false, false, false, false])
    #expect(try shares([("index_topk_pattern", #""FSSFS""#)]) == [false, true, true, false, true])
    #expect(try shares([("index_topk_freq", "2")]) == [false, false, true, false, true])
    #expect(
      try shares([("index_topk_freq", "4"), ("index_skip_topk_offset", "3")]) == [false, false, false, true, true])
    let first = try base.with("index_topk_freq", "2").with("index_skip_topk_offset", "0").failure()
    #expect(first?.contains("index_skip_topk_offset") == true)
  }

  /// More positions may be chosen than any context has: then attention sees all.
  @Test func aChoiceOfMorePositionsThanTheContextHasIsRead() throws {
    let model = try Configuration(golden: "deepseek_v32").with("index_topk", "67108864").read()
    guard case .latent(let latent) = model.layers[0].attention else { throw WrongAttention() }
    #expect(latent.indexer?.topK == 1 << 26)
  }
}
