import Checkpoints
import JSON

extension PublishedNames {
  /// These names, with the prediction module of such models, under `mtp.`.
  func withHybridModule() -> PublishedNames {
    with([
      .prediction(.projection): "mtp.fc.weight", .prediction(.norm): "mtp.norm.weight",
      .prediction(.embeddingNorm): "mtp.pre_fc_norm_embedding.weight",
      .prediction(.hiddenNorm): "mtp.pre_fc_norm_hidden.weight",
    ])
    .predicting(.layered)
  }
}

/// Settings of models whose layers take turns between gated DeltaNet and gated attention: Qwen3-Next and its kin.
extension ConfigReader {
  func gatedDelta(_ projections: GatedDelta.Projections) throws -> GatedDelta {
    let delta = GatedDelta(
      keyHeadCount: try int("linear_num_key_heads", in: ConfigurationBounds.heads),
      valueHeadCount: try int("linear_num_value_heads", in: ConfigurationBounds.heads),
      keyDims: try int("linear_key_head_dim", in: ConfigurationBounds.headDims),
      valueDims: try int("linear_value_head_dim", in: ConfigurationBounds.headDims),
      taps: try int("linear_conv_kernel_dim", in: 2...64), projections: projections)
    guard delta.valueHeadCount % delta.keyHeadCount == 0 else {
      throw ModelError.inconsistent(
        """
        linear_num_value_heads = \(delta.valueHeadCount) is not a multiple of linear_num_key_heads = \
        \(delta.keyHeadCount)
        """
      )
    }
    return delta
  }

  /// Attention whose heads have gates; `attn_output_gate`, where a configuration has it, may only say so.
  func gatedAttention() throws -> GroupedAttention {
    if try optionalBool("attn_output_gate") == false {
      throw ModelError.unsupported(key: "attn_output_gate", value: "false", remedy: "only true is")
    }
    var attention = try groupedAttention(norm: .perHead, bias: try bool("attention_bias"))
    attention.hasGate = true
    return attention
  }

  /// Each layer by `layer_types`, or every `full_attention_interval`-th with attention; with experts where
  /// `isMoE` says so.
  func hybridLayers(
    _ attention: GroupedAttention, _ delta: GatedDelta, isMoE: (Int) -> Bool, intermediate: Int
  ) throws -> [LayerDescription] {
    let count = try layerCount()
    let interval = try optionalInt("full_attention_interval", in: 1...4096) ?? 4
    let types =
      try optionalStrings("layer_types", maxCount: 4096)
      ?? (1...count).map { $0 % interval == 0 ? "full_attention" : "linear_attention" }
    guard types.count == count else {
      throw ModelError.inconsistent("layer_types has \(types.count) entries for \(count) layers")
    }
    return try types.enumerated().map { layer, type in
      let feedForward = isMoE(layer) ? .moe : LayerDescription.FeedForward.dense(intermediateSize: intermediate)
      switch type {
      case "linear_attention": return LayerDescription(attention: .delta(delta), feedForward: feedForward)
      case "full_attention": return LayerDescription(attention: .grouped(attention), feedForward: feedForward)
      default:
        throw ModelError.unsupported(key: "layer_types", value: type, remedy: "linear_attention and full_attention are")
      }
    }
  }

  /// What such models end in: norms, and a prediction module whose layer has attention. Published configurations of
  /// Qwen3-Next do not speak of their one module, and a checkpoint's tensors say what there is.
  func addHybridModule(
    _ attention: GroupedAttention, _ feedForward: LayerDescription.FeedForward, to description: inout DecoderDescription
  ) throws {
    description.normsAddOne = try normsAddOne()
    description.predictionLayer = LayerDescription(attention: .grouped(attention), feedForward: feedForward)
    let older = try optionalInt("num_nextn_predict_layers", in: 0...64)
    description.predictionLayerCount = try optionalInt("mtp_num_hidden_layers", in: 0...64) ?? older ?? 1
  }

  /// Whether norms multiply by 1 + what is stored, as published checkpoints have it; files of other formats have the
  /// one in their weights, and say so.
  private func normsAddOne() throws -> Bool { try optionalBool("rms_norm_add_one") ?? true }

  /// A quarter of a head's dimensions turn unless it is said otherwise; all of them where that is null.
  func hybridRotary(_ attention: GroupedAttention) throws -> RotaryDescription {
    try rotary(
      dims: attention.headDims, rotatesPart: true, legacyShare: object["partial_rotary_factor"] == nil ? 0.25 : nil
    ).rotary
  }

  /// What a module's own embedding is told by, which would be among its tensors, and how states are held, which is fp32
  /// always.
  func ignoreHybridSettings() {
    for key in ["mtp_use_dedicated_embeddings", "mamba_ssm_dtype", "full_attention_interval"] { ignore(key) }
  }
}
