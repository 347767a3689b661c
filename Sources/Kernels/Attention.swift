import CKernels

/// Where one attention call finds keys and values: a paged cache's blocks and the layout of a row.
package struct CacheView {
  package var blocks: UnsafePointer<UnsafePointer<Float>?>
  package var blockTokens: Int
  package var rowStride: Int
  package var keyOffset: Int
  package var valueOffset: Int
  package var keyDims: Int
  package var valueDims: Int

  package init(
    blocks: UnsafePointer<UnsafePointer<Float>?>, blockTokens: Int, rowStride: Int, keyOffset: Int, valueOffset: Int,
    keyDims: Int, valueDims: Int
  ) {
    self.blocks = blocks
    self.blockTokens = blockTokens
    self.rowStride = rowStride
    self.keyOffset = keyOffset
    self.valueOffset = valueOffset
    self.keyDims = keyDims
    self.valueDims = valueDims
  }
}

/// One query row and the positions `[begin, end)` it attends.
package struct QueryRow {
  package var query: UnsafePointer<Float>
  package var out: UnsafeMutablePointer<Float>
  package var sink: UnsafePointer<Float>?
  package var begin: Int
  package var end: Int

  package init(
    query: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, sink: UnsafePointer<Float>?, begin: Int, end: Int
  ) {
    self.query = query
    self.out = out
    self.sink = sink
    self.begin = begin
    self.end = end
  }
}

extension Compute {
  /// Softmax attention of query rows that share keys and values; definition in `attention.h`.
  package func attend(cache: CacheView, rows: UnsafeBufferPointer<QueryRow>, scale: Float) {
    guard let base = rows.baseAddress, rows.count > 0 else { return }
    var paged = ck_paged_cache(
      blocks: cache.blocks, block_tokens: cache.blockTokens, row_stride: cache.rowStride, key_offset: cache.keyOffset,
      value_offset: cache.valueOffset, key_dims: cache.keyDims, value_dims: cache.valueDims)
    withUnsafeTemporaryAllocation(of: ck_query_row.self, capacity: rows.count) { converted in
      for i in 0..<rows.count {
        let row = base[i]
        converted[i] = ck_query_row(query: row.query, out: row.out, sink: row.sink, begin: row.begin, end: row.end)
      }
      ck_attention(isa, &paged, converted.baseAddress, rows.count, scale)
    }
  }
}
