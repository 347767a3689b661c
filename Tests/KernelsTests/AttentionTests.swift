import CKernels
import Foundation
import Testing

struct AttentionTests {
  typealias Range = AttentionCase.Range

  /// Rows of one token, of several tokens, windows that begin within a tile, rows that share nothing.
  static let rangeSets: [[Range]] = [
    [Range(begin: 0, end: 1)],
    [Range(begin: 5, end: 37, sink: 0.5)],
    (0..<4).map { _ in Range(begin: 0, end: 70) },
    // Four rows together over sixteen keys, some more than sixteen, and from the middle of a tile on.
    (0..<4).map { _ in Range(begin: 5, end: 93) },
    (0..<9).map { Range(begin: 0, end: 28 + $0 / 2, sink: $0 % 2 == 0 ? nil : Float($0) - 4) },
    (0..<6).map { Range(begin: 20 + $0 * 9, end: 60 + $0 * 11) },
    [Range(begin: 0, end: 5), Range(begin: 20, end: 32), Range(begin: 8, end: 12), Range(begin: 96, end: 131)],
    [Range(begin: 64, end: 96), Range(begin: 64, end: 65), Range(begin: 95, end: 97, sink: -50)],
  ]
  static let shapes: [(key: Int, value: Int, latent: Bool)] = [
    (1, 1, false), (16, 16, false), (20, 24, false), (24, 20, false), (48, 40, true), (40, 31, false), (80, 80, false),
    (17, 64, false), (64, 65, false), (128, 128, false), (576, 512, true),
  ]

  @Test(arguments: shapes.indices)
  func everyInstructionSetAndGroupingOfRowsGivesTheReferencesBits(shape: Int) throws {
    try withGuardedArena { memory in
      let (key, value, latent) = Self.shapes[shape]
      for (set, ranges) in Self.rangeSets.enumerated() {
        for blockTokens in key > 100 ? [64] : [32, 96] {
          let some = AttentionCase(
            in: memory, keyDims: key, valueDims: value, blockTokens: blockTokens, latent: latent, ranges: ranges)
          let reference = try #require(some.outputs(CK_ISA_REFERENCE))
          #expect(reference.allSatisfy { $0.isFinite }, "set \(set) reads a position nobody attends")
          for isa in ck_isa.supported {
            for rowsPerCall in isa == CK_ISA_REFERENCE ? [1] : [.max, 1, 3] {
              let outputs = try #require(some.outputs(isa, rowsPerCall: rowsPerCall))
              #expect(outputs.hasSameBits(as: reference), "isa \(isa.rawValue), set \(set), \(rowsPerCall) a call")
            }
          }
        }
      }
    }
  }

  @Test(arguments: shapes.indices)
  func theReferenceIsWithinItsErrorBoundOfDoublePrecision(shape: Int) throws {
    try withGuardedArena { memory in
      let (key, value, latent) = Self.shapes[shape]
      for ranges in Self.rangeSets.prefix(key > 100 ? 4 : .max) {
        let some = AttentionCase(in: memory, keyDims: key, valueDims: value, latent: latent, ranges: ranges)
        let outputs = try #require(some.outputs(CK_ISA_REFERENCE))
        let (values, tolerances) = some.oracle()
        for i in outputs.indices where abs(Double(outputs[i]) - values[i]) > tolerances[i] {
          Issue.record("element \(i): \(outputs[i]), expected \(values[i]) within \(tolerances[i])")
          break
        }
      }
    }
  }

  @Test(arguments: [Float(1e3), 1e30])
  func extremeScoresGiveNoNaN(magnitude: Float) throws {
    try withGuardedArena { memory in
      let ranges = (0..<5).map { Range(begin: $0, end: 60 + $0, sink: $0 % 2 == 0 ? nil : -magnitude) }
      let some = AttentionCase(in: memory, keyDims: 24, valueDims: 40, ranges: ranges, magnitude: magnitude)
      let reference = try #require(some.outputs(CK_ISA_REFERENCE))
      #expect(reference.allSatisfy { $0.isFinite })
      for isa in ck_isa.supported { #expect(some.outputs(isa)?.hasSameBits(as: reference) == true) }
    }
  }

  @Test func aSinkFarAboveEveryScoreLeavesNothing() throws {
    try withGuardedArena { memory in
      let some = AttentionCase(in: memory, keyDims: 16, valueDims: 16, ranges: [Range(begin: 0, end: 40, sink: 1e9)])
      for isa in ck_isa.supported {
        let outputs = try #require(some.outputs(isa))
        #expect(outputs.allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func oneAttendedPositionGivesItsValue() throws {
    try withGuardedArena { memory in
      let some = AttentionCase(in: memory, keyDims: 33, valueDims: 21, ranges: [Range(begin: 45, end: 46)])
      let value = some.blocks[1].pointer + 13 * some.stride + some.valueOffset
      for isa in ck_isa.supported {
        let outputs = try #require(some.outputs(isa))
        #expect(outputs == Array(UnsafeBufferPointer(start: value, count: 21)))
      }
    }
  }

  @Test func moreRowsThanOneBatchHoldsAreTheSameRows() throws {
    try withGuardedArena { memory in
      // 256 KiB hold 60 rows of the latent shape: 130 rows are three batches.
      let ranges = (0..<130).map { Range(begin: 0, end: 3 + $0 / 50) }
      let some = AttentionCase(in: memory, keyDims: 576, valueDims: 512, latent: true, ranges: ranges)
      let reference = try #require(some.outputs(CK_ISA_REFERENCE))
      for isa in ck_isa.vectors { #expect(some.outputs(isa)?.hasSameBits(as: reference) == true) }
    }
  }

  @Test func noRowsIsNoWork() {
    var cache = ck_paged_cache(
      type: CK_CACHE_F32, blocks: nil, block_tokens: 32, row_stride: 1, key_offset: 0, value_offset: 0, key_dims: 1,
      value_dims: 1)
    for isa in ck_isa.supported { ck_attention(isa, &cache, nil, 0, 1, nil) }
  }

  @Test(arguments: shapes.indices)
  func aCacheOfBF16GivesTheBitsOfTheSameNumbersInFP32(shape: Int) throws {
    try withGuardedArena { memory in
      let (key, value, latent) = Self.shapes[shape]
      // More rows than are attended without an expanded copy of the tile, with ragged beginnings and ends.
      let many = (0..<37).map { Range(begin: $0 % 5 * 7, end: 40 + $0, sink: $0 % 3 == 0 ? 0.25 : nil) }
      for (set, ranges) in (Self.rangeSets + [many]).enumerated() {
        for blockTokens in key > 100 ? [64] : [32, 96] {
          let some = AttentionCase(
            in: memory, type: CK_CACHE_BF16, keyDims: key, valueDims: value, blockTokens: blockTokens, latent: latent,
            ranges: ranges)
          let twin = try #require(some.twin())
          #expect(twin.allSatisfy { $0.isFinite })
          for isa in ck_isa.supported {
            for rowsPerCall in isa == CK_ISA_REFERENCE ? [1] : [.max, 1, 3] {
              let outputs = try #require(some.outputs(isa, rowsPerCall: rowsPerCall))
              #expect(outputs.hasSameBits(as: twin), "isa \(isa.rawValue), set \(set), \(rowsPerCall) a call")
            }
          }
        }
      }
    }
  }

  @Test func scratchIsWhatATileTakesInFP32() {
    var cache = ck_paged_cache(
      type: CK_CACHE_F32, blocks: nil, block_tokens: 32, row_stride: 576, key_offset: 0, value_offset: 0, key_dims: 576,
      value_dims: 512)
    #expect(ck_attention_scratch(&cache) == 0)
    cache.type = CK_CACHE_BF16
    #expect(ck_attention_scratch(&cache) == 32 * 576)
    cache.value_offset = 576
    #expect(ck_attention_scratch(&cache) == 32 * (576 + 512))
  }

  @Test func storingRoundsToTheNearestEvenBF16() {
    var values: [Float] = [
      0, -0.0, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0x1p-149, 0x1.fep127,
    ]
    // Every tie and its neighbours on both sides, over some exponents, subnormal ones too.
    for upper in stride(from: UInt32(0), to: 0x7f80, by: 37) {
      for lower: UInt32 in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
        for sign: UInt32 in [0, 0x8000_0000] { values.append(Float(bitPattern: upper << 16 | lower | sign)) }
      }
    }
    var halves = [UInt16](repeating: 0, count: values.count)
    ck_cache_store(CK_CACHE_BF16, values, values.count, &halves)
    for (value, half) in zip(values, halves) {
      let found = UInt32(half) << 16
      #expect(found == value.roundedToBF16.bitPattern, "\(value)")
    }
    for bits: UInt32 in [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff, 0xff80_0001, 0x7fc0_0000] {
      ck_cache_store(CK_CACHE_BF16, [Float(bitPattern: bits)], 1, &halves)
      #expect(Float(bitPattern: UInt32(halves[0]) << 16).isNaN)
      #expect(UInt32(halves[0]) >> 15 == bits >> 31)
    }
  }
}
