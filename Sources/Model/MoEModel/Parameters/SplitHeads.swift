import Checkpoints

/// The up-projection of a latent stored in two tensors, as its halves are used: keys `[heads, latent, nope]`, turned,
/// and values `[heads, value, latent]`. The first two dimensions may be one.
struct SplitHeads {
  let keys: String
  let values: String

  /// Nil where the checkpoint has the whole of it, `whole`, or not both halves.
  init?(of whole: String, _ heads: LatentHeads, in checkpoint: any Checkpoint) {
    guard let attention = DottedName(whole).before("kv_b_proj.weight"), !checkpoint.holds(whole) else { return nil }
    (keys, values) = ("\(attention).k_b_proj.weight", "\(attention).v_b_proj.weight")
    guard checkpoint.holds(keys), checkpoint.holds(values) else { return nil }
  }
}
