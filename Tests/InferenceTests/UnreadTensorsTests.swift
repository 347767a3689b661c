import Checkpoints
import JSON
import MoEModel
import Tensors
import Testing

/// Tensors that nobody reads, and names that belong to other formats.
struct UnreadTensorsTests {
  private func description(_ change: (inout RewrittenCheckpoint) -> Void) throws -> DecoderDescription {
    var rewritten = try RewrittenCheckpoint(try Golden("qwen3_moe"))
    change(&rewritten)
    return try rewritten.written { try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
  }

  private func failure(_ change: (inout RewrittenCheckpoint) -> Void) throws -> String {
    do {
      _ = try description(change)
      return ""
    } catch { return "\(error)" }
  }

  private static let number = RewrittenCheckpoint.Tensor([1], [1], as: .float32)

  @Test(arguments: [
    "self_attn.q_proj.bias", "mlp.shared_expert.gate_proj.weight", "mlp.gate.e_score_correction_bias",
    "self_attn.sinks",
    "mlp.experts.99.up_proj.weight", "self_attn.indexer.wk.weight", "x",
  ]) func anUnreadTensorInsideALayerIsRefused(name: String) throws {
    let message = try failure { $0.tensors["model.layers.2.\(name)"] = Self.number }
    #expect(message.contains("model.layers.2.\(name)") && message.contains("config.json"), "\(message)")
  }

  @Test func whatIsKnownToBeHarmlessIsNotMentioned() throws {
    let model = try description {
      for name in [
        "self_attn.rotary_emb.inv_freq", "self_attn.masked_bias", "self_attn.k_proj.k_scale", "self_attn.v_scale",
        "self_attn.q_proj.input_scale", "mlp.experts.3.up_proj.activation_scale",
      ] { $0.tensors["model.layers.2.\(name)"] = Self.number }
      $0.tensors["model.layers.2.self_attn.mask"] = .init(.bool, [2], [1, 0])
      $0.tensors["model.layers.2.self_attn.bias"] = .init([1, 0, 1, 1], [1, 1, 2, 2], as: .float32)
      $0.tensors["model.rotary_emb.inv_freq"] = Self.number
    }
    #expect(model.unreadTensors == [] && model.unreadNote == nil)
  }

  /// Stacked experts' scales of inputs are called after the tensors, and no other may end like them.
  @Test func scalesOfInputsGoWithTensorsThatAreThere() throws {
    let experts = "model.layers.2.mlp.experts"
    let model = try description {
      $0.fuseExperts()
      for name in ["gate_up_proj_input_scale", "down_proj_activation_scale"] {
        $0.tensors["\(experts).\(name)"] = Self.number
      }
    }
    #expect(model.unreadTensors == [] && model.unreadNote == nil)
    for (name, fuses) in [("up_proj_input_scale", true), ("gate_up_proj_input_scale", false)] {
      #expect(throws: ModelError.unreadTensors(["\(experts).\(name)"])) {
        _ = try description {
          if fuses { $0.fuseExperts() }
          $0.tensors["\(experts).\(name)"] = Self.number
        }
      }
    }
  }

  /// A DeepSeek-V4 that sees images, too, has biases of its router for those, and for text where a table routes.
  @Test func whatIsForImagesIsNotMentioned() throws {
    var seeing = try RewrittenCheckpoint(try Golden("deepseek_v4"))
    for name in ["layers.0.ffn.gate.bias", "layers.0.ffn.gate.bias_vl", "layers.2.ffn.gate.bias_vl"] {
      #expect(seeing.tensors[name] == nil)
      seeing.tensors[name] = Self.number
    }
    let model = try seeing.written { try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
    #expect(model.unreadTensors == [] && model.unreadNote == nil)
    seeing.tensors["layers.2.ffn.gate.bias_image"] = Self.number
    #expect(throws: ModelError.unreadTensors(["layers.2.ffn.gate.bias_image"])) {
      try seeing.written { _ = try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
    }
  }

  /// Its layer attends to what another layer's chose.
  @Test func whatAnIndexerHasThatIsNotAskedIsHarmless() throws {
    var rewritten = try RewrittenCheckpoint(try Golden("glm_moe_dsa"))
    let indexer = "model.layers.1.self_attn.indexer."
    for name in ["wq_b.weight", "wq_b.weight_scale_inv", "k_norm.bias"] {
      rewritten.tensors[indexer + name] = Self.number
    }
    _ = try rewritten.written { try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
    rewritten.tensors[indexer + "x.weight"] = Self.number
    #expect(throws: ModelError.unreadTensors([indexer + "x.weight"])) {
      try rewritten.written { _ = try ModelConfiguration.read(try HuggingFaceFolder(path: $0)) }
    }
  }

  /// Of any type, also such as nothing here can read.
  @Test func unreadTensorsElsewhereAreNamed() throws {
    let model = try description {
      $0.tensors["model.freqs_cis"] = .init(.complex64, [2], [UInt8](repeating: 0, count: 16))
      $0.tensors["nibbles"] = .init(.float4, [4], [0, 0])
      $0.tensors["visual.patch.weight"] = .init(.float6E2M3, [4], [0, 0, 0])
    }
    #expect(model.unreadTensors.sorted() == ["model.freqs_cis", "nibbles", "visual.patch.weight"])
    #expect(model.unreadNote?.contains("visual.patch.weight") == true)
  }

  @Test func namesOfOtherFormatsAreExplained() throws {
    func renamed(_ change: @escaping (String) -> String) throws -> String {
      try failure { checkpoint in
        checkpoint.tensors = Dictionary(uniqueKeysWithValues: checkpoint.tensors.map { (change($0.key), $0.value) })
      }
    }
    #expect(try renamed { "language_model." + $0 }.contains("part of a larger model"))
    #expect(
      try renamed { $0.replacing("model.", with: "model.language_model.", maxReplacements: 1) }.contains("larger model")
    )
    #expect(try renamed { "base_model.model." + $0 }.contains("LoRA"))
    let q = "model.layers.0.self_attn.q_proj"
    for (suffix, type, words) in [
      ("qweight", ElementType.int32, "GPTQ or AWQ"), ("weight_packed", .int32, "compressed-tensors"),
      ("weight_scale_2", .float32, "ModelOpt"), ("weight.absmax", .float32, "bitsandbytes"),
    ] {
      let message = try failure {
        $0.tensors["\(q).weight"] = nil
        $0.tensors["\(q).\(suffix)"] = .init(type, [1], [0, 0, 0, 0])
      }
      #expect(message.contains(words), "\(message)")
    }
    // What only ends or begins like one is none.
    for name in ["up_qweight", "not_quant_state.x", "lora_Ab.weight"] {
      #expect(throws: ModelError.unreadTensors(["\(q).\(name)"])) {
        _ = try description { $0.tensors["\(q).\(name)"] = Self.number }
      }
    }
    let mlx = try failure {
      $0.tensors["\(q).weight"] = .init(.uint32, [1, 1], [0, 0, 0, 0])
      $0.tensors["\(q).scales"] = Self.number
      $0.tensors["\(q).biases"] = Self.number
    }
    #expect(mlx.contains("MLX"), "\(mlx)")
  }

  @Test func namesWithoutTheirPrefixAreUnderstood() throws {
    let golden = try Golden("qwen3_moe")
    var bare = try RewrittenCheckpoint(golden)
    bare.rename("model.", to: "")
    let logits = { (model: String) in
      try run(model: model, scored: [try golden.scoredIDs(0)], prompts: [], newTokens: 1, layout: Layout(ranks: 2))
        .logits
    }
    #expect(try bare.written { try logits($0) } == logits(golden.folder))
  }
}
