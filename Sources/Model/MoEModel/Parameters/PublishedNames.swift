import Checkpoints

/// How a family's published checkpoints call each parameter, and which of a tensor's rows it is.
///
/// Names are templates: `{layer}` and `{expert}` stand for numbers, `{block}` for the name of the MoE block.
package struct PublishedNames: Sendable {
  /// How a layer's experts lie in tensors.
  package enum ExpertLayout: Sendable {
    /// A tensor for each matrix.
    case separate
    /// All experts in one tensor, `{block}.experts.gate_up_proj` `[experts, 2 · intermediate, hidden]`, gate before up,
    /// and `{block}.experts.down_proj` `[experts, hidden, intermediate]`: as transformers 5 holds them in memory.
    case fused
    /// As fused, but rows of gate and up take turns, and unquantised matrices are stored transposed (gpt-oss).
    case interleaved
  }

  var templates: [ParameterRole: NameTemplate]
  package var experts: ExpertLayout
  /// Queries, keys and values, one after another in one tensor; nil where each has its own.
  var joined: JoinedProjections?
  /// The router's selection bias is a matrix of one row.
  var selectionBiasIsRow = false
  /// Prediction modules beside the model's layers; nil where they follow them.
  var outerModules: OuterModules?
  /// All names that folders of the family go by, as published first; empty where those are the only ones.
  var spellings: [PublishedNames] = []
  /// `mlp` or `block_sparse_moe`, under `model.layers.{n}.`.
  private var block: String
  /// What stands in the place of the `model.` that all names but the head's begin with.
  package var prefix = NamePrefix.standard

  private init(_ templates: [ParameterRole: NameTemplate], experts: ExpertLayout, block: String) {
    (self.templates, self.experts, self.block) = (templates, experts, block)
  }

  /// These names with some of them changed.
  package func with(
    _ changes: [ParameterRole: NameTemplate] = [:], experts: ExpertLayout? = nil, block: String? = nil
  ) -> PublishedNames {
    var names = self
    names.templates.merge(changes) { $1 }
    names.experts = experts ?? self.experts
    if experts != nil { names.outerModules?.experts = nil }
    names.block = block ?? self.block
    return names
  }

  /// The name of the tensor that holds the parameter, alone or with others.
  package func tensor(_ id: ParameterID) -> String {
    let name = prefix.applied(to: outerName(id) ?? named(id, experts))
    guard id.isBias else { return name }
    // Stacked tensors have no `.weight` at their end.
    return DottedName(name).before("weight").map { "\($0).bias" } ?? "\(name)_bias"
  }

  /// In a layer whose experts lie so; the name begins as most families' do.
  func named(_ id: ParameterID, _ experts: ExpertLayout) -> String {
    if let joined, joined.rows(of: id.role) != nil {
      return joined.name.name(layer: id.layer ?? 0, expert: 0, block: block)
    }
    if case .feedForward(.expert, let projection) = id.role, experts != .separate, let layer = id.layer {
      return "model.layers.\(layer).\(block).experts.\(projection == .down ? "down_proj" : "gate_up_proj")"
    }
    return templates[id.role]?.name(layer: id.layer ?? 0, expert: id.expert ?? 0, block: block) ?? "\(id.role)"
  }

  /// Where the parameter lies; `expertCount`: in a layer of the model.
  package func place(of spec: ParameterSpec, expertCount: Int) -> TensorPlace {
    let experts = layout(of: spec.id)
    var place = TensorPlace(name: tensor(spec.id), rows: spec.rows)
    if let joined, let rows = joined.rows(of: spec.role) { (place.first, place.rows) = (rows.lowerBound, joined.count) }
    if selectionBiasIsRow, spec.role == .selectionBias { place.count = 1 }
    guard case .feedForward(.expert, let projection) = spec.role, experts != .separate, let expert = spec.expert else {
      return place
    }
    place.count = expertCount
    place.index = expert
    place.isTurned = experts == .interleaved && spec.isMatrix
    if projection != .down {
      place.rows = 2 * spec.rows
      if experts == .interleaved { place.step = 2 }
      if projection == .up { place.first = experts == .interleaved ? 1 : spec.rows }
    }
    return place
  }

  /// Which layer a tensor is named as part of, whoever reads it; nil for what is in none.
  func layer(ofTensor name: String) -> Int? {
    for layers in ["\(prefix.body)layers.", "model.layers.", "layers."] where name.utf8.starts(with: layers.utf8) {
      let digits = name.utf8.dropFirst(layers.utf8.count).prefix { $0 != UInt8(ascii: ".") }
      return Int(Substring(digits))
    }
    return nil
  }

  /// The names that gated DeltaNet has, of which `changes` has other ends.
  func withGatedDelta(_ changes: [ParameterRole: String] = [:]) -> PublishedNames {
    var ends: [ParameterRole: String] = [
      .delta(.input): "in_proj_qkv.weight", .delta(.gate): "in_proj_z.weight", .delta(.beta): "in_proj_b.weight",
      .delta(.decay): "in_proj_a.weight", .delta(.convolution): "conv1d.weight", .delta(.decayBias): "dt_bias",
      .delta(.decayRate): "A_log", .delta(.norm): "norm.weight", .delta(.output): "out_proj.weight",
    ]
    ends.merge(changes) { $1 }
    return with(ends.mapValues { NameTemplate(stringLiteral: "model.layers.{layer}.linear_attn.\($0)") })
  }

  /// What most families call them.
  package static let standard = PublishedNames(
    [
      .embedding: "model.embed_tokens.weight",
      .head: "lm_head.weight",
      .finalNorm: "model.norm.weight",
      .attentionNorm: "model.layers.{layer}.input_layernorm.weight",
      .feedForwardNorm: "model.layers.{layer}.post_attention_layernorm.weight",
      .query: "model.layers.{layer}.self_attn.q_proj.weight",
      .key: "model.layers.{layer}.self_attn.k_proj.weight",
      .value: "model.layers.{layer}.self_attn.v_proj.weight",
      .attentionOutput: "model.layers.{layer}.self_attn.o_proj.weight",
      .queryNorm: "model.layers.{layer}.self_attn.q_norm.weight",
      .keyNorm: "model.layers.{layer}.self_attn.k_norm.weight",
      .sinks: "model.layers.{layer}.self_attn.sinks",
      .queryDown: "model.layers.{layer}.self_attn.q_a_proj.weight",
      .queryLatentNorm: "model.layers.{layer}.self_attn.q_a_layernorm.weight",
      .queryUp: "model.layers.{layer}.self_attn.q_b_proj.weight",
      .keyValueDown: "model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight",
      .keyValueLatentNorm: "model.layers.{layer}.self_attn.kv_a_layernorm.weight",
      .keyValueUp: "model.layers.{layer}.self_attn.kv_b_proj.weight",
      .indexQuery: "model.layers.{layer}.self_attn.indexer.wq_b.weight",
      .indexKey: "model.layers.{layer}.self_attn.indexer.wk.weight",
      .indexKeyNorm: "model.layers.{layer}.self_attn.indexer.k_norm.weight",
      .indexKeyNormBias: "model.layers.{layer}.self_attn.indexer.k_norm.bias",
      .indexWeights: "model.layers.{layer}.self_attn.indexer.weights_proj.weight",
      .feedForward(.dense, .gate): "model.layers.{layer}.mlp.gate_proj.weight",
      .feedForward(.dense, .up): "model.layers.{layer}.mlp.up_proj.weight",
      .feedForward(.dense, .down): "model.layers.{layer}.mlp.down_proj.weight",
      .feedForward(.expert, .gate): "model.layers.{layer}.{block}.experts.{expert}.gate_proj.weight",
      .feedForward(.expert, .up): "model.layers.{layer}.{block}.experts.{expert}.up_proj.weight",
      .feedForward(.expert, .down): "model.layers.{layer}.{block}.experts.{expert}.down_proj.weight",
      .router: "model.layers.{layer}.{block}.gate.weight",
      .selectionBias: "model.layers.{layer}.{block}.gate.e_score_correction_bias",
      .feedForward(.shared, .gate): "model.layers.{layer}.{block}.shared_experts.gate_proj.weight",
      .feedForward(.shared, .up): "model.layers.{layer}.{block}.shared_experts.up_proj.weight",
      .feedForward(.shared, .down): "model.layers.{layer}.{block}.shared_experts.down_proj.weight",
      .prediction(.embedding): "model.layers.{layer}.embed_tokens.weight",
      .prediction(.embeddingNorm): "model.layers.{layer}.enorm.weight",
      .prediction(.hiddenNorm): "model.layers.{layer}.hnorm.weight",
      .prediction(.projection): "model.layers.{layer}.eh_proj.weight",
      .prediction(.norm): "model.layers.{layer}.shared_head.norm.weight",
      .prediction(.head): "model.layers.{layer}.shared_head.head.weight",
    ], experts: .separate, block: "mlp")
}
