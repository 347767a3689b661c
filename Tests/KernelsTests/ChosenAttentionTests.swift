import CKernels
import Foundation
import Testing

/// Attention over chosen positions.
struct ChosenAttentionTests {
  typealias Range = AttentionCase.Range
  private static let length = 150
  /// All positions, once; the first row attends them all, so that none holds NaN.
  private static let ranges =
    [Range(begin: 0, end: length), Range(begin: 0, end: 1), Range(begin: 5, end: 37, sink: 0.5)]
    + (0..<17).map { Range(begin: $0 % 3, end: 70 + $0 / 4, sink: $0 % 5 == 0 ? -1 : nil) }
  private static let shapes: [(key: Int, value: Int, latent: Bool)] = [
    (1, 1, false), (20, 24, false), (48, 40, true), (17, 64, false), (64, 65, false), (576, 512, true),
  ]
  /// Far apart and near each other, in blocks of their own and in one.
  private static let positions = (0..<length).map { UInt32($0 * 37 % length) }

  @Test(arguments: shapes.indices, [CK_CACHE_F32, CK_CACHE_BF16])
  func everyInstructionSetAndGroupingOfRowsGivesTheReferencesBits(shape: Int, type: ck_cache_type) throws {
    try withGuardedArena { memory in
      let (key, value, latent) = Self.shapes[shape]
      let some = AttentionCase(
        in: memory, type: type, keyDims: key, valueDims: value, blockTokens: key > 100 ? 64 : 32, latent: latent,
        ranges: Self.ranges)
      let reference = try #require(some.twin(positions: Self.positions))
      #expect(reference.allSatisfy { $0.isFinite })
      for isa in ck_isa.supported {
        for rowsPerCall in isa == CK_ISA_REFERENCE ? [1] : [.max, 1, 3] {
          let outputs = try #require(some.outputs(isa, positions: Self.positions, rowsPerCall: rowsPerCall))
          #expect(outputs.hasSameBits(as: reference), "isa \(isa.rawValue), \(rowsPerCall) a call")
        }
      }
    }
  }

  @Test(arguments: shapes.indices, [CK_CACHE_F32, CK_CACHE_BF16])
  func allPositionsInTheirOrderAreTheBitsOfAttentionOverAll(shape: Int, type: ck_cache_type) throws {
    try withGuardedArena { memory in
      let (key, value, latent) = Self.shapes[shape]
      for ranges in AttentionTests.rangeSets + [Self.ranges] {
        let some = AttentionCase(
          in: memory, type: type, keyDims: key, valueDims: value, blockTokens: key > 100 ? 64 : 32, latent: latent,
          ranges: ranges)
        let all = (0..<UInt32(ranges.map(\.end).max()!)).map { $0 }
        for isa in ck_isa.supported {
          let dense = try #require(some.outputs(isa))
          let chosen = try #require(some.outputs(isa, positions: all))
          #expect(chosen.hasSameBits(as: dense), "isa \(isa.rawValue)")
        }
      }
    }
  }

  @Test func theReferenceIsThatOfDoublePrecision() throws {
    try withGuardedArena { memory in
      let some = AttentionCase(in: memory, keyDims: 40, valueDims: 24, ranges: Self.ranges)
      let outputs = try #require(some.outputs(CK_ISA_REFERENCE, positions: Self.positions))
      for (r, range) in Self.ranges.enumerated() {
        let rows = (range.begin..<range.end).map { at -> UnsafeMutablePointer<Float> in
          let position = Int(Self.positions[at])
          return some.blocks[position / some.blockTokens].pointer + position % some.blockTokens * some.stride
        }
        let scores = rows.map { row in
          (0..<40).reduce(0.0) { $0 + Double(some.queries[r].pointer[$1]) * Double(row[some.keyOffset + $1]) }
            * Double(some.scale)
        }
        let largest = max(scores.max()!, range.sink.map(Double.init) ?? -.infinity)
        let weights = scores.map { exp($0 - largest) }
        let denominator = weights.reduce(0, +) + (range.sink.map { exp(Double($0) - largest) } ?? 0)
        for d in 0..<24 {
          let sum = zip(weights, rows).reduce(0.0) { $0 + $1.0 * Double($1.1[some.valueOffset + d]) }
          #expect(abs(Double(outputs[r * 24 + d]) - sum / denominator) < 2e-5, "row \(r), element \(d)")
        }
      }
    }
  }

  @Test func scratchIsATileInFP32WhateverTheCache() {
    var cache = ck_paged_cache(
      type: CK_CACHE_F32, blocks: nil, block_tokens: 32, row_stride: 576, key_offset: 0, value_offset: 0, key_dims: 576,
      value_dims: 512)
    #expect(ck_attention_chosen_scratch(&cache) == 32 * 576)
    cache.type = CK_CACHE_BF16
    cache.value_offset = 576
    #expect(ck_attention_chosen_scratch(&cache) == 32 * (576 + 512))
  }
}
