import Kernels
import Machine
import Tensors

/// A gated feed-forward block: gate and up `[intermediate, hidden]`, down `[hidden, intermediate]`.
package struct FeedForwardWeights: Sendable {
  package var gate: PackedMatrix
  package var up: PackedMatrix
  package var down: PackedMatrix
  package var intermediateSize: Int { gate.rows }
  /// Gate, up, down.
  package var matrices: [PackedMatrix] { [gate, up, down] }
}

package struct LatentAttentionWeights: Sendable {
  /// Hidden to query, or to the query's latent.
  package var queryDown: PackedMatrix
  package var queryNorm: AlignedBuffer<Float>?
  /// The query's latent to query; nil when `queryDown` is the whole projection.
  package var queryUp: PackedMatrix?
  /// Hidden to `[latent | rotary key]`.
  package var keyValueDown: PackedMatrix
  package var keyValueNorm: AlignedBuffer<Float>
  /// For each head, `[latentRank, nopeDims]`: turns a query into one that meets the latent directly.
  package var keyAbsorb: [PackedMatrix]
  /// For each head, `[valueDims, latentRank]`.
  package var valueUp: [PackedMatrix]
  package var output: PackedMatrix
  /// Nil where the layer has none of its own.
  package var indexer: IndexerWeights?
}

/// The lightning indexer's.
package struct IndexerWeights: Sendable {
  /// The query's latent to `[heads · dims]`.
  package var query: PackedMatrix
  /// Hidden to `[dims]`.
  package var key: PackedMatrix
  package var keyNorm: AlignedBuffer<Float>
  package var keyNormBias: AlignedBuffer<Float>
  /// Hidden to `[heads]`.
  package var headWeights: PackedMatrix
}

package struct GroupedAttentionWeights: Sendable {
  package var query: PackedMatrix
  package var key: PackedMatrix
  package var value: PackedMatrix
  package var output: PackedMatrix
  package var queryNorm: AlignedBuffer<Float>?
  package var keyNorm: AlignedBuffer<Float>?
  package var sinks: AlignedBuffer<Float>?
}

package struct GatedDeltaWeights: Sendable {
  /// Hidden to queries, keys and values, and gates where they are fused (`GatedDelta.Projections`); several one after
  /// another where a rank's rows lie apart, none where it has none.
  package var input: [PackedMatrix]
  /// Nil where `input` has them too.
  package var gate: PackedMatrix?
  /// Hidden to betas, and decays where they are fused; likewise.
  package var beta: [PackedMatrix]
  package var decay: PackedMatrix?
  /// `[taps, channels]`
  package var convolution: AlignedBuffer<Float>
  /// By value head: what is added to a decay, and its rate, positive.
  package var decayBias: AlignedBuffer<Float>
  package var decayRate: AlignedBuffer<Float>
  /// Of what a head recalls, `[valueDims]`.
  package var norm: AlignedBuffer<Float>
  package var output: PackedMatrix
}

extension GatedDeltaWeights {
  /// Writes a convolution as kernels take it, `[taps, channels]`, from what is stored, `[channels, taps]`: of the
  /// channels given, in their order.
  static func turn(
    _ stored: UnsafePointer<Float>, channels: some Collection<Int>, taps: Int, into target: AlignedBuffer<Float>
  ) {
    for (channel, source) in channels.enumerated() {
      for tap in 0..<taps { target.pointer[tap * channels.count + channel] = stored[source * taps + tap] }
    }
  }

  /// Writes rates from their logarithms, which are what is stored.
  static func rates(_ stored: UnsafePointer<Float>, into target: AlignedBuffer<Float>) {
    for i in 0..<target.count { target.pointer[i] = exponential(stored[i]) }
  }
}

/// Compressed attention's (`CompressedAttention`).
package struct CompressedAttentionWeights: Sendable {
  /// What makes entries of tokens.
  package struct Pool: Sendable {
    /// Hidden to `[width]` both.
    package var value: PackedMatrix
    package var gate: PackedMatrix
    /// `[ratio, width]`
    package var gateBias: AlignedBuffer<Float>
    package var norm: AlignedBuffer<Float>
  }
  package struct Index: Sendable {
    package var pool: Pool
    /// The query's latent to `[heads · dims]`, and hidden to `[heads]`.
    package var query: PackedMatrix
    package var headWeights: PackedMatrix
  }
  package var queryDown: PackedMatrix
  package var queryNorm: AlignedBuffer<Float>
  package var queryUp: PackedMatrix
  /// Hidden to the key, which is the value too.
  package var key: PackedMatrix
  package var keyNorm: AlignedBuffer<Float>
  package var sinks: AlignedBuffer<Float>
  /// For each group of heads, `[groupRank, groupWidth]`.
  package var outputDown: [PackedMatrix]
  package var output: PackedMatrix
  package var pool: Pool?
  package var index: Index?
}

/// How half a layer, or the head, takes part in hyper-connections.
package struct HyperConnectionWeights: Sendable {
  /// All streams, one after another, to the weights that follow from them.
  package var function: PackedMatrix
  package var base: AlignedBuffer<Float>
  package var scale: AlignedBuffer<Float>
}

package enum AttentionWeights: Sendable {
  case latent(LatentAttentionWeights)
  case grouped(GroupedAttentionWeights)
  case delta(GatedDeltaWeights)
  case compressed(CompressedAttentionWeights)
}

package struct MoEWeights: Sendable {
  package var router: PackedMatrix
  package var selectionBias: AlignedBuffer<Float>?
  /// By token id, its experts in ascending order, `[vocabulary, topK]`; nil where the router chooses.
  package var tokenExperts: AlignedBuffer<Int32>?
  package var shared: FeedForwardWeights?
  /// `[1, hidden]`: sigmoid of its output scales the shared expert.
  package var sharedGate: PackedMatrix?
  /// By expert id; nil for experts that live on other ranks.
  package var experts: [FeedForwardWeights?]
}

package struct LayerWeights: Sendable {
  package enum FeedForward: Sendable {
    case dense(FeedForwardWeights)
    case moe(MoEWeights)
  }
  package var attentionNorm: AlignedBuffer<Float>
  /// Nil where the residual stream is plain, as is the other.
  package var attentionConnection: HyperConnectionWeights? = nil
  package var feedForwardConnection: HyperConnectionWeights? = nil
  package var attention: AttentionWeights
  package var feedForwardNorm: AlignedBuffer<Float>
  package var feedForward: FeedForward
}

/// A multi-token prediction module: a layer, and what joins it to the model, whose embedding and head it shares.
package struct PredictionWeights: Sendable {
  package var embeddingNorm: AlignedBuffer<Float>
  package var hiddenNorm: AlignedBuffer<Float>
  /// `[hidden, 2 · hidden]`: from a token's embedding beside a hidden state, both normalised; `[hidden, hidden]` from
  /// one of several streams alone.
  package var projection: PackedMatrix
  /// `[hidden, hidden]`: from the embedding, where the residual stream is several; nil elsewhere.
  package var embeddingProjection: PackedMatrix? = nil
  /// How streams become one before the module's norm; nil where there is one.
  package var headConnection: HyperConnectionWeights? = nil
  package var layer: LayerWeights
  package var norm: AlignedBuffer<Float>
}

/// Modules that draft blocks of tokens together (`BlockDrafting`); embedding and head are the model's.
package struct BlockDraftingWeights: Sendable {
  /// `[hidden, sources · hidden]`: from hidden states of the model side by side.
  package var fusion: PackedMatrix
  package var fusionNorm: AlignedBuffer<Float>
  package var layers: [LayerWeights]
  /// How streams become one before the norm.
  package var headConnection: HyperConnectionWeights? = nil
  package var norm: AlignedBuffer<Float>
  /// `[vocabulary, rank]` both: a row of the first, times the second, is what a token adds to the logits of the next.
  package var transitionFrom: PackedMatrix
  package var transitionTo: PackedMatrix
  /// `[1, hidden + rank]`
  package var confidence: PackedMatrix
}

/// All that one rank holds of a model.
package struct ModelWeights: Sendable {
  package var embedding: PackedMatrix
  package var layers: [LayerWeights]
  package var prediction: PredictionWeights?
  /// In its place, where modules draft blocks.
  package var blockDrafting: BlockDraftingWeights? = nil
  /// How streams become one before the final norm.
  package var headConnection: HyperConnectionWeights? = nil
  package var finalNorm: AlignedBuffer<Float>
  /// The embedding itself in tied models.
  package var head: PackedMatrix
  /// What rows are rounded to for the matrices that do not take them as fp32, as routers and an indexer's head weights
  /// do.
  package var rowFormat: RowFormat
  /// What routed experts take rows as.
  package var expertRowFormat: RowFormat
  /// Those of all layers that run.
  package var runLayers: [LayerWeights] {
    layers + (prediction.map { [$0.layer] } ?? blockDrafting?.layers ?? [])
  }
  /// The same by parameter, for those who change them; nil where they were not loaded from a checkpoint.
  package internal(set) var parameters: HeldParameters?
  /// Room for routed experts that are not there yet.
  package internal(set) var spareExperts: [FeedForwardWeights] = []
  /// The memory the panels lie in: whoever holds the weights holds it.
  var arenas: [NodeArena] = []
}

extension ModelWeights {
  /// Puts a routed expert of a layer that runs in its place, or takes it away: a prediction module's layer follows the
  /// model's own.
  package mutating func set(_ expert: FeedForwardWeights?, layer: Int, expert index: Int) {
    let module = layer - layers.count
    if layers.indices.contains(layer) {
      layers[layer].set(expert, at: index)
    } else if blockDrafting?.layers.indices.contains(module) == true {
      blockDrafting?.layers[module].set(expert, at: index)
    } else if module == 0 {
      prediction?.layer.set(expert, at: index)
    }
  }

  /// Room for routed experts that are not there yet: what others have left.
  package mutating func setSpareExperts(_ experts: [FeedForwardWeights]) { spareExperts = experts }
}

extension LayerWeights {
  fileprivate mutating func set(_ expert: FeedForwardWeights?, at index: Int) {
    guard case .moe(var moe) = feedForward else { return }
    moe.experts[index] = expert
    feedForward = .moe(moe)
  }
}
