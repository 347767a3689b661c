import CKernels

extension GuardedArena {
  /// What rows `[valueDims]` attend in a cache of blocks at `stored`, in calls of at most `rowsPerCall` rows; nil if a
  /// canary was overwritten. `positions`: what the ranges' positions are called in the cache, where they are not its
  /// own.
  func attend(
    _ isa: ck_isa, _ ranges: [AttentionCase.Range], _ queries: [GuardedFloats], valueDims: Int, scale: Float,
    _ stored: [UnsafeRawPointer], _ positions: [UInt32]?, _ rowsPerCall: Int,
    in cache: (UnsafePointer<UnsafeRawPointer?>?) -> ck_paged_cache
  ) -> [Float]? {
    let outs = ranges.map { _ in floats([Float](repeating: .nan, count: valueDims)) }
    let sinks = ranges.map { floats($0.sink.map { [$0] } ?? []) }
    let rows = ranges.indices.map { r in
      ck_query_row(
        query: queries[r].pointer, out: outs[r].pointer, sink: ranges[r].sink == nil ? nil : sinks[r].pointer,
        begin: ranges[r].begin, end: ranges[r].end)
    }
    var scratch: GuardedFloats?
    stored.map { Optional($0) }.withUnsafeBufferPointer { pointers in
      var cache = cache(pointers.baseAddress)
      let needed = positions == nil ? ck_attention_scratch(&cache) : ck_attention_chosen_scratch(&cache)
      let room = floats([Float](repeating: .nan, count: needed))
      scratch = room
      rows.withUnsafeBufferPointer { rows in
        for start in Swift.stride(from: 0, to: rows.count, by: min(rowsPerCall, max(rows.count, 1))) {
          let count = min(rowsPerCall, rows.count - start)
          if let positions {
            ck_attention_chosen(isa, &cache, positions, rows.baseAddress! + start, count, scale, room.pointer)
          } else {
            ck_attention(isa, &cache, rows.baseAddress! + start, count, scale, room.pointer)
          }
        }
      }
    }
    guard outs.allSatisfy(\.isIntact), scratch?.isIntact != false else { return nil }
    return outs.flatMap(\.values)
  }
}
