import Tensors

// What a forward pass leaves behind of each stage, for the backward pass: memory of the layers, valid until the next
// forward pass. Nothing is recorded but inputs, and what a later stage would have overwritten.

/// What of a forward pass a decoder keeps for the backward pass.
package enum KeptActivations: Sendable {
  case none
  /// Every layer's stages.
  case all
  /// Every layer's input, and the stages of one layer at a time, which are computed again from it when they are asked
  /// for: the same bits (Chen and others, 2016, "Training Deep Nets with Sublinear Memory Cost").
  case inputs
}

package struct LayerTape {
  package let mixer: MixerTape
  package let feedForward: FeedForwardLayerTape
  /// Of several residual streams around each half; nil where there is one.
  package let streams: (mixer: StreamTape, feedForward: StreamTape)?
}

package enum MixerTape {
  case latent(LatentAttentionTape)
  case grouped(GroupedAttentionTape)
  case delta(GatedDeltaTape)
  case compressed(CompressedAttentionTape)
}

package enum FeedForwardLayerTape {
  /// `input` is the residual stream before the layer, `[rows, hidden]`.
  case dense(input: MatrixView<Float>, FeedForwardTape)
  case moe(input: MatrixView<Float>, MoETape)
}

/// Cosines and sines of the rows' positions, `[rows, dims / 2]`, and the factors of latent attention's queries,
/// `[rows, 1]`.
package struct RotaryTape {
  package let cosines: MatrixView<Float>
  package let sines: MatrixView<Float>
  package let dims: Int
  package let interleaved: Bool
  package let queryFactors: MatrixView<Float>?
}

/// Of latent attention; heads lie one after another.
package struct LatentAttentionTape {
  /// The residual stream before the layer, `[rows, hidden]`.
  package let input: MatrixView<Float>
  /// `[rows, query's rank]` before and after its norm; no columns where queries have no latent.
  package let rawQueryLatent: MatrixView<Float>
  package let queryLatent: MatrixView<Float>
  /// `[rows, heads · (nope + rotary)]`, times its position's factor, not rotated.
  package let query: MatrixView<Float>
  /// `[rows, latent + rotary]` as projected, and with the latent's norm and the key rotated.
  package let rawKeyValue: MatrixView<Float>
  package let keyValue: MatrixView<Float>
  /// `[rows, heads · (latent + rotary)]`: what meets `keyValue`.
  package let absorbed: MatrixView<Float>
  /// `[rows, heads · value]`
  package let values: MatrixView<Float>
}

/// Of grouped attention; heads lie one after another. Where they have gates, a head's is after its query.
package struct GroupedAttentionTape {
  /// The residual stream before the layer, `[rows, hidden]`.
  package let input: MatrixView<Float>
  /// `[rows, heads · dims]` as projected, and as they meet keys: with norm, clipped, rotated.
  package let rawQuery: MatrixView<Float>
  package let query: MatrixView<Float>
  /// `[rows, key heads · dims | key heads · dims]`: keys and values, likewise.
  package let rawKeyValue: MatrixView<Float>
  package let keyValue: MatrixView<Float>
  /// `[rows, heads · dims]`: what attention gave, and the same times its gates' sigmoids where there are any.
  package let attended: MatrixView<Float>
  package let values: MatrixView<Float>
}

/// Of gated DeltaNet; heads lie one after another.
package struct GatedDeltaTape {
  /// The residual stream before the layer, `[rows, hidden]`.
  package let input: MatrixView<Float>
  /// `[rows, queries | keys | values]` as projected, and after the convolution, queries and keys with their lengths.
  package let mixed: MatrixView<Float>
  package let convolved: MatrixView<Float>
  /// `[rows, value heads · dims]`: gates as projected.
  package let gate: MatrixView<Float>
  /// `[rows, 2 · value heads]`: betas and decays as projected, grouped by key head where projections are fused.
  package let rates: MatrixView<Float>
  /// `[rows, value heads | value heads]`: β and e^g.
  package let betas: MatrixView<Float>
  /// `[rows, value heads · dims]`: what heads recalled, and the same after norm and gate.
  package let recalled: MatrixView<Float>
  package let values: MatrixView<Float>
}

/// Of compressed attention; heads lie one after another.
package struct CompressedAttentionTape {
  /// What the layer read of the residual stream, `[rows, hidden]`.
  package let input: MatrixView<Float>
  /// `[rows, query's rank]` before and after its norm.
  package let rawQueryLatent: MatrixView<Float>
  package let queryLatent: MatrixView<Float>
  /// `[rows, heads · dims]` as projected, and as they meet keys: with their length, turned.
  package let rawQuery: MatrixView<Float>
  package let query: MatrixView<Float>
  /// `[rows, dims]`, likewise.
  package let rawKey: MatrixView<Float>
  package let key: MatrixView<Float>
  /// `[rows, heads · dims]`: what heads attended, turned back; and what came of each group's, `[rows, groups · rank]`.
  package let values: MatrixView<Float>
  package let low: MatrixView<Float>
  /// Of layers with entries, what is made of tokens; else nil.
  package let entries: EntryTape?
}

/// What makes entries of tokens, whose sequences are whole.
package struct EntryTape {
  /// Of each token, `[rows, pool's width]`, as projected.
  package let values: MatrixView<Float>
  package let gates: MatrixView<Float>
  /// `[entries, dims]`: with norm, turned, one sequence's after another's.
  package let keys: MatrixView<Float>
}

/// What gate and up gave, `[rows, intermediate]`.
package struct FeedForwardTape {
  package let gate: MatrixView<Float>
  package let up: MatrixView<Float>
}

/// Of a multi-token prediction module around its layer.
package struct PredictionTape {
  /// Embeddings of the next tokens, and the model's hidden states after its last norm, `[rows, hidden]`; of several
  /// residual streams these as its last layer left them, `[rows, streams · hidden]`.
  package let embeddings: MatrixView<Float>
  package let states: MatrixView<Float>
  /// Both after norms of the module's own, `[rows, hidden | hidden]`: what the projection meets. Of several streams
  /// their columns lie apart, `[rows, hidden]` and `[rows, streams · hidden]`: what the two projections meet.
  package let joined: MatrixView<Float>
  package let normedEmbeddings: MatrixView<Float>
  package let normedStates: MatrixView<Float>
  /// After its layer, `[rows, hidden]`: what its last norm reads.
  package let hidden: MatrixView<Float>
  /// How that came of several streams; nil where there is one.
  package let head: StreamTape?
}

/// Of an MoE layer, at home; what its experts saw is theirs (`ExpertTape`).
package struct MoETape {
  /// The router's, `[rows, experts]`, and what it chose.
  package let logits: MatrixView<Float>
  package let decisions: RouterDecisions
  /// The shared expert's, where there is one: its stages, its output `[rows, hidden]` times its gate's sigmoid, and
  /// what the gate gave, `[rows, 1]`.
  package let shared: FeedForwardTape?
  package let sharedOutput: MatrixView<Float>
  package let sharedGate: MatrixView<Float>
}
