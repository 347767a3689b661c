/// The names of a checkpoint's tensors, which differ between families only inside the feed-forward layers.
package struct TensorNaming: Sendable {
  package enum Experts: Sendable {
    /// One tensor for each expert's projection: `{prefix}.experts.{e}.{gate|up|down}.weight`.
    case separate(gate: String, up: String, down: String)
    /// All experts of a layer in one tensor, `{prefix}.experts.gate_up_proj` `[experts, 2 · intermediate, hidden]`,
    /// gate before up, and `{prefix}.experts.down_proj` `[experts, hidden, intermediate]`: as transformers 5 holds them
    /// in memory.
    case fused
    /// All experts of a layer in one tensor, gate and up rows interleaved (gpt-oss).
    case stacked
  }
  /// `mlp` or `block_sparse_moe`, under `model.layers.{n}.`.
  package var mixtureBlock: String
  /// Under the mixture block: `gate` or `router`.
  package var router: String
  package var experts: Experts
  /// Under the mixture block: `shared_experts` or `shared_expert`.
  package var sharedExpert: String
  /// Names lack the `model.` that all but the head's begin with, as a base model's that was saved alone.
  package var lacksPrefix = false

  package static let standard = TensorNaming(
    mixtureBlock: "mlp", router: "gate", experts: .separate(gate: "gate_proj", up: "up_proj", down: "down_proj"),
    sharedExpert: "shared_experts")

  package static let embedding = "model.embed_tokens.weight"
  package static let head = "lm_head.weight"
  package static let finalNorm = "model.norm.weight"

  static let prefix = "model."

  package static func layer(_ layer: Int) -> String { "model.layers.\(layer)" }
  package func mixture(_ layer: Int) -> String { "\(Self.layer(layer)).\(mixtureBlock)" }
}
