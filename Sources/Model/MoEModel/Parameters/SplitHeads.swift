import Checkpoints

/// The up-projection of a latent stored in two tensors, as its halves are used: keys `[heads, latent, nope]`, turned,
/// and values `[heads, value, latent]`. The first two dimensions may be one.
struct SplitHeads {
  let keys: String
  let values: String

  /// Nil where the checkpoint has the whole of it, `whole`, or not both halves.
  init?(of whole: String, _ heads: LatentHeads, in checkpoint: any Checkpoint) {
    let ending = "kv_b_proj.weight"
    guard whole.hasSuffix(ending), !checkpoint.holds(whole) else { return nil }
    let prefix = whole.dropLast(ending.count)
    (keys, values) = ("\(prefix)k_b_proj.weight", "\(prefix)v_b_proj.weight")
    guard checkpoint.holds(keys), checkpoint.holds(values) else { return nil }
  }
}
