import Checkpoints
import Kernels
import Tensors

extension ShardReader {
  /// Integers in words along rows, with scales apart, into panels that hold both in blocks.
  func fillPacked(
    _ source: MatrixSource, _ packed: PackedIntegers, _ panels: Range<Int>, _ memory: UnsafeMutableRawPointer
  ) throws {
    guard case .rows(let first, _) = source.layout, !panels.isEmpty else { return }
    let rows = rows(of: panels, source)
    let tensorRows = (first + rows.lowerBound)..<(first + rows.upperBound)
    let scales = try PackedScales(
      packed, rows: tensorRows, isCounted: true, from: stored.checkpoint, sums: stored.sums)
    let format = source.format
    let rowBytes = packed.levels.shape[1] * 4
    let blockBytes = format.storedRowByteCount(source.columns)
    let panelBytes = format.panelByteCount(columns: source.columns)
    let blocks = AlignedBuffer<UInt8>(count: blockBytes * PackedMatrix.panelRows)
    let chunk = max(1, StoredRows.stagingByteCount / (rowBytes * PackedMatrix.panelRows))
    for start in stride(from: panels.lowerBound, to: panels.upperBound, by: chunk) {
      let part = self.rows(of: start..<min(start + chunk, panels.upperBound), source)
      let range = ((first + part.lowerBound) * rowBytes)..<((first + part.upperBound) * rowBytes)
      let bytes = try stored.read(packed.levels, range).assumingMemoryBound(to: UInt8.self)
      var sum = TensorSum()
      for row in stride(from: part.lowerBound, to: part.upperBound, by: PackedMatrix.panelRows) {
        let count = min(PackedMatrix.panelRows, part.upperBound - row)
        let place = (row - part.lowerBound) * rowBytes
        sum += stored.sum(bytes + place, count * rowBytes, at: range.lowerBound + place)
        for lane in 0..<count {
          assemble(
            packed, scales, row: first + row + lane, bytes + (row + lane - part.lowerBound) * rowBytes,
            inPairs: format == .int4, into: blocks.pointer + lane * blockBytes)
        }
        PanelWriter(
          format: format, columns: source.columns,
          panel: memory + (row / PackedMatrix.panelRows - panels.lowerBound) * panelBytes
        ).write(rows: blocks.pointer, rowStride: blockBytes, rowCount: count)
      }
      stored.sums?.add(sum, of: packed.levels)
    }
  }

  /// Blocks of 32 columns, a scale of two bytes and sixteen of nibbles: in pairs, as they are stored, or the first half
  /// of the columns below the second.
  private func assemble(
    _ packed: PackedIntegers, _ scales: PackedScales, row: Int, _ levels: UnsafePointer<UInt8>, inPairs: Bool,
    into out: UnsafeMutablePointer<UInt8>
  ) {
    var (from, to) = (UnsafeRawPointer(levels), UnsafeMutableRawPointer(out))
    for group in 0..<packed.groupCount {
      let bits = scales.bits(row: row, group: group).littleEndian
      for _ in 0..<(packed.groupColumns / 32) {
        to.storeBytes(of: bits, as: UInt16.self)
        if inPairs {
          (to + 2).copyMemory(from: from, byteCount: 16)
        } else {
          for half in 0..<2 {
            let low = Self.nibbles(from.loadUnaligned(fromByteOffset: 4 * half, as: UInt32.self))
            let high = Self.nibbles(from.loadUnaligned(fromByteOffset: 8 + 4 * half, as: UInt32.self))
            to.storeBytes(of: low | high << 4, toByteOffset: 2 + 8 * half, as: UInt64.self)
          }
        }
        (from, to) = (from + 16, to + 18)
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
