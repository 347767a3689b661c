import CKernels

/// How an attention cache holds keys and values.
package enum CacheType: String, Sendable, CaseIterable {
  case f32, bf16, q8

  /// Bytes of what a view's strides and offsets count: elements, or the bytes of a q8 cache.
  package var unitByteCount: Int {
    switch self {
    case .f32: 4
    case .bf16: 2
    case .q8: 1
    }
  }

  /// Units that one position's vector of `dims` elements takes.
  package func unitCount(_ dims: Int) -> Int { byteCount(dims) / unitByteCount }

  /// Bytes that one position's vector of `dims` elements takes.
  package func byteCount(_ dims: Int) -> Int { ck_cache_position_bytes(code, dims) }

  /// How such a cache holds what does not lie in tiles of positions: keys of indexers, by which positions are chosen or
  /// not, and the entries of compressed attention, each of which stands for several tokens.
  package var ofNumbers: CacheType { self == .q8 ? .bf16 : self }

  var code: ck_cache_type {
    switch self {
    case .f32: CK_CACHE_F32
    case .bf16: CK_CACHE_BF16
    case .q8: CK_CACHE_Q8
    }
  }
}

/// Where one attention call finds keys and values: a paged cache's blocks and the layout of a row. Strides and offsets
/// count the type's units.
package struct CacheView {
  fileprivate var paged: ck_paged_cache
  private let type: CacheType

  /// Position p lies in `blocks[p / blockTokens]`, at row p % blockTokens of `[blockTokens, rowStride]` units, its
  /// key `[keyDims]` from `keyOffset` on and its value `[valueDims]` from `valueOffset` on. A q8 cache has tiles in the
  /// place of as many rows (`attention.h`).
  package init(
    type: CacheType, blocks: UnsafePointer<UnsafeRawPointer?>, blockTokens: Int, rowStride: Int, keyOffset: Int,
    valueOffset: Int, keyDims: Int, valueDims: Int
  ) {
    self.type = type
    paged = ck_paged_cache(
      type: type.code, blocks: blocks, block_tokens: blockTokens, row_stride: rowStride, key_offset: keyOffset,
      value_offset: valueOffset, key_dims: keyDims, value_dims: valueDims)
  }

  /// Writes one position's key `[keyDims]`, rounded once where the cache is not fp32.
  package func storeKey(_ key: UnsafePointer<Float>, at position: Int) {
    store(key, count: paged.key_dims, offset: paged.key_offset, at: position)
  }

  /// Writes one position's value `[valueDims]`, likewise.
  package func storeValue(_ value: UnsafePointer<Float>, at position: Int) {
    store(value, count: paged.value_dims, offset: paged.value_offset, at: position)
  }

  private func store(_ vector: UnsafePointer<Float>, count: Int, offset: Int, at position: Int) {
    guard let block = UnsafeMutableRawPointer(mutating: paged.blocks[position / paged.block_tokens]) else {
      preconditionFailure("a position without a block")
    }
    let row = position % paged.block_tokens
    guard type != .q8 else {
      let place = row % Int(CK_ATTENTION_TILE)
      ck_cache_store_q8(vector, count, block + (row - place) * paged.row_stride + offset, place)
      return
    }
    ck_cache_store(paged.type, vector, count, block + (row * paged.row_stride + offset) * type.unitByteCount)
  }

  /// Floats of scratch that attending this cache takes, and attending chosen positions of it.
  package var scratchCount: Int { withUnsafePointer(to: paged) { ck_attention_scratch($0) } }
  package var chosenScratchCount: Int { withUnsafePointer(to: paged) { ck_attention_chosen_scratch($0) } }
}

/// One query row and the positions `[begin, end)` it attends.
package struct QueryRow: BitwiseCopyable {
  private let row: ck_query_row

  /// query `[keyDims]`, out `[valueDims]`; `sink` is one logit that takes probability and gives nothing. `begin` and
  /// `end` count positions of the sequence.
  package init(
    query: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, sink: UnsafePointer<Float>?, begin: Int, end: Int
  ) {
    row = ck_query_row(query: query, out: out, sink: sink, begin: begin, end: end)
  }
}

extension Compute {
  /// Softmax attention of query rows that share keys and values; definition in `attention.h`. A score is the product
  /// of query and key times `scale`; `scratch` is `[cache.scratchCount]`.
  package func attend(
    cache: CacheView, rows: UnsafeBufferPointer<QueryRow>, scale: Float, scratch: UnsafeMutablePointer<Float>
  ) {
    guard let base = rows.baseAddress, rows.count > 0 else { return }
    // A QueryRow is a ck_query_row and nothing else.
    let converted = UnsafeRawPointer(base).assumingMemoryBound(to: ck_query_row.self)
    withUnsafePointer(to: cache.paged) { ck_attention(isa, $0, converted, rows.count, scale, scratch) }
  }

  /// The same over some positions alone: `positions`, ascending, as many as the rows' greatest `end`, which counts
  /// them. `scratch` is `[cache.chosenScratchCount]`.
  package func attend(
    cache: CacheView, positions: UnsafePointer<UInt32>, rows: UnsafeBufferPointer<QueryRow>, scale: Float,
    scratch: UnsafeMutablePointer<Float>
  ) {
    guard let base = rows.baseAddress, rows.count > 0 else { return }
    let converted = UnsafeRawPointer(base).assumingMemoryBound(to: ck_query_row.self)
    withUnsafePointer(to: cache.paged) {
      ck_attention_chosen(isa, $0, positions, converted, rows.count, scale, scratch)
    }
  }
}
