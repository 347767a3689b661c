import CKernels
import Foundation
import Testing

/// Attention over a cache of levels that share scales.
struct LevelAttentionTests {
  typealias Range = AttentionCase.Range
  private static let shapes = AttentionTests.shapes
  /// More rows than are softened together, with ragged beginnings and ends.
  private static let many = (0..<37).map {
    Range(begin: $0 % 5 * 7, end: 40 + $0, sink: $0 % 3 == 0 ? 0.25 : nil)
  }

  private func expectOneResult(_ some: LevelCase, positions: [UInt32]? = nil, _ note: String) throws -> [Float] {
    let reference = try #require(some.outputs(CK_ISA_REFERENCE, positions: positions))
    for isa in ck_isa.supported {
      for rowsPerCall in isa == CK_ISA_REFERENCE ? [1] : [.max, 1, 3, 6] {
        let outputs = try #require(some.outputs(isa, positions: positions, rowsPerCall: rowsPerCall))
        #expect(outputs.hasSameBits(as: reference), "isa \(isa.rawValue), \(rowsPerCall) a call, \(note)")
      }
    }
    return reference
  }

  @Test(arguments: shapes.indices)
  func everyInstructionSetAndGroupingOfRowsGivesTheReferencesBits(shape: Int) throws {
    try withGuardedArena { memory in
      let (key, value, latent) = Self.shapes[shape]
      for (set, ranges) in (AttentionTests.rangeSets + [Self.many]).enumerated() {
        for blockTokens in key > 100 ? [64] : [32, 96] {
          let some = LevelCase(
            in: memory, keyDims: key, valueDims: value, blockTokens: blockTokens, latent: latent, ranges: ranges)
          let found = try expectOneResult(some, "set \(set)")
          #expect(found.allSatisfy { $0.isFinite }, "set \(set) reads a position nobody attends")
          // All positions in their order, chosen, are attention over all.
          let all = (0..<UInt32(ranges.map(\.end).max()!)).map { $0 }
          let outputs = try expectOneResult(some, positions: all, "set \(set), chosen")
          #expect(outputs.hasSameBits(as: found))
        }
      }
    }
  }

  @Test(arguments: shapes.indices) func chosenPositionsAreThoseAlone(shape: Int) throws {
    try withGuardedArena { memory in
      let (key, value, latent) = Self.shapes[shape]
      let length = 150
      let order = (0..<length).map { $0 * 37 % length }
      let ranges = [Range(begin: 0, end: length)] + Self.many
      let some = LevelCase(in: memory, keyDims: key, valueDims: value, latent: latent, ranges: ranges)
      let chosen = try expectOneResult(some, positions: order.map { UInt32($0) }, "chosen")
      let sorted = LevelCase(in: memory, keyDims: key, valueDims: value, latent: latent, ranges: ranges) {
        at, key, value in
        (key, value) = (some.keys[order[at]], some.values[order[at]])
      }
      #expect(chosen.hasSameBits(as: try #require(sorted.outputs(CK_ISA_REFERENCE))))
    }
  }

  @Test func rowsOfSeveralBatchesAreTheSameRows() throws {
    try withGuardedArena { memory in
      let ranges = (0..<200).map { Range(begin: 0, end: 3 + $0 / 50) }
      let some = LevelCase(in: memory, keyDims: 576, valueDims: 512, latent: true, ranges: ranges)
      _ = try expectOneResult(some, "200 rows")
    }
  }

  /// Eight bits of queries and keys change scores by about a hundredth, seven of probabilities and eight of values give
  /// as much noise again.
  @Test(arguments: [(64, 64, false), (128, 128, false), (576, 512, true), (192, 128, false)])
  func whatRoundingCostsIsSmall(key: Int, value: Int, latent: Bool) throws {
    try withGuardedArena { memory in
      let ranges = (0..<6).map { Range(begin: 0, end: 60 + 17 * $0, sink: $0 == 3 ? 1 : nil) }
      let some = LevelCase(in: memory, keyDims: key, valueDims: value, latent: latent, ranges: ranges)
      let found = try #require(some.outputs(CK_ISA_REFERENCE))
      let exact = some.exact()
      let error = zip(found, exact).reduce(0.0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
      let size = exact.reduce(0.0) { $0 + $1 * $1 }
      let relative = (error / size).squareRoot()
      #expect(relative < 0.03 && relative > 1e-4, "\(relative)")
    }
  }

  @Test func oneAttendedPositionGivesItsValueAsItIsKept() throws {
    try withGuardedArena { memory in
      let some = LevelCase(in: memory, keyDims: 33, valueDims: 70, ranges: [Range(begin: 45, end: 46)])
      let value = some.values[45]
      let found = try expectOneResult(some, "one position")
      for (d, number) in found.enumerated() {
        let group = value[(d / 32 * 32)..<min(d / 32 * 32 + 32, 70)]
        let step = group.map(\.magnitude).max()! / 127 * (1 + 0x1p-7)
        #expect(abs(number - value[d]) <= step * 0.5001, "element \(d)")
      }
    }
  }

  @Test(arguments: [Float(1e3), 1e30])
  func extremeScoresGiveNoNaN(magnitude: Float) throws {
    try withGuardedArena { memory in
      let ranges = (0..<5).map { Range(begin: $0, end: 60 + $0, sink: $0 % 2 == 0 ? nil : -magnitude) }
      let some = LevelCase(in: memory, keyDims: 24, valueDims: 40, ranges: ranges, magnitude: magnitude)
      let outputs = try expectOneResult(some, "\(magnitude)")
      #expect(outputs.allSatisfy { $0.isFinite })
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func aRowThatAttendsWhatIsNotFiniteIsNaN(number: Float) throws {
    try withGuardedArena { memory in
      let ranges = (0..<20).map { Range(begin: $0 * 3, end: 40 + $0 * 3) }
      for inKey in [true, false] {
        let some = LevelCase(in: memory, keyDims: 40, valueDims: 48, ranges: ranges) { position, key, value in
          if position == 50 { if inKey { key[35] = number } else { value[35] = number } }
        }
        let found = try expectOneResult(some, "\(number)")
        for (r, range) in ranges.enumerated() {
          let row = found[(r * 48)..<(r * 48 + 48)]
          let meets = range.begin <= 50 && 50 < range.end
          // Of a value, one group of elements; of a key, all.
          for (d, element) in row.enumerated() { #expect(element.isNaN == (meets && (inKey || d >= 32))) }
        }
      }
    }
  }

  @Test func zerosAreZeros() throws {
    try withGuardedArena { memory in
      let some = LevelCase(in: memory, keyDims: 40, valueDims: 48, ranges: Self.many) { position, key, value in
        if position % 2 == 0 { key = key.map { _ in 0 } }
        value = value.map { $0 * (position % 3 == 0 ? 0 : 0x1p-120) }
      }
      let outputs = try expectOneResult(some, "zeros")
      #expect(outputs.allSatisfy { $0 == 0 })
    }
  }

  @Test func aSinkFarAboveEveryScoreLeavesNothing() throws {
    try withGuardedArena { memory in
      let some = LevelCase(in: memory, keyDims: 16, valueDims: 16, ranges: [Range(begin: 0, end: 40, sink: 1e9)])
      let outputs = try expectOneResult(some, "sink")
      #expect(outputs.allSatisfy { $0 == 0 })
    }
  }

  /// Levels lie by fours of positions and of elements; scales are raised to bf16, so that no level is past 127.
  @Test(arguments: [1, 4, 31, 32, 33, 70, 96]) func storingRoundsToTheNearestLevel(dims: Int) throws {
    let (groups, bytes) = ((dims + 31) / 32, ck_cache_position_bytes(CK_CACHE_Q8, dims))
    #expect(bytes == groups * 34)
    for (round, magnitude) in [Float(1), 1e-20, 3e38, 0x1p-99].enumerated() {
      var tile = [UInt8](repeating: 0xab, count: 32 * bytes)
      let at = 5 + round * 7
      let vector = [Float].random(dims, seed: UInt64(dims + round)).map { $0 * magnitude }
      tile.withUnsafeMutableBytes { ck_cache_store_q8(vector, dims, $0.baseAddress, at) }
      let scales = (0..<groups).map { group -> Float in
        let byte = 32 * groups * 32 + (group * 32 + at) * 2
        return Float(bitPattern: (UInt32(tile[byte]) | UInt32(tile[byte + 1]) << 8) << 16)
      }
      for d in 0..<(groups * 32) {
        let level = Int8(bitPattern: tile[(at / 4 * groups * 32 + d / 4 * 4) * 4 + at % 4 * 4 + d % 4])
        guard d < dims else {
          #expect(level == 0)
          continue
        }
        let group = vector[(d / 32 * 32)..<min(d / 32 * 32 + 32, dims)]
        let largest = Double(group.map(\.magnitude).max()!)
        let scale = Double(scales[d / 32])
        guard largest >= 0x1p-100 else {
          #expect(scale == 0 && level == 0)
          continue
        }
        #expect(scale >= largest / 127 * (1 - 0x1p-23) && scale <= largest / 127 * (1 + 0x1p-7))
        #expect(abs(Double(level) * scale - Double(vector[d])) <= scale * (0.5 + 1e-4), "element \(d)")
      }
      // Of the other positions nothing is touched.
      let touched = tile.filter { $0 != 0xab }.count
      #expect(touched <= bytes && touched > groups)
    }
  }

  @Test func scratchGrowsWithBatchesAndTilesOnly() {
    var cache = ck_paged_cache(
      type: CK_CACHE_Q8, blocks: nil, block_tokens: 32, row_stride: 612, key_offset: 0, value_offset: 0, key_dims: 576,
      value_dims: 512)
    let (all, chosen) = (ck_attention_scratch(&cache), ck_attention_chosen_scratch(&cache))
    // A batch's queries and sums, and a tile's levels twice.
    #expect(all * 4 < 384 * 1024 && all * 4 > 192 * 1024)
    #expect(chosen - all == 32 * 612 / 4)
    cache.value_offset = 32 * 612
    #expect(ck_attention_chosen_scratch(&cache) - ck_attention_scratch(&cache) == 32 * (612 + 544) / 4)
  }
}
