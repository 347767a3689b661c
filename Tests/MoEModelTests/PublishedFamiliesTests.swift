import MoEModel
import Testing

/// The numbers of published models of the smaller families give the right descriptions.
struct PublishedFamiliesTests {
  private struct WrongAttention: Error {}

  @Test func kExaone236B() throws {
    let types = (0..<48).map { $0 % 4 == 3 ? "\"full_attention\"" : "\"sliding_attention\"" }.joined(separator: ",")
    let marks = (0..<48).map { $0 == 0 ? "false" : "true" }.joined(separator: ",")
    let model = try Configuration(
      """
      {"model_type": "exaone_moe", "first_last_k_dense_replace": 1, "head_dim": 128, "hidden_act": "silu",
       "hidden_size": 6144, "intermediate_size": 18432, "is_moe_layer": [\(marks)], "layer_types": [\(types)],
       "max_position_embeddings": 262144, "moe_intermediate_size": 2048, "n_group": 1, "norm_topk_prob": true,
       "num_attention_heads": 64, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
       "num_key_value_heads": 8, "num_shared_experts": 1, "rms_norm_eps": 1e-05, "rope_scaling": null,
       "rope_theta": 1000000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid", "sliding_window": 128,
       "sliding_window_pattern": "LLLG", "tie_word_embeddings": false, "topk_group": 1, "topk_method": "noaux_tc",
       "vocab_size": 153600}
      """
    ).read()
    #expect(model.moeLayers == Array(1..<48) && model.unreadSettings == [])
    #expect(model.layers.map(\.slidingWindow) == (0..<48).map { $0 % 4 == 3 ? nil : 128 })
    #expect(model.layers.map(\.rotates) == (0..<48).map { $0 % 4 != 3 })
    guard case .grouped(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.queryKeyNorm == .perHead && attention.queriesPerKey == 8)
    let router = try #require(model.moe).router
    #expect(router.scoring == .sigmoid && router.hasSelectionBias && router.groups == nil && router.scale == 2.5)
    #expect(
      model.names.tensor(ParameterID(.selectionBias, layer: 3)) == "model.layers.3.mlp.e_score_correction_bias")
  }

  @Test func lingMini20() throws {
    let model = try Configuration(
      """
      {"model_type": "bailing_moe", "architectures": ["BailingMoeV2ForCausalLM"], "num_hidden_layers": 20,
       "hidden_size": 2048, "intermediate_size": 5120, "first_k_dense_replace": 1, "moe_intermediate_size": 512,
       "moe_shared_expert_intermediate_size": 512, "num_shared_experts": 1, "num_experts": 256, "num_experts_per_tok": 8,
       "n_group": 8, "topk_group": 4, "norm_topk_prob": true, "routed_scaling_factor": 2.5, "score_function": "sigmoid",
       "moe_router_enable_expert_bias": true, "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 128,
       "partial_rotary_factor": 0.5, "use_qk_norm": true, "use_qkv_bias": false, "use_bias": false,
       "use_rmsnorm": true, "rms_norm_eps": 1e-06, "rope_theta": 600000, "rope_scaling": null, "router_dtype": "fp32",
       "max_position_embeddings": 32768, "vocab_size": 157184, "hidden_act": "silu", "norm_head": false,
       "norm_softmax": false, "embedding_dropout": 0.0, "output_dropout": 0.0, "attention_dropout": 0.0,
       "num_nextn_predict_layers": 0, "tie_word_embeddings": false}
      """
    ).read()
    #expect(model.family == "bailing_moe" && model.unreadSettings == [] && model.moeLayers == Array(1..<20))
    #expect(model.rotary.dims == 64 && model.rotary.base == 600_000 && !model.rotary.interleaved)
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 256 && moe.sharedIntermediateSize == 512)
    #expect(moe.router.groups?.count == 8 && moe.router.groups?.kept == 4 && moe.router.normalizes)
    // Queries, keys and values are rows of one tensor: 2048, 512 and 512.
    for (role, first, rows) in [(ParameterRole.query, 0, 2048), (.key, 2048, 512), (.value, 2560, 512)] {
      let spec = try #require(model.parameters(ofLayer: 1, experts: 0..<0).first { $0.role == role && !$0.id.isBias })
      let place = model.names.place(of: spec, expertCount: 256)
      #expect(place.name == "model.layers.1.attention.query_key_value.weight")
      #expect(place.first == first && place.rows == 3072 && spec.rows == rows && place.shape(of: spec) == [3072, 2048])
    }
  }

  @Test func hunyuan3() throws {
    let model = try Configuration(
      """
      {"model_type": "hy_v3", "vocab_size": 120832, "hidden_size": 4096, "intermediate_size": 13312,
       "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "hidden_act": "silu",
       "max_position_embeddings": 262144, "rms_norm_eps": 1e-5, "head_dim": 128, "tie_word_embeddings": false,
       "rope_parameters": {"rope_theta": 11158840.0, "rope_type": "default"}, "moe_intermediate_size": 1536,
       "expert_hidden_dim": 1536, "num_experts": 192, "num_experts_per_tok": 8, "num_shared_experts": 1,
       "first_k_dense_replace": 1, "moe_router_use_sigmoid": true, "moe_router_enable_expert_bias": true,
       "route_norm": true, "router_scaling_factor": 2.826, "qk_norm": true, "num_nextn_predict_layers": 1,
       "use_grouped_mm": true, "enable_attention_fp32_softmax": true, "enable_moe_fp32_combine": true,
       "enable_lm_head_fp32": true}
      """
    ).read()
    #expect(model.unreadSettings == [] && model.moeLayers == Array(1..<80) && model.predictionLayerCount == 1)
    let moe = try #require(model.moe)
    #expect(moe.expertCount == 192 && moe.topK == 8 && moe.router.scale == 2.826)
    #expect(moe.sharedIntermediateSize == 1536 && !moe.sharedHasBias)
    #expect(model.rotary.base == 11_158_840 && model.rotary.dims == 128)
    let names = [ParameterRole.router, .selectionBias, .feedForward(.shared, .up)].map {
      model.names.tensor(ParameterID($0, layer: 2))
    }
    #expect(
      names == [
        "model.layers.2.mlp.router.gate.weight", "model.layers.2.mlp.expert_bias",
        "model.layers.2.mlp.shared_mlp.up_proj.weight",
      ])
  }

  /// Of a larger model: what its class takes anyway need not be said.
  @Test func mistralSmall4() throws {
    let model = try Configuration(
      """
      {"model_type": "mistral3", "vision_config": {"hidden_size": 1664}, "text_config": {"model_type": "mistral4"}}
      """
    ).read()
    #expect(model.family == "mistral4" && model.layerCount == 36 && model.moeLayers.count == 36)
    #expect(model.rotary.queryScaling?.beta == 0.1 && model.rotary.queryScaling?.positions == 8192)
    #expect(model.rotary.dims == 64 && model.rotary.interleaved)
    #expect(model.rotary.queryScaling?.factor(at: 8191) == 1)
    // 1 + 0.1 · ln 2 and 1 + 0.1 · ln 3
    #expect(abs((model.rotary.queryScaling?.factor(at: 8192) ?? 0) - 1.0693147) < 1e-6)
    #expect(abs((model.rotary.queryScaling?.factor(at: 24_575) ?? 0) - 1.1098612) < 1e-6)
    guard case .latent(let attention) = model.layers[0].attention else { throw WrongAttention() }
    #expect(attention.latentRank == 256 && attention.queryRank == 1024 && attention.nopeDims == 64)
    // 128^-½ · (0.1 · ln 128 + 1)²
    #expect(abs(attention.softmaxScale - 0.1949695) < 1e-5)
    let router = try #require(model.moe).router
    #expect(router.scoring == .softmax && router.normalizes && !router.hasSelectionBias)
    #expect(
      model.names.tensor(ParameterID(.keyValueUp, layer: 1))
        == "language_model.model.layers.1.self_attn.kv_b_proj.weight")
  }

  /// Mistral Small 3 and its kin.
  @Test func anOlderTextModelIsRefused() throws {
    for text in [#"{"model_type": "mistral"}"#, "{}"] {
      let failure = try Configuration(#"{"model_type": "mistral3", "text_config": \#(text)}"#).failure()
      #expect(failure?.contains("\"mistral\"") == true, "\(failure ?? "")")
    }
  }

  @Test func ernie45With21BOf3BActive() throws {
    let model = try Configuration(
      """
      {"model_type": "ernie4_5_moe", "hidden_act": "silu", "hidden_size": 2560, "intermediate_size": 12288,
       "max_position_embeddings": 131072, "moe_capacity": [64, 64, 64], "moe_gate": "topk", "moe_use_aux_free": true,
       "moe_intermediate_size": 1536, "moe_k": 6, "moe_layer_interval": 1, "moe_layer_start_index": 1,
       "moe_num_experts": 64, "moe_num_shared_experts": 2, "num_attention_heads": 20, "num_hidden_layers": 28,
       "num_key_value_heads": 4, "num_nextn_predict_layers": 1, "rms_norm_eps": 1e-05, "rope_theta": 500000,
       "tie_word_embeddings": true, "use_bias": false, "vocab_size": 103424}
      """
    ).read()
    #expect(model.unreadSettings == [] && model.moeLayers == Array(1..<28) && model.tiedEmbeddings)
    #expect(model.rotary.interleaved && model.rotary.dims == 128)
    let moe = try #require(model.moe)
    #expect(moe.topK == 6 && moe.sharedIntermediateSize == 3072)
    #expect(moe.router.scoring == .softmax && moe.router.hasSelectionBias && moe.router.normFloor == 1e-12)
    let bias = try #require(model.parameters(ofLayer: 1, experts: 0..<0).first { $0.role == .selectionBias })
    let place = model.names.place(of: bias, expertCount: 64)
    #expect(place.shape(of: bias) == [1, 64])
    #expect(place.name == "model.layers.1.mlp.moe_statics.e_score_correction_bias")
  }
}
