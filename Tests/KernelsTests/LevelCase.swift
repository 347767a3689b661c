import CKernels
import Foundation

/// A paged q8 cache of random keys and values, in guarded memory, and query rows over it. What no row attends holds
/// scales of NaN.
struct LevelCase {
  let keyDims: Int, valueDims: Int, blockTokens: Int, latent: Bool
  let ranges: [AttentionCase.Range]
  /// What was stored, by position.
  let keys: [[Float]], values: [[Float]]
  let queries: [GuardedFloats]
  let scale: Float
  private let stored: [UnsafeRawPointer]
  private let memory: GuardedArena

  /// `changing` may put other numbers in a position's key and value.
  init(
    in memory: GuardedArena, keyDims: Int, valueDims: Int, blockTokens: Int = 32, latent: Bool = false,
    ranges: [AttentionCase.Range], magnitude: Float = 1,
    changing: (_ position: Int, _ key: inout [Float], _ value: inout [Float]) -> Void = { _, _, _ in }
  ) {
    (self.memory, self.keyDims, self.valueDims, self.blockTokens) = (memory, keyDims, valueDims, blockTokens)
    (self.latent, self.ranges) = (latent, ranges)
    scale = magnitude / Float(keyDims).squareRoot()
    let length = ranges.map(\.end).max() ?? 0
    var (keys, values): ([[Float]], [[Float]]) = ([], [])
    for position in 0..<length {
      var key = [Float].random(keyDims, seed: UInt64(2 * position + 7))
      var value = [Float].random(valueDims, seed: UInt64(2 * position + 8))
      changing(position, &key, &value)
      keys.append(key)
      values.append(latent ? Array(key.prefix(valueDims)) : value)
    }
    (self.keys, self.values) = (keys, values)
    let (keyBytes, valueBytes) = Self.bytes(keyDims, latent ? 0 : valueDims)
    let tiles = blockTokens / 32
    stored = (0..<(length + blockTokens - 1) / blockTokens).map { block in
      let floats = memory.floats([Float](repeating: .nan, count: tiles * (keyBytes + valueBytes) * 32 / 4))
      let start = UnsafeMutableRawPointer(floats.pointer)
      start.initializeMemory(as: UInt8.self, repeating: 0xff, count: floats.count * 4)
      for row in 0..<blockTokens {
        let position = block * blockTokens + row
        guard ranges.contains(where: { $0.begin <= position && position < $0.end }) else { continue }
        let tile = start + row / 32 * 32 * (keyBytes + valueBytes)
        ck_cache_store_q8(keys[position], keyDims, tile, row % 32)
        if !latent { ck_cache_store_q8(values[position], valueDims, tile + 32 * keyBytes, row % 32) }
      }
      return UnsafeRawPointer(start)
    }
    queries = ranges.indices.map { memory.floats([Float].random(keyDims, seed: UInt64($0 + 1000)).map { $0 * 3 }) }
  }

  private static func bytes(_ keyDims: Int, _ valueDims: Int) -> (Int, Int) {
    (ck_cache_position_bytes(CK_CACHE_Q8, keyDims), ck_cache_position_bytes(CK_CACHE_Q8, valueDims))
  }

  /// The outputs of all rows, in calls of at most `rowsPerCall` rows; nil if a canary was overwritten.
  func outputs(_ isa: ck_isa, positions: [UInt32]? = nil, rowsPerCall: Int = .max) -> [Float]? {
    let (keyBytes, valueBytes) = Self.bytes(keyDims, latent ? 0 : valueDims)
    return memory.attend(
      isa, ranges, queries, valueDims: valueDims, scale: scale, stored, positions, rowsPerCall
    ) { blocks in
      ck_paged_cache(
        type: CK_CACHE_Q8, blocks: blocks, block_tokens: blockTokens, row_stride: keyBytes + valueBytes,
        key_offset: 0, value_offset: latent ? 0 : 32 * keyBytes, key_dims: keyDims, value_dims: valueDims)
    }
  }

  /// Attention over the numbers as they were before they were rounded, in double precision.
  func exact() -> [Double] {
    ranges.enumerated().flatMap { r, range -> [Double] in
      let query = queries[r].values
      let scores = (range.begin..<range.end).map { position in
        zip(query, keys[position]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } * Double(scale)
      }
      let largest = max(scores.max()!, range.sink.map(Double.init) ?? -.infinity)
      let weights = scores.map { exp($0 - largest) }
      let denominator = weights.reduce(0, +) + (range.sink.map { exp(Double($0) - largest) } ?? 0)
      return (0..<valueDims).map { d in
        zip(weights, range.begin..<range.end).reduce(0.0) { $0 + $1.0 * Double(values[$1.1][d]) } / denominator
      }
    }
  }
}
