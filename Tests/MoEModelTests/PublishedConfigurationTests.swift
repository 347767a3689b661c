import Kernels
import MoEModel
import Testing

/// The numbers of published models, as their `config.json` has them, give the right descriptions.
struct PublishedConfigurationTests {
  @Test func deepSeekV3() throws {
    let model = try Configuration(
      """
      {"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
       "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536,
       "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 256,
       "n_shared_experts": 1, "n_group": 8, "topk_group": 4, "num_experts_per_tok": 8, "moe_layer_freq": 1,
       "first_k_dense_replace": 3, "norm_topk_prob": true, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
       "topk_method": "noaux_tc", "vocab_size": 129280, "max_position_embeddings": 163840, "num_nextn_predict_layers": 1,
       "rms_norm_eps": 1e-06, "rope_theta": 10000, "hidden_act": "silu", "tie_word_embeddings": false,
       "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
         "original_max_position_embeddings": 4096, "type": "yarn"},
       "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
         "weight_block_size": [128, 128]}}
      """
    ).read()
    #expect(model.hiddenSize == 7168 && model.layerCount == 61 && model.vocabularySize == 129_280)
    #expect(model.moeLayers == Array(3..<61) && model.predictionLayerCount == 1)
    #expect(model.layers[2].feedForward == .dense(intermediateSize: 18_432))
    guard case .latent(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.headCount == 128 && attention.queryRank == 1536 && attention.latentRank == 512)
    #expect(attention.nopeDims == 128 && attention.rotaryDims == 64 && attention.valueDims == 128)
    #expect(model.layers[0].attention.rowWidth == 576)
    // 192^-½ · (0.1 · ln 40 + 1)²
    #expect(abs(attention.softmaxScale - 0.135234) < 1e-5)
    #expect(model.rotary.dims == 64 && model.rotary.interleaved && model.rotary.attentionFactor == 1)
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 256 && moe.topK == 8 && moe.expertIntermediateSize == 2048)
    #expect(moe.sharedIntermediateSize == 2048 && !moe.sharedIsGated)
    #expect(moe.router.scoring == .sigmoid && moe.router.hasSelectionBias && moe.router.normalizes)
    #expect(moe.router.groups?.count == 8 && moe.router.groups?.kept == 4 && moe.router.scale == 2.5)
    #expect(moe.router.groups?.score == .topTwoSum)
    #expect(model.quantization == .float8)
    #expect(model.float8Block == Quantization.Block(rows: 128, columns: 128))
  }

  @Test func qwen3With30BOf3BActive() throws {
    let model = try Configuration(
      """
      {"model_type": "qwen3_moe", "attention_bias": false, "decoder_sparse_step": 1, "head_dim": 128, "hidden_act": "silu",
       "hidden_size": 2048, "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48,
       "mlp_only_layers": [], "moe_intermediate_size": 768, "norm_topk_prob": true, "num_attention_heads": 32,
       "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4,
       "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000.0, "sliding_window": null,
       "tie_word_embeddings": false, "use_sliding_window": false, "vocab_size": 151936}
      """
    ).read()
    #expect(model.hiddenSize == 2048 && model.moeLayers.count == 48 && model.vocabularySize == 151_936)
    guard case .grouped(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.headCount == 32 && attention.keyValueHeadCount == 4 && attention.headDims == 128)
    #expect(attention.queryKeyNorm == .perHead && !attention.projectionBias && !attention.hasSinks)
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 128 && moe.topK == 8 && moe.expertIntermediateSize == 768)
    #expect(moe.router.scoring == .softmax && moe.router.normalizes && moe.sharedIntermediateSize == nil)
    #expect(model.rotary.base == 1e6 && model.rotary.dims == 128 && !model.rotary.interleaved)
    #expect(model.layers.allSatisfy { $0.slidingWindow == nil })
  }

  @Test func mixtral8x7B() throws {
    let model = try Configuration(
      """
      {"model_type": "mixtral", "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336,
       "max_position_embeddings": 32768, "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
       "num_key_value_heads": 8, "num_local_experts": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
       "sliding_window": null, "tie_word_embeddings": false, "vocab_size": 32000}
      """
    ).read()
    guard case .grouped(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.headDims == 128 && attention.queriesPerKey == 4 && attention.queryKeyNorm == .none)
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 8 && moe.topK == 2 && moe.expertIntermediateSize == 14_336)
    #expect(moe.router.scoring == .softmax && moe.router.normalizes)
    #expect(model.normEpsilon == 1e-5 && model.moeLayers.count == 32)
    #expect(
      model.names.tensor(ParameterID(.router, layer: 3)) == "model.layers.3.block_sparse_moe.gate.weight")
  }

  @Test func gptOSS20B() throws {
    let types = (0..<24).map { $0 % 2 == 0 ? "\"sliding_attention\"" : "\"full_attention\"" }.joined(separator: ",")
    let model = try Configuration(
      """
      {"model_type": "gpt_oss", "attention_bias": true, "experts_per_token": 4, "head_dim": 64, "hidden_act": "silu",
       "hidden_size": 2880, "initial_context_length": 4096, "intermediate_size": 2880, "layer_types": [\(types)],
       "max_position_embeddings": 131072, "num_attention_heads": 64, "num_experts_per_tok": 4, "num_hidden_layers": 24,
       "num_key_value_heads": 8, "num_local_experts": 32, "rms_norm_eps": 1e-05,
       "rope_scaling": {"beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "original_max_position_embeddings": 4096,
         "rope_type": "yarn", "truncate": false},
       "rope_theta": 150000, "sliding_window": 128, "swiglu_limit": 7.0, "tie_word_embeddings": false, "vocab_size": 201088,
       "quantization_config": {"quant_method": "mxfp4"}}
      """
    ).read()
    guard case .grouped(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.hasSinks && attention.projectionBias && attention.outputBias && attention.headDims == 64)
    #expect(attention.headCount == 64 && attention.keyValueHeadCount == 8)
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 32 && moe.topK == 4 && moe.expertHasBias)
    #expect(moe.activation == .clampedSwiGLU(alpha: 1.702, limit: 7))
    #expect(moe.router.scoring == .softmaxOverChosen && moe.router.hasLinearBias)
    #expect(model.layers.map(\.slidingWindow) == (0..<24).map { $0 % 2 == 0 ? 128 : nil })
    #expect(
      model.rotary.scaling == .yarn(factor: 32, originalPositions: 4096, betaFast: 32, betaSlow: 1, truncates: false))
    #expect(abs(model.rotary.attentionFactor - 1.3465735902799727) < 1e-12)
    #expect(model.quantization == .mxfp4Experts)
  }

  @Test func glm45Air() throws {
    let model = try Configuration(
      """
      {"model_type": "glm4_moe", "attention_bias": true, "first_k_dense_replace": 1, "head_dim": 128, "hidden_act": "silu",
       "hidden_size": 4096, "intermediate_size": 10944, "max_position_embeddings": 131072, "moe_intermediate_size": 1408,
       "n_group": 1, "n_routed_experts": 128, "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 96,
       "num_experts_per_tok": 8, "num_hidden_layers": 46, "num_key_value_heads": 8, "num_nextn_predict_layers": 1,
       "partial_rotary_factor": 0.5, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 1000000,
       "routed_scaling_factor": 1.0, "tie_word_embeddings": false, "topk_group": 1, "use_qk_norm": false,
       "vocab_size": 151552}
      """
    ).read()
    guard case .grouped(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(
      attention.headCount == 96 && attention.queriesPerKey == 12 && attention.projectionBias && !attention.outputBias)
    #expect(attention.queryKeyNorm == .none)
    #expect(model.rotary.dims == 64 && model.moeLayers == Array(1..<46) && model.predictionLayerCount == 1)
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 128 && moe.topK == 8 && moe.sharedIntermediateSize == 1408)
    #expect(moe.router.scoring == .sigmoid && moe.router.hasSelectionBias && moe.router.groups == nil)
    #expect(moe.router.scale == 1)
  }

  @Test func olmoeWith7BOf1BActive() throws {
    let model = try Configuration(
      """
      {"model_type": "olmoe", "attention_bias": false, "clip_qkv": null, "hidden_act": "silu", "hidden_size": 2048,
       "intermediate_size": 1024, "max_position_embeddings": 4096, "norm_topk_prob": false, "num_attention_heads": 16,
       "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 16, "num_key_value_heads": 16,
       "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings": false, "vocab_size": 50304}
      """
    ).read()
    guard case .grouped(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.queryKeyNorm == .fullWidth && attention.clip == nil && attention.headDims == 128)
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 64 && moe.topK == 8 && moe.expertIntermediateSize == 1024)
    #expect(!moe.router.normalizes && moe.router.scale == 1)
    #expect(model.moeLayers.count == 16)
  }

  @Test func kimiK2() throws {
    let model = try Configuration(
      """
      {"model_type": "kimi_k2", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
       "num_hidden_layers": 61, "num_attention_heads": 64, "num_key_value_heads": 64, "q_lora_rank": 1536,
       "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 384,
       "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8, "moe_layer_freq": 1,
       "first_k_dense_replace": 1, "norm_topk_prob": true, "routed_scaling_factor": 2.827, "scoring_func": "sigmoid",
       "topk_method": "noaux_tc", "vocab_size": 163840, "max_position_embeddings": 131072,
       "num_nextn_predict_layers": 0, "rms_norm_eps": 1e-06, "rope_theta": 50000.0, "hidden_act": "silu",
       "tie_word_embeddings": false,
       "rope_scaling": {"beta_fast": 1.0, "beta_slow": 1.0, "factor": 32.0, "mscale": 1.0, "mscale_all_dim": 1.0,
         "original_max_position_embeddings": 4096, "type": "yarn"}}
      """
    ).read()
    #expect(model.family == "kimi_k2" && model.moeLayers == Array(1..<61))
    #expect(model.layers.allSatisfy { $0.attention.rowWidth == 576 })
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 384 && moe.topK == 8 && moe.router.groups == nil)
    // 1.04 T parameters, of which 32 B work on a token.
    let experts = 60 * 384 * 3 * 7168 * 2048
    let total = ParameterTable(model).reduce(0) { $0 + $1.elementCount }
    #expect(total > experts && (total - experts) < 12_000_000_000)
  }

  @Test func kimiK25() throws {
    let model = try Configuration(
      """
      {"model_type": "kimi_k25", "tie_word_embeddings": true, "media_placeholder_token_id": 163605, "vision_config": {
         "vt_hidden_size": 1152, "vt_num_hidden_layers": 27},
       "text_config": {"model_type": "kimi_k2", "hidden_size": 7168, "intermediate_size": 18432,
       "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 64, "num_key_value_heads": 64,
       "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
       "n_routed_experts": 384, "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8,
       "moe_layer_freq": 1, "first_k_dense_replace": 1, "norm_topk_prob": true, "routed_scaling_factor": 2.827,
       "scoring_func": "sigmoid", "topk_method": "noaux_tc", "vocab_size": 163840, "max_position_embeddings": 262144,
       "num_nextn_predict_layers": 0, "rms_norm_eps": 1e-05, "rope_theta": 50000.0, "hidden_act": "silu",
       "tie_word_embeddings": false,
       "rope_scaling": {"beta_fast": 32.0, "beta_slow": 1.0, "factor": 64.0, "mscale": 1.0, "mscale_all_dim": 1.0,
         "original_max_position_embeddings": 4096, "type": "yarn"},
       "quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized",
         "quantization_status": "compressed", "kv_cache_scheme": null,
         "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\\\.(gate|up|gate_up|down)_proj.*"],
         "config_groups": {"group_0": {"input_activations": null, "output_activations": null, "targets": ["Linear"],
           "weights": {"actorder": null, "block_structure": null, "dynamic": false, "group_size": 32, "num_bits": 4,
             "observer": "minmax", "observer_kwargs": {}, "strategy": "group", "symmetric": true, "type": "int"}}}}}}
      """
    ).read()
    #expect(model.family == "kimi_k2" && model.composite?.name == "kimi_k25" && !model.tiedEmbeddings)
    #expect(model.quantization == .integers(.compressedTensors) && model.normEpsilon == 1e-5)
    #expect(model.moeLayers == Array(1..<61) && model.moe?.expertCount == 384 && model.unreadSettings == [])
    // Experts meet 8-bit rows, whatever the rest does.
    #expect(model.rowFormat == .int8 && model.expertRowFormat == .int8)
    #expect(try model.holding(.f32).expertRowFormat == .float32)
    #expect(
      model.names.tensor(ParameterID(.feedForward(.expert, .up), layer: 3, expert: 9))
        == "language_model.model.layers.3.mlp.experts.9.up_proj.weight")
    #expect(model.names.tensor(ParameterID(.head)) == "language_model.lm_head.weight")
  }

  @Test func glm47Flash() throws {
    let model = try Configuration(
      """
      {"model_type": "glm4_moe_lite", "hidden_size": 2048, "intermediate_size": 10240, "moe_intermediate_size": 1536,
       "num_hidden_layers": 47, "num_attention_heads": 20, "num_key_value_heads": 20, "q_lora_rank": 768,
       "kv_lora_rank": 512, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256, "n_routed_experts": 64,
       "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 4, "first_k_dense_replace": 1,
       "norm_topk_prob": true, "routed_scaling_factor": 1.8, "topk_method": "noaux_tc", "vocab_size": 154880,
       "max_position_embeddings": 202752, "num_nextn_predict_layers": 1, "rms_norm_eps": 1e-05, "rope_theta": 1000000,
       "hidden_act": "silu", "tie_word_embeddings": false}
      """
    ).read()
    guard case .latent(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.headCount == 20 && attention.nopeDims == 192 && attention.valueDims == 256)
    #expect(model.moeLayers == Array(1..<47) && model.predictionLayerCount == 1 && model.rotary.interleaved)
    #expect(model.moe?.router.scale == 1.8 && model.moe?.sharedIntermediateSize == 1536)
  }

  @Test func deepSeekV32() throws {
    let model = try Configuration(
      """
      {"model_type": "deepseek_v32", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
       "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536,
       "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 256,
       "n_shared_experts": 1, "n_group": 8, "topk_group": 4, "num_experts_per_tok": 8, "first_k_dense_replace": 3,
       "moe_layer_freq": 1, "norm_topk_prob": true, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
       "topk_method": "noaux_tc", "vocab_size": 129280, "max_position_embeddings": 163840, "rms_norm_eps": 1e-06,
       "num_nextn_predict_layers": 1, "index_n_heads": 64, "index_head_dim": 128, "index_topk": 2048,
       "rope_theta": 10000, "hidden_act": "silu", "tie_word_embeddings": false, "ep_size": 1,
       "rope_scaling": {"type": "yarn", "factor": 40, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0,
         "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096},
       "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
         "scale_fmt": "ue8m0", "weight_block_size": [128, 128]}}
      """
    ).read()
    guard case .latent(let attention) = model.layers[60].attention else { throw WrongAttention() }
    let indexer = attention.indexer
    #expect(indexer?.headCount == 64 && indexer?.headDims == 128 && indexer?.topK == 2048)
    #expect(indexer?.interleaved == false && indexer?.isShared == false && model.rotary.interleaved)
    // A latent, a rotary key and the indexer's key a token and layer.
    #expect(model.layers.allSatisfy { $0.attention.rowWidth == 512 + 64 && $0.attention.indexWidth == 128 })
    #expect(model.layers.allSatisfy { $0.attention.cacheByteCount(.q8, positions: 1) == 576 + 18 * 2 + 128 * 2 })
    #expect(model.unreadSettings == [] && model.moeLayers == Array(3..<61))
    let names = ParameterTable(model).filter { $0.layer == 9 }.map { model.names.tensor($0.id) }.filter {
      $0.contains(".indexer.")
    }
    let prefix = "model.layers.9.self_attn.indexer."
    #expect(
      Set(names)
        == Set(["wq_b.weight", "wk.weight", "k_norm.weight", "k_norm.bias", "weights_proj.weight"].map { prefix + $0 }))
  }

  @Test func glm52() throws {
    let types = (0..<78).map { $0 < 3 || $0 % 4 == 2 ? "\"full\"" : "\"shared\"" }
    let model = try Configuration(
      """
      {"model_type": "glm_moe_dsa", "hidden_size": 6144, "intermediate_size": 12288, "moe_intermediate_size": 2048,
       "num_hidden_layers": 78, "num_attention_heads": 64, "num_key_value_heads": 64, "q_lora_rank": 2048,
       "kv_lora_rank": 512, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256, "qk_head_dim": 256,
       "n_routed_experts": 256, "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 8,
       "first_k_dense_replace": 3, "norm_topk_prob": true, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
       "topk_method": "noaux_tc", "vocab_size": 154880, "max_position_embeddings": 202752, "rms_norm_eps": 1e-05,
       "num_nextn_predict_layers": 1, "index_n_heads": 32, "index_head_dim": 128, "index_topk": 2048,
       "rope_interleave": true, "indexer_rope_interleave": true, "index_share_for_mtp_iteration": true,
       "indexer_types": [\(types.joined(separator: ","))], "index_topk_freq": 4,
       "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"}, "hidden_act": "silu",
       "tie_word_embeddings": false}
      """
    ).read()
    let widths = model.layers.map { $0.attention.rowWidth + $0.attention.indexWidth }
    #expect(widths == types.map { $0 == "\"full\"" ? 704 : 576 })
    guard case .latent(let attention) = model.layers[3].attention else { throw WrongAttention() }
    #expect(attention.indexer?.isShared == true && attention.indexer?.interleaved == true)
    #expect(model.unreadSettings == [] && model.rotary.base == 1e6 && model.moe?.router.groups == nil)
    #expect(!ParameterTable(model).contains { $0.layer == 3 && $0.role == .indexKey })
    #expect(ParameterTable(model).contains { $0.layer == 6 && $0.role == .indexKey })
  }

  @Test func miniMaxM2() throws {
    let model = try Configuration(
      """
      {"model_type": "minimax_m2", "hidden_size": 3072, "intermediate_size": 1536, "num_hidden_layers": 62,
       "num_attention_heads": 48, "num_key_value_heads": 8, "head_dim": 128, "rotary_dim": 64,
       "num_local_experts": 256, "num_experts_per_tok": 8, "scoring_func": "sigmoid", "qk_norm_type": "per_layer",
       "use_qk_norm": true, "use_routing_bias": true, "vocab_size": 200064, "max_position_embeddings": 196608,
       "rms_norm_eps": 1e-06, "rope_theta": 5000000, "hidden_act": "silu", "tie_word_embeddings": false,
       "shared_intermediate_size": 0, "quantization_config": {"activation_scheme": "dynamic", "fmt": "float8_e4m3fn",
         "quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["gate", "lm_head"]}}
      """
    ).read()
    guard case .grouped(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.queryKeyNorm == .fullWidth && attention.queriesPerKey == 6 && !attention.projectionBias)
    #expect(model.rotary.dims == 64 && !model.rotary.interleaved && model.rotary.base == 5e6)
    let router = try #require(model.moe?.router)
    #expect(router.scoring == .sigmoid && router.hasSelectionBias && router.normalizes && router.scale == 1)
    #expect(model.moeLayers.count == 62 && model.moe?.sharedIntermediateSize == nil)
    #expect(
      model.names.tensor(ParameterID(.selectionBias, layer: 3))
        == "model.layers.3.block_sparse_moe.e_score_correction_bias")
    #expect(
      model.names.tensor(ParameterID(.feedForward(.expert, .up), layer: 3, expert: 9))
        == "model.layers.3.block_sparse_moe.experts.9.w3.weight")
  }
}

struct WrongAttention: Error {}
