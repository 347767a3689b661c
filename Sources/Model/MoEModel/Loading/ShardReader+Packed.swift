import Checkpoints
import Kernels
import Tensors

extension ShardReader {
  /// Integers in words, with scales and zeros apart, into panels that hold all in blocks.
  func fillPacked(
    _ source: MatrixSource, _ packed: PackedIntegers, _ panels: Range<Int>, _ memory: UnsafeMutableRawPointer
  ) throws {
    guard case .rows(let first, _) = source.layout, !panels.isEmpty else { return }
    let rows = rows(of: panels, source)
    let tensorRows = (first + rows.lowerBound)..<(first + rows.upperBound)
    let scales = try PackedScales(
      packed, rows: tensorRows, isCounted: true, from: stored.checkpoint, sums: stored.sums)
    let blocks = PackedBlocks(source.format, packed, scales, columns: source.columns)
    let panelBytes = source.format.panelByteCount(columns: source.columns)
    func write(panel: Int, rowCount: Int) {
      PanelWriter(
        format: source.format, columns: source.columns, panel: memory + (panel - panels.lowerBound) * panelBytes
      ).write(rows: blocks.rows, rowStride: blocks.rowByteCount, rowCount: rowCount)
    }
    guard packed.packing == .compressedTensors else {
      return try stored.forEachLevels(packed, rows: tensorRows, isCounted: true) { row, levels in
        let lane = (row - first) % PackedMatrix.panelRows
        blocks.assemble(row: row, levels: levels, lane: lane)
        guard lane == PackedMatrix.panelRows - 1 || row == tensorRows.upperBound - 1 else { return }
        write(panel: (row - first) / PackedMatrix.panelRows, rowCount: lane + 1)
      }
    }
    let rowBytes = packed.levels.shape[1] * 4
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
          blocks.assemble(
            row: first + row + lane, pairs: bytes + (row + lane - part.lowerBound) * rowBytes, lane: lane)
        }
        write(panel: row / PackedMatrix.panelRows, rowCount: count)
      }
      stored.sums?.add(sum, of: packed.levels)
    }
  }
}
