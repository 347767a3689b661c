import Kernels
import Tensors

/// A panel's rows of blocks of 32 columns, as `PanelWriter` takes them, put together from integers and scales that lie
/// apart: a scale of two bytes, a zero's byte where there are zeros, and sixteen of nibbles.
struct PackedBlocks {
  let rowByteCount: Int
  private let packed: PackedIntegers
  private let scales: PackedScales
  /// Whether nibbles are in pairs, as compressed-tensors has them, or the first half of the columns below the second.
  private let inPairs: Bool
  private let blocks: AlignedBuffer<UInt8>
  /// A row's integers in pairs.
  private let pairs: AlignedBuffer<UInt8>

  init(_ format: WeightFormat, _ packed: PackedIntegers, _ scales: PackedScales, columns: Int) {
    rowByteCount = format.storedRowByteCount(columns)
    (self.packed, self.scales) = (packed, scales)
    inPairs = format == .int4 || packed.zeros != nil
    blocks = AlignedBuffer(count: rowByteCount * PackedMatrix.panelRows)
    pairs = AlignedBuffer(count: columns / 2)
  }

  /// Row after row, of blocks.
  var rows: UnsafeMutablePointer<UInt8> { blocks.pointer }

  /// The tensor's row `row`, of which each integer is a byte.
  func assemble(row: Int, levels: UnsafePointer<UInt8>, lane: Int) {
    let pairs = pairs.pointer
    for index in 0..<(packed.columns / 2) { pairs[index] = levels[2 * index] | levels[2 * index + 1] << 4 }
    assemble(row: row, pairs: pairs, lane: lane)
  }

  /// The tensor's row `row`, of which two integers are a byte, the first its low half.
  func assemble(row: Int, pairs: UnsafePointer<UInt8>, lane: Int) {
    var (from, to) = (UnsafeRawPointer(pairs), UnsafeMutableRawPointer(rows + lane * rowByteCount))
    for group in 0..<packed.groupCount {
      let bits = scales.bits(row: row, group: group).littleEndian
      let zero = UInt8(truncatingIfNeeded: scales.zero(row: row, group: group))
      for _ in 0..<(packed.groupColumns / 32) {
        to.storeBytes(of: bits, as: UInt16.self)
        to += 2
        if packed.zeros != nil {
          to.storeBytes(of: zero, as: UInt8.self)
          to += 1
        }
        if inPairs {
          to.copyMemory(from: from, byteCount: 16)
        } else {
          for half in 0..<2 {
            let low = Self.nibbles(from.loadUnaligned(fromByteOffset: 4 * half, as: UInt32.self))
            let high = Self.nibbles(from.loadUnaligned(fromByteOffset: 8 + 4 * half, as: UInt32.self))
            to.storeBytes(of: low | high << 4, toByteOffset: 8 * half, as: UInt64.self)
          }
        }
        (from, to) = (from + 16, to + 16)
      }
    }
  }

  /// Eight nibbles, the lowest first, each as a byte.
  private static func nibbles(_ word: UInt32) -> UInt64 {
    var spread = UInt64(word)
    spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
    spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
    return (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F
  }
}
