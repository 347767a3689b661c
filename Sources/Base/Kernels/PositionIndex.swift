import CKernels

/// The indexer's keys of a paged cache, `[dims, blockTokens]` from `offset` on in each block; definition in
/// `indexer.h`.
package struct IndexKeyView {
  fileprivate let keys: ck_index_cache

  /// A key is `[dims]`; `blocks` are where the cache's blocks of `blockTokens` positions begin, as many as there are.
  /// `offset` counts elements; `type` is not q8.
  package init(type: CacheType, blocks: UnsafePointer<UnsafeRawPointer?>, blockTokens: Int, offset: Int, dims: Int) {
    keys = ck_index_cache(type: type.code, blocks: blocks, block_tokens: blockTokens, offset: offset, dims: dims)
  }

  /// Writes one position's key `[dims]`, rounded once where the cache is bf16.
  package func store(_ key: UnsafePointer<Float>, at position: Int) {
    withUnsafePointer(to: keys) { ck_index_store($0, key, position) }
  }
}

extension Compute {
  /// Positions come in runs that begin at multiples of this.
  package static let indexTile = Int(CK_ATTENTION_TILE)

  /// Scores of `positions`, which begin at a multiple of `indexTile`, into `scores`: sums over heads of `weights`
  /// `[heads]` times what is positive of the products of `queries` `[heads, dims]` with keys.
  package func indexScores(
    _ view: IndexKeyView, queries: UnsafePointer<Float>, weights: UnsafePointer<Float>, heads: Int,
    positions: Range<Int>, into scores: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: view.keys) {
      ck_index_scores(isa, $0, queries, weights, heads, positions.lowerBound, positions.upperBound, scores)
    }
  }

  /// Writes the places of the `wanted` greatest of `scores` `[count]` to `chosen`, ascending; of equal ones the lower
  /// place.
  package func chooseGreatest(
    _ scores: UnsafePointer<Float>, count: Int, wanted: Int, into chosen: UnsafeMutablePointer<UInt32>
  ) {
    ck_index_choose(scores, count, wanted, chosen)
  }

  /// out = (x − mean) / √(variance + epsilon) · weight + bias, each `[count]`; out may be x.
  package func layerNorm(
    _ x: UnsafePointer<Float>, count: Int, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
    out: UnsafeMutablePointer<Float>
  ) {
    ck_layer_norm(isa, x, count, weight, bias, epsilon, out)
  }
}
