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
    let scales = try PackedScales(packed, rows: tensorRows, from: stored.checkpoint, sums: stored.sums)
    let format = source.format
    let rowBytes = packed.levels.shape[1] * 4
    let blockBytes = format.storedRowByteCount(source.columns)
    let panelBytes = format.panelByteCount(columns: source.columns)
    let blocks = AlignedBuffer<UInt8>(count: blockBytes * PackedMatrix.panelRows)
    let chunk = max(1, StoredRows.stagingByteCount / (rowBytes * PackedMatrix.panelRows))
    for start in stride(from: panels.lowerBound, to: panels.upperBound, by: chunk) {
      let part = self.rows(of: start..<min(start + chunk, panels.upperBound), source)
      let range = ((first + part.lowerBound) * rowBytes)..<((first + part.upperBound) * rowBytes)
      let bytes = try stored.read(packed.levels, range, own: .all(range.count)).assumingMemoryBound(to: UInt8.self)
      for row in stride(from: part.lowerBound, to: part.upperBound, by: PackedMatrix.panelRows) {
        let count = min(PackedMatrix.panelRows, part.upperBound - row)
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
    }
  }

  /// Blocks of 32 columns, a scale of two bytes and sixteen of nibbles: in pairs, as they are stored, or the first half
  /// of the columns below the second.
  private func assemble(
    _ packed: PackedIntegers, _ scales: PackedScales, row: Int, _ levels: UnsafePointer<UInt8>, inPairs: Bool,
    into out: UnsafeMutablePointer<UInt8>
  ) {
    for block in 0..<(packed.columns / 32) {
      let bits = scales.bits(row: row, group: block * 32 / packed.groupColumns)
      let (from, to) = (levels + block * 16, out + block * 18)
      to[0] = UInt8(truncatingIfNeeded: bits)
      to[1] = UInt8(truncatingIfNeeded: bits >> 8)
      if inPairs {
        (to + 2).update(from: from, count: 16)
      } else {
        for i in 0..<16 {
          let shift = UInt8(4 * (i & 1))
          to[2 + i] = from[i >> 1] >> shift & 15 | (from[8 + (i >> 1)] >> shift & 15) << 4
        }
      }
    }
  }
}
