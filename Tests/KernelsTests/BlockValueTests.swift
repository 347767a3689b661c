import CKernels
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Kernels

/// What GGUF's blocks hold, against what the package gguf makes of them (`Tests/Reference/make_block_values.py`).
struct BlockValueTests {
  struct Recorded: Decodable {
    var bytes: String
    var first: [Float]
    var fnv1a: String
  }

  static func recorded() throws -> [String: Recorded] {
    let file = Page.root.appending(path: "Tests/Fixtures/blocks/values.json")
    return try JSONDecoder().decode([String: Recorded].self, from: Data(contentsOf: file))
  }

  private func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = Array(hexadecimal.utf8).map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  private func fnv1a(_ values: [Float]) -> UInt64 {
    values.withUnsafeBytes { $0.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
  }

  @Test func everyFormatOfBlocksIsRecorded() throws {
    let names = ElementType.allCases.filter(\.isBlocked).map(\.rawValue)
    #expect(Set(try Self.recorded().keys) == Set(names))
  }

  @Test(arguments: ElementType.allCases.filter(\.isBlocked))
  func valuesAreThoseOfTheReference(type: ElementType) throws {
    let recorded = try #require(try Self.recorded()[type.rawValue])
    let format = try #require(WeightFormat(type))
    let (length, byteCount) = type.block
    #expect(format.blockColumns == length && format.storedRowByteCount(length) == byteCount)
    let stored = bytes(recorded.bytes)
    let count = stored.count / byteCount * length
    var values = [Float](repeating: .nan, count: count)
    PanelWriter.expand(format, stored, count: count, into: &values)
    #expect(Array(values.prefix(16)) == recorded.first)
    #expect(String(fnv1a(values), radix: 16) == String(UInt64(recorded.fnv1a, radix: 16) ?? 0, radix: 16))
    // Fewer columns than a block's: nothing is written past them.
    for few in [1, length - 1, length + 1] {
      let memory = GuardedMemory(byteCount: few * 4)
      PanelWriter.expand(format, stored, count: few, into: memory.floats)
      let some = Array(UnsafeBufferPointer(start: memory.floats, count: few))
      #expect(withExtendedLifetime(memory) { sameBits(some[...], values[..<few]) })
    }
  }

  /// Of formats that no file has.
  @Test func integersOfFourBitsAreCodesLessTheirZeroTimesTheScale() {
    let nibbles = (0..<16).map { UInt8($0 * 37 & 255) }
    let codes = nibbles.flatMap { [Int($0 & 15), Int($0 >> 4)] }
    // -1.25 as bf16, and as f16.
    for (format, scale, zero) in [
      (CK_INT4, [0xA0, 0xBF], nil), (CK_INT4_ZEROS, [0xA0, 0xBF], 16), (CK_INT4_HALF_ZEROS, [0x00, 0xBD], 3),
    ] as [(ck_format, [UInt8], UInt8?)] {
      var values = [Float](repeating: 0, count: 32)
      ck_expand(format, scale + (zero.map { [$0] } ?? []) + nibbles, nil, 32, &values)
      #expect(values == codes.map { -1.25 * Float($0 - Int(zero ?? 8)) }, "\(format)")
    }
  }

  @Test(arguments: StoredBlocks.held)
  func panelsHoldEveryValueAsItIsStored(format: ck_format) {
    let length = ck_block_columns(format)
    for (rows, columns) in [(1, length), (16, 2 * length), (17, 3 * length), (47, 5 * length)] {
      let blocks = StoredBlocks(format, rows: rows, columns: columns, seed: UInt64(rows))
      for row in 0..<rows {
        #expect(sameBits(blocks.held(row: row)[...], blocks.expanded(row: row)[...]), "row \(row) of \(rows)")
      }
    }
  }

  @Test(arguments: StoredBlocks.held)
  func piecesOfColumnsMakeTheSamePanel(format: ck_format) {
    let length = ck_block_columns(format)
    let (rows, columns) = (11, 5 * length)
    let blocks = StoredBlocks(format, rows: rows, columns: columns, seed: 3)
    let byteCount = ck_panel_bytes(format, columns)
    var pieces = [UInt8](repeating: 0x5A, count: byteCount)
    for first in stride(from: 0, to: columns, by: 2 * length) {
      blocks.elements.withUnsafeBytes {
        ck_pack_rows(
          format, $0.baseAddress! + ck_stored_bytes(format, first), blocks.rowByteCount, rows, first,
          min(2 * length, columns - first), columns, &pieces)
      }
    }
    #expect(pieces.elementsEqual(UnsafeRawBufferPointer(start: blocks.panels.start, count: byteCount)))
  }

  @Test(arguments: StoredBlocks.held)
  func aScaleThatIsNoNumberIsFound(format: ck_format) {
    var generator = SeededGenerator(9)
    let length = ck_block_columns(format)
    let good = StoredBlocks.block(format, &generator) + StoredBlocks.block(format, &generator)
    #expect(ck_scales_are_finite(format, good, 2 * length))
    let at = [CK_Q2_K: 80, CK_Q3_K: 108, CK_Q6_K: 208, CK_TQ1_0: 52, CK_TQ2_0: 64][format] ?? 0
    let mins = [CK_Q4_1, CK_Q5_1, CK_Q2_K, CK_Q4_K, CK_Q5_K].contains(format)
    for place in mins ? [at, at + 2] : [at] {
      var bad = good
      let start = good.count / 2 + place
      if format == CK_MXFP4_0 {
        bad[start] = 255
      } else if format == CK_IQ1_M {
        // Infinity in four pieces.
        for (i, piece) in [0, 0, 0xC0, 0x70].enumerated() { bad[start + 49 + 2 * i] = UInt8(piece) }
      } else {
        (bad[start], bad[start + 1]) = [CK_INT4, CK_INT4_ZEROS].contains(format) ? (0x80, 0x7F) : (0, 0x7C)
      }
      #expect(!ck_scales_are_finite(format, bad, 2 * length))
      #expect(ck_scales_are_finite(format, bad, length))
    }
  }
}

extension ck_format: @retroactive Hashable {}
