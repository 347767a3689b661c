import Kernels

/// Attention over a window of tokens as they are and, before them, over entries that each stand for several tokens
/// (DeepSeek-V4): one key for all heads, which is the value too, and of which only the last dimensions turn.
///
/// An entry is a mean of what some tokens project to, in each dimension weighed by the softmax of what they project to
/// beside it. Where an indexer chooses which entries a token attends, entries overlap: each takes in the tokens of the
/// entry before it once more, by projections of their own.
package struct CompressedAttention: Sendable, Hashable {
  package var headCount: Int
  /// Of a query, and of the key.
  package var headDims: Int
  /// The last of these turn with the position.
  package var rotaryDims: Int
  /// Rank of the query projection.
  package var queryRank: Int
  /// A token sees itself and `window - 1` tokens before it as they are.
  package var window: Int
  /// What all heads attended comes together in so many groups of equal width, each of which goes through a matrix of
  /// `groupRank` rows of its own before all of them meet the output's.
  package var groupCount: Int
  package var groupRank: Int
  /// Tokens of an entry; nil for a layer that has its window only.
  package var ratio: Int?
  /// What chooses entries; nil where a token attends to all that are complete.
  package var indexer: LightningIndexer?
  /// A token sees all of its chunk, which leaves nothing behind, and the `window` tokens before that, whose keys others
  /// write (`BlockDrafting`).
  package var seesBlock = false

  /// How entries come about.
  package struct Pool: Sendable, Hashable {
    package var dims: Int
    package var ratio: Int
    package var overlaps: Bool

    /// What a token projects to, and again for the gates: `[dims]`, or for the next entry and for its own
    /// `[dims | dims]`.
    package var width: Int { overlaps ? 2 * dims : dims }
    /// Floats of the running sums (`elementwise.h`, `ck_pool`), of the next entry too where they overlap.
    var stateCount: Int { 3 * width }
  }

  package var keyPool: Pool? { ratio.map { Pool(dims: headDims, ratio: $0, overlaps: indexer != nil) } }
  /// Of the keys by which the indexer knows entries.
  package var indexPool: Pool? {
    guard let ratio, let indexer else { return nil }
    return Pool(dims: indexer.headDims, ratio: ratio, overlaps: true)
  }

  /// What the heads of a group attended, side by side.
  package var groupWidth: Int { headCount * headDims / groupCount }
  package var queryWidth: Int { headCount * headDims }

  /// Floats that a layer keeps of a sequence beside its entries: the keys of the latest tokens, `[window, headDims]`,
  /// that of position p in row p % window, and the sums of entries that are not complete.
  package var stateCount: Int {
    window * headDims + (keyPool?.stateCount ?? 0) + (indexPool?.stateCount ?? 0)
  }

  /// Floats of the entries that a block of so many positions holds.
  package func cacheCount(positions: Int) -> Int {
    guard let ratio else { return 0 }
    return EntryPlaces(ratio: ratio, blockTokens: positions).perBlock * (headDims + (indexer?.headDims ?? 0))
  }
}

/// Where entries lie among blocks of positions: in the block of their last token.
struct EntryPlaces {
  let ratio: Int
  let blockTokens: Int

  /// Whether no block, or each, has the same number of entries, or each entry a whole number of blocks.
  static func fits(ratio: Int, blockTokens: Int) -> Bool {
    ratio > 0 && (blockTokens % ratio == 0 || ratio % blockTokens == 0)
  }

  /// Room for entries in each block; of entries of several blocks, only the last of these uses it.
  var perBlock: Int { max(1, blockTokens / ratio) }
  func block(ofEntry entry: Int) -> Int { ((entry + 1) * ratio - 1) / blockTokens }
  func row(ofEntry entry: Int) -> Int { entry % perBlock }
}

/// What becomes of a layer's input beside what the layer adds to it.
package enum ResidualDescription: Sendable, Equatable {
  /// The input itself.
  case plain
  /// Several streams in the place of one.
  case hyper(HyperConnections)
}

/// Manifold-constrained hyper-connections (DeepSeek-V4; Xie and others, 2026): `streams` hidden states in the place of
/// one. What half a layer reads is a weighted sum of them; what it gives is added to each, times a factor; and they are
/// mixed with each other by a matrix whose rows and columns are brought to sums of one (Sinkhorn and Knopp). All these
/// weights follow from the streams.
package struct HyperConnections: Sendable, Equatable {
  package var streams: Int
  /// How often columns are divided by their sums; rows once less.
  package var iterations: Int
  /// Added to weights and sums, lest any be zero.
  package var epsilon: Float

  /// Weights that follow from the streams: for the sum, for the factors, for the matrix `[from, to]`.
  package var weightCount: Int { (2 + streams) * streams }
}
