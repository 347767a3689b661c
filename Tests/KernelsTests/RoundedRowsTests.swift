import CKernels
import Foundation
import TestSupport
import Testing

/// Rows rounded to bf16 and int8.
struct RoundedRowsTests {
  static let lengths = [1, 2, 15, 16, 17, 63, 64, 65, 96, 127, 128, 129, 192, 300]

  static func rounded(_ isa: ck_isa, _ format: ck_row_format, _ x: [Float], k: Int) -> [UInt8] {
    let memory = GuardedMemory(byteCount: ck_row_bytes(format, k))
    memset(memory.start, 0xAB, ck_row_bytes(format, k))
    let values = GuardedMemory(x)
    ck_round_row(isa, format, values.floats, k, 0, k, memory.start)
    return withExtendedLifetime((memory, values)) {
      Array(UnsafeRawBufferPointer(start: memory.start, count: ck_row_bytes(format, k)))
    }
  }

  /// Floats of every kind: ordinary, tiny, huge, subnormal, and with `wild` also infinite and NaN.
  static func values(_ count: Int, wild: Bool, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in
      let bits = UInt32(truncatingIfNeeded: generator.next())
      switch generator.next() % 8 {
      case 0: return Float(bitPattern: bits & 0x807F_FFFF)
      case 1: return wild ? Float(bitPattern: bits | 0x7F80_0000) : 0
      case 2: return Float(bitPattern: bits & 0xBFFF_FFFF)
      default: return Float(Int32(bitPattern: bits)) * 0x1p-28
      }
    }
  }

  @Test(arguments: [CK_ROWS_F32, CK_ROWS_BF16, CK_ROWS_INT8])
  func everyInstructionSetRoundsToTheReferencesBits(format: ck_row_format) {
    var generator = SeededGenerator(4)
    for k in Self.lengths {
      for wild in [false, true] {
        let x = Self.values(k, wild: wild, &generator)
        let used = format == CK_ROWS_INT8 ? (k + 63) / 64 * 72 : format == CK_ROWS_BF16 ? (k + 1) / 2 * 4 : k * 4
        let reference = Self.rounded(CK_ISA_REFERENCE, format, x, k: k).prefix(used)
        for isa in ck_isa.vectors {
          #expect(Self.rounded(isa, format, x, k: k).prefix(used) == reference, "isa \(isa.rawValue), k \(k)")
        }
      }
    }
  }

  @Test func piecesOfARowMakeTheSameRow() {
    var generator = SeededGenerator(5)
    let x = generator.floats(300)
    for format in [CK_ROWS_BF16, CK_ROWS_INT8] {
      for isa in ck_isa.supported {
        let whole = Self.rounded(isa, format, x, k: 300)
        var pieces = [UInt8](repeating: 0xAB, count: whole.count)
        for first in stride(from: 0, to: 300, by: 128) {
          pieces.withUnsafeMutableBytes {
            ck_round_row(isa, format, x, 300, first, min(first + 128, 300), $0.baseAddress!)
          }
        }
        #expect(pieces == whole, "isa \(isa.rawValue)")
      }
    }
  }

  @Test func levelsAreWithinHalfAScaleOfTheirValues() {
    var generator = SeededGenerator(6)
    for k in Self.lengths {
      let x = generator.floats(k)
      let row = Self.rounded(CK_ISA_REFERENCE, CK_ROWS_INT8, x, k: k)
      let blocks = (k + 63) / 64
      row.withUnsafeBytes { bytes in
        for block in 0..<blocks {
          let range = block * 64..<min(block * 64 + 64, k)
          let scale = bytes.loadUnaligned(fromByteOffset: blocks * 64 + block * 4, as: Float.self)
          let levels = (block * 64..<block * 64 + 64).map { Int8(bitPattern: bytes[$0]) }
          #expect(scale == x[range].map(abs).max()! * (1 / 127 as Float))
          for half in 0..<2 {
            let sum = bytes.loadUnaligned(fromByteOffset: blocks * 68 + block * 4 + half * 2, as: Int16.self)
            #expect(sum == levels[(half * 32)..<(half * 32 + 32)].reduce(0) { $0 + Int16($1) })
          }
          for i in range {
            #expect(abs(Float(levels[i - block * 64]) * scale - x[i]) <= scale * 0.5001, "k \(k), column \(i)")
          }
          #expect(levels.suffix(block * 64 + 64 - range.upperBound).allSatisfy { $0 == 0 })
        }
      }
    }
  }

  @Test func bf16IsTheNearestEvenAndFlushesSubnormals() {
    let cases: [(Float, UInt16)] = [
      (1, 0x3F80), (-2, 0xC000), (Float(bitPattern: 0x3F80_8000), 0x3F80), (Float(bitPattern: 0x3F81_8000), 0x3F82),
      (Float(bitPattern: 0x3F80_8001), 0x3F81), (Float(bitPattern: 0x0000_0001), 0),
      (Float(bitPattern: 0x807F_FFFF), 0x8000),
      (.infinity, 0x7F80), (.greatestFiniteMagnitude, 0x7F80), (0, 0), (-0.0, 0x8000),
    ]
    for isa in ck_isa.supported {
      let row = Self.rounded(isa, CK_ROWS_BF16, cases.map(\.0), k: cases.count)
      for (i, expected) in cases.enumerated() {
        #expect(UInt16(row[2 * i]) | UInt16(row[2 * i + 1]) << 8 == expected.1, "\(expected.0) on isa \(isa.rawValue)")
      }
    }
  }
}
