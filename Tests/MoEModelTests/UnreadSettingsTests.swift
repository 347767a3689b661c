import JSON
import MoEModel
import Testing

/// Settings that nobody reads are named where they may change results, and only there.
struct UnreadSettingsTests {
  @Test(arguments: Configuration.all) func publishedConfigurationsHaveNone(golden: String) throws {
    #expect(try Configuration(golden: golden).read().unreadSettings == [])
    #expect(try Configuration(golden: golden).read().unreadNote == nil)
  }

  static let yarn = #"{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64"#

  @Test(arguments: [
    ("qwen3", "rope_scaling", yarn + #", "attn_factor": 0.878}"#, ["rope_scaling.attn_factor"]),
    ("qwen3", "rope_scaling", yarn + #", "attention_factor": 0.878}"#, []),
    ("qwen3", "partial_rotary_factor", "0.5", ["partial_rotary_factor"]), ("qwen3", "partial_rotary_factor", "1.0", []),
    ("glm4_moe", "partial_rotary_factor", "0.25", []), ("llama", "sliding_window", "4096", ["sliding_window"]),
    ("llama", "use_sliding_window", "false", []), ("qwen2", "sliding_window", "4096", []),
    ("deepseek_v2_group", "norm_topk_prob", "true", ["norm_topk_prob"]),
    ("mixtral", "logit_softcap", "30", ["logit_softcap"]),
    ("mixtral", "logit_softcap", "null", []), ("olmoe", "vision_config", "{}", []),
    ("olmoe", "vision_config", #"{"depth": 2}"#, ["vision_config"]),
    ("deepseek_v3_fp8", "quantization_config.modules_to_not_convert", #"["lm_head"]"#, []),
    ("qwen3_moe", "attention_dropout", "0.1", []), ("qwen3_moe", "num_experts_per_tok", "2", []),
  ]) func aSettingThatMayMatterIsNamed(golden: String, key: String, value: String, unread: [String]) throws {
    let model = try Configuration(golden: golden).with(key, value).read()
    #expect(model.unreadSettings == unread)
    #expect(unread.allSatisfy { model.unreadNote?.contains($0) == true })
  }

  /// GGUF files' settings keep names with a dot.
  @Test func aSettingThatIsOffIsNotNamedWhateverItsName() throws {
    var model = try Configuration(golden: "llama")
    (model.json["llama.scales_embeddings"], model.json["llama.logit_scale"]) = (.bool(false), .double(0.5))
    #expect(try model.read().unreadSettings == ["llama.logit_scale"])
  }

  @Test func rotaryParametersThatAnotherKeyReplacesAreNamed() throws {
    var model = try Configuration(golden: "qwen3_moe").with("rope_scaling", Self.yarn + "}")
    model.json["rope_parameters"] = ["rope_type": "default", "rope_theta": .double(5e6)]
    #expect(try model.read().unreadSettings == ["rope_parameters"])
    #expect(try model.read().rotary.base == 1_000_000)
  }

  @Test func countsOfPredictionLayersMayDifferInTheTwoSpellings() throws {
    let model = try Configuration(golden: "deepseek_v3").with("num_nextn_predict_layers", "0").with(
      "num_mtp_layers", "1")
    #expect(try model.read().predictionLayerCount == 0)
  }
}
