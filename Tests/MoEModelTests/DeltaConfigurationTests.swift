import Checkpoints
import Foundation
import JSON
import Kernels
import MoEModel
import Tensors
import Testing

/// Settings of models with gated DeltaNet.
struct DeltaConfigurationTests {
  @Test func qwen3NextIsReadAsPublished() throws {
    let model = try Configuration(
      """
      {"architectures": ["Qwen3NextForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "bos_token_id": 151643, "decoder_sparse_step": 1, "eos_token_id": 151645, "full_attention_interval": 4,
       "head_dim": 256, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 5120, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
       "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_value_head_dim": 128,
       "max_position_embeddings": 262144, "mlp_only_layers": [], "model_type": "qwen3_next",
       "moe_intermediate_size": 512, "norm_topk_prob": true, "num_attention_heads": 16, "num_experts": 512,
       "num_experts_per_tok": 10, "num_hidden_layers": 48, "num_key_value_heads": 2, "output_router_logits": false,
       "partial_rotary_factor": 0.25, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 10000000,
       "router_aux_loss_coef": 0.001, "shared_expert_intermediate_size": 512, "tie_word_embeddings": false,
       "torch_dtype": "bfloat16", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936}
      """
    ).read()
    #expect(model.layers.filter { $0.attention.stateCount > 0 }.count == 36 && model.isRecurrent && model.normsAddOne)
    guard case .delta(let delta) = model.layers[0].attention, case .grouped(let grouped) = model.layers[3].attention
    else { return #expect(Bool(false), "layers of other kinds") }
    // A matrix of 128 × 128 for each of 32 heads, and three tokens' channels.
    #expect(delta.stateCount == 32 * 128 * 128 + 3 * 8192)
    #expect(grouped.hasGate && grouped.queryStride == 512 && model.rotary.dims == 64 && model.rotary.base == 1e7)
    #expect(StateCache.slotByteCount(model) == 36 * 4 * delta.stateCount)
    #expect(KeyValueCache.blockByteCount(model, type: .bf16) == 12 * 2 * 2 * 256 * 2 * KeyValueCache.blockTokens)
    #expect(model.unreadSettings == [], "\(model.unreadSettings)")
    #expect(model.moe?.sharedIsGated == true && model.moe?.router.normalizes == true)
  }

  @Test func qwen35IsReadAsPublished() throws {
    let model = try Configuration(
      """
      {"architectures": ["Qwen3_5MoeForConditionalGeneration"], "image_token_id": 248056, "model_type": "qwen3_5_moe",
       "text_config": {"attention_bias": false, "attention_dropout": 0.0, "attn_output_gate": true, "dtype": "bfloat16",
         "eos_token_id": 248044, "full_attention_interval": 4, "head_dim": 256, "hidden_act": "silu",
         "hidden_size": 2048, "initializer_range": 0.02, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
         "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_value_head_dim": 128,
         "mamba_ssm_dtype": "float32", "max_position_embeddings": 262144, "model_type": "qwen3_5_moe_text",
         "moe_intermediate_size": 512, "mtp_num_hidden_layers": 1, "mtp_use_dedicated_embeddings": false,
         "num_attention_heads": 16, "num_experts": 256, "num_experts_per_tok": 8, "num_hidden_layers": 40,
         "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "router_aux_loss_coef": 0.001,
         "rope_parameters": {"mrope_interleaved": true, "mrope_section": [11, 11, 10], "partial_rotary_factor": 0.25,
           "rope_theta": 10000000, "rope_type": "default"},
         "shared_expert_intermediate_size": 512, "use_cache": true, "vocab_size": 248320},
       "tie_word_embeddings": false, "vision_config": {"depth": 27}}
      """
    ).read()
    #expect(model.family == "qwen3_5_moe_text" && model.layerCount == 40 && model.moeLayers.count == 40)
    #expect(
      model.layers.indices.filter { model.layers[$0].attention.rowWidth > 0 } == [
        3, 7, 11, 15, 19, 23, 27, 31, 35, 39,
      ])
    #expect(model.unreadSettings == [], "\(model.unreadSettings)")
    guard case .delta(let delta) = model.layers[0].attention else { return #expect(Bool(false)) }
    #expect(delta.projections == .separate && delta.channels == 8192)
  }

  @Test(arguments: Configuration.deltas)
  func tinyCheckpointsAreReadWhole(name: String) throws {
    let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let model = try ModelConfiguration.read(
      try CheckpointFormat.open(fixtures.appending(path: "Fixtures/delta/\(name)").path))
    #expect(model.unreadTensors == [] && model.unreadNote == nil, "\(model.unreadNote ?? "")")
    #expect(model.outerPredictionLayerCount == 0 && model.predictionLayerCount == 1)
    #expect(model.tiedEmbeddings == (name == "qwen3_5"))
    #expect((model.otherPartCounts["model.visual"] ?? 0 > 0) == (name != "qwen3_next"), "\(model.otherPartCounts)")
    try model.requireBackwardPass()
  }

  /// One layer more, with attention whatever the last layer has, under names of its own; norms are stored without their
  /// one, and embedding and head are the model's.
  @Test(arguments: Configuration.deltas) func theModuleIsALayerBesideTheModel(golden: String) throws {
    let plain = try Configuration(golden: golden).read()
    let model = plain.predicting()
    #expect(plain.predictionLayerCount == 1 && model.runLayers.count == 5)
    guard case .grouped(let attention)? = model.runLayers.last?.attention else { return #expect(Bool(false)) }
    #expect(attention.hasGate && model.runLayers.last?.isMoE == (golden != "qwen3_5"))
    #expect(StateCache.slotByteCount(model) == StateCache.slotByteCount(plain))
    let specs = model.parameters(ofLayer: 4, experts: 2..<3)
    let named = Dictionary(specs.map { (model.names.tensor($0.id), $0) }) { $1 }
    #expect(named["mtp.fc.weight"]?.shape == [24, 48] && named["mtp.layers.0.self_attn.q_proj.weight"]?.rows == 128)
    for norm in ["norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden", "layers.0.input_layernorm"] {
      #expect(named["mtp.\(norm).weight"]?.offset == 1, "\(norm)")
    }
    #expect((named["mtp.layers.0.mlp.experts.2.up_proj.weight"] != nil) == (golden != "qwen3_5"))
    let shared = named.keys.filter { !$0.hasPrefix("mtp.") }
    let (embedding, head) = (ParameterID(.embedding), ParameterID(golden == "qwen3_5" ? .embedding : .head))
    #expect(Set(shared) == [model.names.tensor(embedding), model.names.tensor(head)], "\(shared)")
  }

  /// Where layers differ the module's counts as the first.
  @Test func theModuleOfAModelOfDenseAndOtherLayersIsAsTheFirst() throws {
    let published = try Configuration(golden: "qwen3_next")
    for (key, value, isMoE) in [
      ("mlp_only_layers", "[0, 1, 3]", false), ("decoder_sparse_step", "2", false), ("mlp_only_layers", "[1, 3]", true),
    ] {
      #expect(
        try published.with(key, value).read().predicting().runLayers[4].isMoE == isMoE, "\(key): \(value)")
    }
  }

  /// Publishers of Qwen3-Next leave the count out.
  @Test func modulesAreCountedAsTheConfigurationSays() throws {
    let (next, whole) = (try Configuration(golden: "qwen3_next"), try Configuration(golden: "qwen3_5_moe"))
    for (value, count) in [(nil, 1), ("null", 1), ("0", 0), ("1", 1), ("3", 3)] as [(String?, Int)] {
      for read in [
        try next.with("mtp_num_hidden_layers", value), try next.with("num_nextn_predict_layers", value),
        try whole.with("text_config.mtp_num_hidden_layers", value),
      ] { #expect(try read.read().predictionLayerCount == count, "\(value ?? "without")") }
    }
    for value in ["-1", "65", "1.5", "true"] {
      let message = try #require(try whole.with("text_config.mtp_num_hidden_layers", value).failure())
      #expect(message.contains("mtp_num_hidden_layers"), "\(message)")
    }
  }

  /// A state is what only layers of gated DeltaNet keep.
  @Test func gatedAttentionAloneIsNotRecurrent() throws {
    let count = try #require(try Configuration(golden: "qwen3_next").json["num_hidden_layers"]?.exactInt)
    let types = Array(repeating: #""full_attention""#, count: count).joined(separator: ",")
    let model = try Configuration(golden: "qwen3_next").with("layer_types", "[\(types)]").read()
    #expect(!model.isRecurrent && model.isRecurrent == (StateCache.slotByteCount(model) > 0))
    try model.requireBackwardPass()
  }

  /// What is planned of a shape is what the reference writes of it.
  @Test(arguments: Configuration.deltas) func aPlannedCheckpointHasThePublishedTensors(name: String) throws {
    let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let checkpoint = try CheckpointFormat.open(fixtures.appending(path: "Fixtures/delta/\(name)").path)
    let plan = try CheckpointPlan(try ModelConfiguration.read(checkpoint), type: .bfloat16)
    let planned = Dictionary(uniqueKeysWithValues: plan.tensors.map { ($0.entry.name, $0.entry.shape) })
    let published = checkpoint.entries.filter { !$0.name.hasPrefix("mtp.") && !$0.name.hasPrefix("model.visual.") }
    #expect(planned == Dictionary(uniqueKeysWithValues: published.map { ($0.name, $0.shape) }))
  }

  static let broken = [
    ("qwen3_next", "linear_num_value_heads", "5"), ("qwen3_next", "linear_num_key_heads", "0"),
    ("qwen3_next", "linear_key_head_dim", "-1"), ("qwen3_next", "linear_value_head_dim", "99999999999"),
    ("qwen3_next", "linear_conv_kernel_dim", "1"), ("qwen3_next", "linear_conv_kernel_dim", "65"),
    ("qwen3_next", "full_attention_interval", "0"), ("qwen3_next", "layer_types", #"["linear_attention"]"#),
    ("qwen3_next", "layer_types", #"["full_attention", "sliding_attention", "full_attention", "full_attention"]"#),
    ("qwen3_next", "head_dim", "4"), ("qwen3_5_moe", "text_config.attn_output_gate", "false"),
    ("qwen3_5_moe", "text_config.linear_num_value_heads", "3"),
    ("qwen3_5", "text_config.full_attention_interval", "-4"),
    ("qwen3_5", "text_config.linear_conv_kernel_dim", "1e9"),
  ]

  @Test(arguments: broken)
  func aBrokenSettingIsAnErrorThatNamesIt(golden: String, key: String, value: String) throws {
    let message = try #require(try Configuration(golden: golden).with(key, value).failure())
    #expect(message.contains(key.split(separator: ".").last!) && message.contains("config.json"), "\(message)")
  }

  @Test(arguments: Configuration.deltas)
  func noValueOfAnySettingTraps(golden: String) throws {
    try ModelConfigurationTests.takeAnyValue(golden)
  }

  /// What a description with the largest numbers asks for can be counted.
  @Test func theLargestSizesDoNotOverflow() throws {
    let model = try Configuration(golden: "qwen3_next").with("linear_num_value_heads", "4096")
      .with("linear_num_key_heads", "4096").with("linear_key_head_dim", "4096").with("linear_value_head_dim", "4096")
      .with("linear_conv_kernel_dim", "64").with("hidden_size", "1048576").read()
    #expect(StateCache.slotByteCount(model) > 1 << 38)
    #expect(model.parameters(ofLayer: 0, experts: 0..<1).allSatisfy { $0.elementCount > 0 })
  }
}
