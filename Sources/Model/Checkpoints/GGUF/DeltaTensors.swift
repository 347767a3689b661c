import JSON

/// How gated DeltaNet's tensors lie in files, which do not have value heads in the published order, and what follows
/// for each.
struct DeltaTensors: Sendable {
  /// What a tensor of a layer is.
  enum Part: Equatable {
    /// Rows of queries, keys and values.
    case input
    /// The same rows of the convolution, a number for each tap.
    case convolution
    /// Rows of all value heads.
    case gate
    /// A row or a number for each value head.
    case rates
    /// Betas and decays in one, a key head's after another's: each key head's betas and then its decays.
    case bothRates
    /// Columns of all value heads.
    case output
  }

  /// Sizes as the metadata have them.
  struct Sizes: Sendable {
    let keyHeads: Int
    let each: Int
    let keyDims: Int
    let valueDims: Int

    var valueHeads: Int { keyHeads * each }
    var keyRows: Int { 2 * keyHeads * keyDims }
    var valueRows: Int { valueHeads * valueDims }

    /// Nil where a configuration has no such layers, or numbers that do not go together.
    init?(_ config: JSONObject) {
      func size(_ key: String) -> Int? { config[key]?.exactInt.flatMap { (1...(1 << 20)).contains($0) ? $0 : nil } }
      guard let keyHeads = size("linear_num_key_heads"), let values = size("linear_num_value_heads"),
        let keyDims = size("linear_key_head_dim"), let valueDims = size("linear_value_head_dim"),
        values % keyHeads == 0
      else { return nil }
      (self.keyHeads, each, self.keyDims, self.valueDims) = (keyHeads, values / keyHeads, keyDims, valueDims)
    }
  }

  /// Whether value heads are ordered by their number within a key head's group.
  let isTiled: Bool
  /// Ends of names under `linear_attn.`; `ssm_a` and `ssm_dt` have no ending of their own there.
  static let stems: [String: (name: String, part: Part)] = [
    "attn_qkv": ("in_proj_qkv", .input), "attn_gate": ("in_proj_z", .gate), "ssm_beta": ("in_proj_b", .rates),
    "ssm_alpha": ("in_proj_a", .rates), "ssm_ba": ("in_proj_ba", .bothRates), "ssm_conv1d": ("conv1d", .convolution),
    "ssm_dt": ("dt_bias", .rates), "ssm_a": ("A", .rates), "ssm_out": ("out_proj", .output),
  ]

  /// What the name after `blk.{layer}.` is; nil for other tensors.
  func part(of rest: String) -> (name: String, part: Part)? {
    switch rest {
    case "ssm_a", "ssm_dt.bias": return Self.stems[String(rest.prefix { $0 != "." })]
    case "ssm_a.weight", "ssm_dt.weight": return nil
    default:
      guard let stem = DottedName(rest).before("weight"), let found = Self.stems[String(stem)] else { return nil }
      return ("\(found.name).weight", found.part)
    }
  }
}
