import CKernels
import Foundation

/// A paged cache of random keys and values, in guarded memory, and query rows over it. Positions no row attends hold
/// NaN.
struct AttentionCase {
  struct Range {
    var begin: Int
    var end: Int
    var sink: Float?
  }

  let keyDims: Int, valueDims: Int, blockTokens: Int, stride: Int, keyOffset: Int, valueOffset: Int
  let ranges: [Range]
  let type: ck_cache_type
  /// The numbers the cache holds, as fp32.
  let blocks: [GuardedFloats]
  /// The cache itself.
  private let stored: [UnsafeRawPointer]
  let queries: [GuardedFloats]
  let scale: Float
  private let memory: GuardedArena

  /// - Parameter latent: values are the first dimensions of the keys, as in multi-head latent attention.
  init(
    in memory: GuardedArena, type: ck_cache_type = CK_CACHE_F32, keyDims: Int, valueDims: Int, blockTokens: Int = 32,
    latent: Bool = false, ranges: [Range], magnitude: Float = 1
  ) {
    self.memory = memory
    self.type = type
    (self.keyDims, self.valueDims, self.blockTokens, self.ranges) = (keyDims, valueDims, blockTokens, ranges)
    keyOffset = latent ? 0 : 1
    valueOffset = latent ? 0 : keyDims + 2
    stride = max(keyOffset + keyDims, valueOffset + valueDims)
    scale = magnitude / Float(keyDims).squareRoot()
    let stride = self.stride
    let length = ranges.map(\.end).max() ?? 0
    let numbers = (0..<(length + blockTokens - 1) / blockTokens).map { block in
      var values = [Float].random(blockTokens * stride, seed: UInt64(block + 7))
      for token in 0..<blockTokens {
        let position = block * blockTokens + token
        if ranges.contains(where: { $0.begin <= position && position < $0.end }) { continue }
        for i in 0..<stride { values[token * stride + i] = .nan }
      }
      return values
    }
    blocks = numbers.map { memory.floats(type == CK_CACHE_F32 ? $0 : $0.map(\.roundedToBF16)) }
    stored = zip(numbers, blocks).map { values, block in
      guard type == CK_CACHE_BF16 else { return UnsafeRawPointer(block.pointer) }
      let halves = memory.halves(values.count)
      ck_cache_store(type, values, values.count, halves)
      return UnsafeRawPointer(halves)
    }
    queries = ranges.indices.map { memory.floats([Float].random(keyDims, seed: UInt64($0 + 1000)).map { $0 * 3 }) }
  }

  /// The outputs of all rows, in calls of at most `rowsPerCall` rows; nil if a canary was overwritten.
  ///
  /// `positions`: what the ranges' positions are called in the cache, where they are not its own.
  func outputs(_ isa: ck_isa, positions: [UInt32]? = nil, rowsPerCall: Int = .max) -> [Float]? {
    outputs(isa, type, stored, positions, rowsPerCall)
  }

  /// What the reference gives for the same numbers in an fp32 cache.
  func twin(positions: [UInt32]? = nil) -> [Float]? {
    outputs(CK_ISA_REFERENCE, CK_CACHE_F32, blocks.map { UnsafeRawPointer($0.pointer) }, positions, .max)
  }

  private func outputs(
    _ isa: ck_isa, _ type: ck_cache_type, _ stored: [UnsafeRawPointer], _ positions: [UInt32]?, _ rowsPerCall: Int
  ) -> [Float]? {
    memory.attend(isa, ranges, queries, valueDims: valueDims, scale: scale, stored, positions, rowsPerCall) { blocks in
      ck_paged_cache(
        type: type, blocks: blocks, block_tokens: blockTokens, row_stride: stride, key_offset: keyOffset,
        value_offset: valueOffset, key_dims: keyDims, value_dims: valueDims)
    }
  }

  /// The same in double precision, and a bound on an fp32 kernel's error for each element.
  ///
  /// A score s has an error of at most (key_dims/16 + 6) eps * scale * sum |q_i k_i|; a probability's relative error
  /// is twice the largest such error (its own and the maximum's), plus 2 ulp of e^x and its argument's rounding; the
  /// sum and the corrections add one rounding per position and a few per tile.
  func oracle() -> (values: [Double], tolerances: [Double]) {
    var values: [Double] = []
    var tolerances: [Double] = []
    let eps = Double(Float.ulpOfOne)
    for (r, range) in ranges.enumerated() {
      var scores: [Double] = []
      var scoreError = 0.0
      for position in range.begin..<range.end {
        let key = blocks[position / blockTokens].pointer + position % blockTokens * stride + keyOffset
        var dot = 0.0
        var magnitude = 0.0
        for d in 0..<keyDims {
          let product = Double(queries[r].pointer[d]) * Double(key[d])
          dot += product
          magnitude += abs(product)
        }
        scores.append(dot * Double(scale))
        scoreError = max(scoreError, Double(keyDims / 16 + 6) * eps * Double(scale) * magnitude)
      }
      let largest = max(scores.max()!, range.sink.map(Double.init) ?? -.infinity)
      let spread = scores.map { largest - $0 }.max()!
      let weights = scores.map { exp($0 - largest) }
      let denominator = weights.reduce(0, +) + (range.sink.map { exp(Double($0) - largest) } ?? 0)
      let count = Double(range.end - range.begin)
      let relative = 2 * scoreError + eps * (min(spread, 110) + 8 + count + count / 4)
      for d in 0..<valueDims {
        var sum = 0.0
        var magnitude = 0.0
        for (i, position) in (range.begin..<range.end).enumerated() {
          let row = blocks[position / blockTokens].pointer + position % blockTokens * stride
          let value = Double(row[valueOffset + d])
          sum += weights[i] * value
          magnitude += weights[i] * abs(value)
        }
        values.append(sum / denominator)
        tolerances.append(2 * relative * magnitude / denominator + 1e-37)
      }
    }
    return (values, tolerances)
  }
}

extension Float {
  /// The nearest number of eight significant bits, ties to even: the definition, by way of its two neighbours.
  var roundedToBF16: Float {
    guard isFinite else { return self }
    let below = Float(bitPattern: bitPattern & 0xffff_0000)
    let above = Float(bitPattern: (bitPattern & 0xffff_0000) &+ 0x1_0000)
    // Infinity stands where 2^128 would be.
    let next = above.isFinite ? Double(above.magnitude) : 0x1p128
    let (under, over) = (Double(magnitude) - Double(below.magnitude), next - Double(magnitude))
    if under != over { return under < over ? below : above }
    return below.bitPattern & 0x1_0000 == 0 ? below : above
  }
}
