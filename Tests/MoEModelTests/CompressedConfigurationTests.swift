import Checkpoints
import Foundation
import Kernels
import MoEModel
import Tensors
import Testing

/// Settings of DeepSeek-V4.
struct CompressedConfigurationTests {
  private static let flash = """
    {"architectures": ["DeepseekV4ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 0,
     "compress_ratios": RATIOS, "compress_rope_theta": 160000, "eos_token_id": 1, "expert_dtype": "fp4", "hc_eps": 1e-06,
     "hc_mult": 4, "hc_sinkhorn_iters": 20, "head_dim": 512, "hidden_act": "silu", "hidden_size": 4096,
     "index_head_dim": 128, "index_n_heads": 64, "index_topk": 512, "initializer_range": 0.02,
     "max_position_embeddings": 1048576, "model_type": "deepseek_v4", "moe_intermediate_size": 2048,
     "n_routed_experts": 256, "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 64,
     "num_experts_per_tok": 6, "num_hash_layers": 3, "num_hidden_layers": 43, "num_key_value_heads": 1,
     "num_nextn_predict_layers": 1, "o_groups": 8, "o_lora_rank": 1024, "q_lora_rank": 1024, "qk_rope_head_dim": 64,
     "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "scale_fmt": "ue8m0",
       "weight_block_size": [128, 128]},
     "rms_norm_eps": 1e-06, "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 16,
       "original_max_position_embeddings": 65536, "type": "yarn"},
     "rope_theta": 10000, "routed_scaling_factor": 1.5, "scoring_func": "sqrtsoftplus", "sliding_window": 128,
     "swiglu_limit": 10.0, "tie_word_embeddings": false, "topk_method": "noaux_tc", "torch_dtype": "bfloat16",
     "use_cache": true, "vocab_size": 129280}
    """

  /// Two layers with their window only, then chosen entries and all entries in turn, and one for the module.
  private func published() throws -> Configuration {
    let ratios = (0..<44).map { $0 < 2 || $0 == 43 ? 0 : $0 % 2 == 0 ? 4 : 128 }
    return try Configuration(Self.flash.replacing("RATIOS", with: "\(ratios)"))
  }

  @Test func flashIsReadAsPublished() throws {
    let model = try published().read()
    #expect(model.unreadSettings == [], "\(model.unreadSettings)")
    #expect(model.layerCount == 43 && model.maximumPositions == 1_048_576 && model.predictionLayerCount == 1)
    guard case .hyper(let hyper) = model.residual else { return #expect(Bool(false)) }
    #expect(model.quantization == .float8 && hyper.streams == 4 && hyper.iterations == 20 && hyper.epsilon == 1e-6)
    #expect(
      model.layers.prefix(3).allSatisfy(\.routesByToken) && !model.layers.dropFirst(3).contains(where: \.routesByToken))
    let attentions = model.layers.compactMap { layer -> CompressedAttention? in
      if case .compressed(let compressed) = layer.attention { compressed } else { nil }
    }
    #expect(attentions.map(\.ratio).prefix(5) == [nil, nil, 4, 128, 4])
    #expect(attentions.count { $0.indexer != nil } == 21 && attentions[2].indexer?.topK == 512)
    #expect(attentions[2].rotaryDims == 64 && attentions[2].groupWidth == 4096 && attentions[2].window == 128)
    #expect(model.rotary.base == 10_000 && model.rotary.scaling == .none && model.rotary.interleaved)
    let entries = try #require(model.entryRotary)
    #expect(entries.base == 160_000 && entries.scaling.factor == 16 && entries.attentionFactor == 1)
    let moe = try #require(model.moe)
    #expect(moe.router.scoring == .rootSoftplus && moe.router.normalizes && moe.router.scale == 1.5)
    #expect(moe.activation == .limitedSwiGLU(limit: 10) && moe.sharedActivation == moe.activation)
    #expect(moe.sharedIntermediateSize == 2048)
  }

  /// A sequence keeps its window, and of what came before it one entry for 4 or 128 tokens: a block of 32 positions has
  /// eight with index keys in 21 layers, and room for one in 20.
  @Test func theCacheIsSmall() throws {
    let model = try published().read()
    let block = 21 * 8 * (512 + 128) + 20 * 512
    #expect(KeyValueCache.blockByteCount(model, type: .bf16) == 2 * block)
    #expect(2 * block / 32 < 7 * 1024 + 512)
    let window = 128 * 512
    let state = 2 * window + 21 * (window + 3 * 1024 + 3 * 256) + 20 * (window + 3 * 512)
    #expect(StateCache.slotByteCount(model) == 4 * state)
    #expect(model.isRecurrent && model.slicingObstacle != nil)
  }

  /// One layer more, with its window only, whose experts a router chooses, and a key of the state for each token of it.
  @Test func theModuleIsALayerOfItsOwn() throws {
    let plain = try published().read()
    let model = plain.predicting()
    guard model.runLayers.count == 44, case .compressed(let attention) = model.runLayers[43].attention else {
      return #expect(Bool(false))
    }
    #expect(attention.ratio == nil && attention.indexer == nil && attention.window == 128)
    #expect(!model.runLayers[43].routesByToken && model.runLayers[43].isMoE)
    #expect(StateCache.slotByteCount(model) == StateCache.slotByteCount(plain) + 4 * 128 * 512)
    #expect(KeyValueCache.blockByteCount(model, type: .bf16) == KeyValueCache.blockByteCount(plain, type: .bf16))
    let specs = model.parameters(ofLayer: 43, experts: 3..<4)
    let named = Dictionary(specs.map { (model.names.tensor($0.id), $0.shape) }) { $1 }
    #expect(named["mtp.0.e_proj.weight"] == [4096, 4096] && named["mtp.0.h_proj.weight"] == [4096, 4096])
    #expect(named["mtp.0.hc_head_fn"] == [4, 4 * 4096] && named["mtp.0.hc_head_scale"] == [1])
    #expect(named["mtp.0.attn.wq_a.weight"] == [1024, 4096] && named["mtp.0.attn.compressor.ape"] == nil)
    #expect(named["mtp.0.ffn.experts.3.w1.weight"] == [2048, 4096] && named["mtp.0.ffn.gate.bias"] == [256])
    #expect(named["mtp.0.norm.weight"] == [4096] && named["mtp.0.ffn.gate.tid2eid"] == nil)
    // What says how many tokens an entry of the module's stands for counts.
    let other = try published().with("compress_ratios", "\((0..<44).map { $0 % 2 == 0 ? 0 : 4 })").read()
    guard case .compressed(let pooled)? = other.predictionLayer?.attention else { return #expect(Bool(false)) }
    #expect(pooled.ratio == 4 && pooled.indexer?.topK == 512)
  }

  @Test func proIsTheSameWithOtherSizes() throws {
    let model = try published().with("hidden_size", "7168").with("num_attention_heads", "128").with("o_groups", "16")
      .with("num_hidden_layers", "2").with("n_routed_experts", "384").read()
    guard case .compressed(let attention) = model.layers[0].attention else { return #expect(Bool(false)) }
    #expect(attention.groupCount == 16 && attention.groupWidth == 4096 && model.moe?.expertCount == 384)
  }

  @Test(arguments: Configuration.compressed)
  func tinyCheckpointsAreReadWhole(name: String) throws {
    let model = try ModelConfiguration.read(try CheckpointFormat.open(Configuration.folder(name)))
    #expect(model.unreadTensors == [] && model.unreadNote == nil, "\(model.unreadNote ?? "")")
    #expect(model.outerPredictionLayerCount == (name == "deepseek_v4" ? 1 : 0) && model.predictionLayerCount == 0)
    try model.requireBackwardPass()
  }

  /// What is planned of a shape is what the reference writes of it.
  @Test func aPlannedCheckpointHasThePublishedTensors() throws {
    let checkpoint = try CheckpointFormat.open(Configuration.folder("deepseek_v4_saved"))
    let plan = try CheckpointPlan(try ModelConfiguration.read(checkpoint), type: .bfloat16)
    let planned = Dictionary(uniqueKeysWithValues: plan.tensors.map { ($0.entry.name, $0.entry.shape) })
    #expect(planned == Dictionary(uniqueKeysWithValues: checkpoint.entries.map { ($0.name, $0.shape) }))
    let types = Dictionary(uniqueKeysWithValues: plan.tensors.map { ($0.entry.name, $0.entry.type) })
    #expect(types["model.layers.0.ffn.gate.tid2eid"] == .int64 && types["model.layers.0.hc_attn_fn"] == .float32)
  }

  static let broken = [
    ("compress_ratios", "[0, 4, 7, 4]"), ("compress_ratios", "[0, 4]"), ("compress_ratios", "[0, 4, -128, 4]"),
    ("compress_ratios", "[0, 4, 99999999999, 4]"), ("layer_types", #"["sliding_attention"]"#),
    ("layer_types", #"["full_attention", "sliding_attention", "sliding_attention", "sliding_attention"]"#),
    ("compress_rate_csa", "0"), ("compress_rate_csa", "5"), ("compress_rate_hca", "48"), ("compress_rate_hca", "1e9"),
    ("compress_rates.heavily_compressed_attention", "0"), ("compress_rates.heavily_compressed_attention", "100000"),
    ("compress_rates.compressed_sparse_attention", "-4"), ("num_key_value_heads", "2"), ("o_groups", "7"),
    ("o_groups", "0"), ("o_lora_rank", "-1"), ("q_lora_rank", "0"), ("sliding_window", "0"),
    ("sliding_window", "9223372036854775807"), ("hc_mult", "0"), ("hc_mult", "33"),
    ("hc_sinkhorn_iters", "-1"), ("hc_sinkhorn_iters", "1000000"), ("hc_eps", "-1"), ("index_topk", "0"),
    ("index_n_heads", "0"), ("index_head_dim", "6"), ("scoring_func", #""softmax""#), ("norm_topk_prob", "false"),
    ("topk_method", #""greedy""#), ("swiglu_limit", "0"), ("n_shared_experts", "2"), ("num_hash_layers", "-1"),
    ("mlp_layer_types", #"["moe"]"#), ("mlp_layer_types", #"["dense", "moe", "moe", "moe"]"#), ("head_dim", "7"),
    ("qk_rope_head_dim", "7"), ("partial_rotary_factor", "2"), ("compress_rope_theta", "0"),
    ("rope_scaling.type", #""longrope""#), ("num_experts_per_tok", "6"), ("attention_bias", "true"),
  ]

  @Test(arguments: broken)
  func aBrokenSettingIsAnErrorThatNamesIt(key: String, value: String) throws {
    let message = try #require(try Configuration(golden: "deepseek_v4").with(key, value).failure())
    let last = String(key.split(separator: ".").last!)
    // What a rate is for may be said by either name.
    let names = ["compress_rate_csa": "compressed_sparse", "compress_rate_hca": "heavily_compressed"]
    #expect(
      message.contains(last) || names[last].map { message.contains($0) } ?? false || key == "head_dim", "\(message)")
    #expect(message.contains("config.json"))
  }

  @Test(arguments: Configuration.compressed)
  func noValueOfAnySettingTraps(golden: String) throws {
    try ModelConfigurationTests.takeAnyValue(golden)
  }

  /// What a description with the largest numbers asks for can be counted.
  @Test func theLargestSizesDoNotOverflow() throws {
    let model = try Configuration(golden: "deepseek_v4").with("head_dim", "4096").with("num_attention_heads", "4096")
      .with("sliding_window", "65536").with("hidden_size", "1048576").with("hc_mult", "32").with("o_groups", "4096")
      .with("o_lora_rank", "1048576").with("vocab_size", "4194304").with("index_head_dim", "4096")
      .with("index_n_heads", "4096").with("compress_rate_hca", "65536").with("compress_rate_csa", "65536").read()
    #expect(StateCache.slotByteCount(model) > 1 << 30 && KeyValueCache.blockByteCount(model, type: .f32) > 0)
    #expect(model.parameters(ofLayer: 1, experts: 0..<1).allSatisfy { $0.elementCount > 0 })
    #expect(model.parameters(ofLayer: 2, experts: 0..<1).allSatisfy { $0.elementCount > 0 })
  }
}
