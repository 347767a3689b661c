/// What an architecture's GGUF tensors are in the names that its family publishes.
///
/// A stem goes with `.weight` and `.bias`. In published names `{block}` is the MoE block's name and `{expert}` a
/// number: the tensor then holds the matrices of all experts, one after another.
struct GGUFNames: Sendable {
  private var stems: [String: String]
  private var block: String
  /// The rows of queries and keys take turns within each head, so that rotary pairs are neighbours.
  private(set) var turnsHeads = false
  /// The bias for the choice of experts is published as a matrix of one row.
  private(set) var selectionBiasIsRow = false
  /// Stems whose published names have no ending.
  private var bare: Set<String> = ["exp_probs_b", "attn_sinks"]
  /// Tensors of no layer.
  private var outside = [
    "token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
  ]
  /// How layers of gated DeltaNet lie; nil for architectures without.
  private(set) var delta: DeltaTensors?
  /// The layers past the last are modules that are published under `mtp.`, beside the model.
  private(set) var predictsOutside = false

  private init(_ stems: [String: String], block: String) { (self.stems, self.block) = (stems, block) }

  /// These with some of them changed.
  func with(
    _ changes: [String: String] = [:], block: String? = nil, turnsHeads: Bool? = nil, selectionBiasIsRow: Bool? = nil,
    bare: Set<String> = [], outside: [String: String] = [:], delta: DeltaTensors? = nil, predictsOutside: Bool? = nil
  ) -> GGUFNames {
    var names = self
    names.stems.merge(changes) { $1 }
    names.block = block ?? names.block
    names.turnsHeads = turnsHeads ?? names.turnsHeads
    names.selectionBiasIsRow = selectionBiasIsRow ?? names.selectionBiasIsRow
    names.bare.formUnion(bare)
    names.outside.merge(outside) { $1 }
    names.delta = delta ?? names.delta
    names.predictsOutside = predictsOutside ?? names.predictsOutside
    return names
  }

  /// What a tensor is.
  enum Target: Equatable {
    /// A tensor of this name.
    case tensor(String)
    /// The same, its single row stored without the dimension of rows.
    case row(String)
    /// A tensor for each expert.
    case experts(before: String, after: String)
    /// A tensor each for gate and up of each expert, in one: gate before up.
    case gateAndUp(before: String, gate: String, up: String)
    /// Rows in turn within the heads of queries, or of keys.
    case turned(String, isQuery: Bool)
    /// Gated DeltaNet's; `name` ends in the published name.
    case delta(String, DeltaTensors.Part)
  }

  /// What the tensor `name` is in a model of so many layers; those that are not known keep the name that GGUF has for
  /// them, in published layers.
  func target(of name: String, layerCount: Int) -> Target {
    if let whole = outside[name] { return .tensor(whole) }
    let parts = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "blk", let layer = Int(parts[1]), layer >= 0, "\(layer)" == parts[1] else {
      return .tensor(name)
    }
    let isOutside = predictsOutside && layer >= layerCount
    let prefix = isOutside ? "mtp.layers.\(layer - layerCount)." : "model.layers.\(layer)."
    if !isOutside, let found = delta?.part(of: String(parts[2])) {
      return .delta("\(prefix)linear_attn.\(found.name)", found.part)
    }
    var stem = String(parts[2])
    var ending = ""
    for known in ["weight", "bias"] {
      guard let before = DottedName(stem).before(known) else { continue }
      (stem, ending) = (String(before), ".\(known)")
    }
    if stem == "ffn_gate_up_exps" { return gateAndUp(prefix, ending) }
    // What joins modules to the model is with the first of them.
    if isOutside, layer == layerCount, let joint = Self.joints[stem] { return .tensor("mtp.\(joint)\(ending)") }
    // Experts stored apart, as files of 2023 have them.
    let pieces = stem.split(separator: ".")
    if pieces.count == 2, let expert = Int(pieces[1]), let published = stems["\(pieces[0])_exps"],
      case .experts(let before, let after) = split(published, prefix, ending)
    {
      return .tensor("\(before)\(expert)\(after)")
    }
    guard let published = stems[stem] else { return .tensor(prefix + (bare.contains(stem) ? stem : String(parts[2]))) }
    if stem == "exp_probs_b", selectionBiasIsRow { return .row(prefix + inBlock(published)) }
    if bare.contains(stem) { return .tensor(prefix + inBlock(published)) }
    let target = split(published, prefix, ending)
    guard case .tensor(let name) = target else { return target }
    if stem == "ffn_gate_inp_shexp" { return .row(name) }
    if turnsHeads, stem == "attn_q" || stem == "attn_k" { return .turned(name, isQuery: stem == "attn_q") }
    return target
  }

  private func inBlock(_ published: String) -> String {
    guard let range = published.firstRange(of: "{block}") else { return published }
    return published.replacingCharacters(range, with: block)
  }

  private func split(_ published: String, _ prefix: String, _ ending: String) -> Target {
    let name = prefix + inBlock(published) + ending
    guard let range = name.firstRange(of: "{expert}") else { return .tensor(name) }
    return .experts(before: String(name[..<range.lowerBound]), after: String(name[range.upperBound...]))
  }

  private func gateAndUp(_ prefix: String, _ ending: String) -> Target {
    guard case .experts(let before, let gate) = split(stems["ffn_gate_exps"] ?? "", prefix, ending),
      case .experts(_, let up) = split(stems["ffn_up_exps"] ?? "", prefix, ending)
    else { return .tensor("\(prefix)ffn_gate_up_exps\(ending)") }
    return .gateAndUp(before: before, gate: gate, up: up)
  }

  /// What of a module beside the model is no part of its layer.
  private static let joints = [
    "nextn.eh_proj": "fc", "nextn.enorm": "pre_fc_norm_embedding", "nextn.hnorm": "pre_fc_norm_hidden",
    "nextn.shared_head_norm": "norm",
  ]

  /// What most architectures call them.
  static let standard = GGUFNames(
    [
      "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
      "post_attention_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
      "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
      "attn_k_norm": "self_attn.k_norm", "attn_sinks": "self_attn.sinks", "attn_q_a": "self_attn.q_a_proj",
      "attn_q_a_norm": "self_attn.q_a_layernorm", "attn_q_b": "self_attn.q_b_proj",
      "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa", "attn_kv_a_norm": "self_attn.kv_a_layernorm",
      "attn_kv_b": "self_attn.kv_b_proj", "attn_k_b": "self_attn.k_b_proj", "attn_v_b": "self_attn.v_b_proj",
      "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
      "ffn_gate_exps": "{block}.experts.{expert}.gate_proj", "ffn_up_exps": "{block}.experts.{expert}.up_proj",
      "ffn_down_exps": "{block}.experts.{expert}.down_proj", "ffn_gate_inp": "{block}.gate",
      "exp_probs_b": "{block}.gate.e_score_correction_bias", "ffn_gate_shexp": "{block}.shared_experts.gate_proj",
      "ffn_up_shexp": "{block}.shared_experts.up_proj", "ffn_down_shexp": "{block}.shared_experts.down_proj",
      "nextn.eh_proj": "eh_proj", "nextn.embed_tokens": "embed_tokens", "nextn.enorm": "enorm", "nextn.hnorm": "hnorm",
      "nextn.shared_head_head": "shared_head.head", "nextn.shared_head_norm": "shared_head.norm",
    ], block: "mlp")

  /// Those of models whose experts are called as Mixtral's.
  static let mixtral = standard.with(
    [
      "ffn_gate_exps": "{block}.experts.{expert}.w1", "ffn_up_exps": "{block}.experts.{expert}.w3",
      "ffn_down_exps": "{block}.experts.{expert}.w2",
    ], block: "block_sparse_moe")
}

extension String {
  fileprivate func replacingCharacters(_ range: Range<Index>, with other: String) -> String {
    var copy = self
    copy.replaceSubrange(range, with: other)
    return copy
  }
}
