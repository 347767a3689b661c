import Checkpoints
import Kernels
import Tensors

/// Those of Q8 and Q4: a byte for each 64 columns of a row, and fp32, one for each row.
struct LevelScales: StoredScales {
  /// U8 `[rows, columns / 64]`, of several matrices with their number before.
  let blocks: TensorEntry
  /// F32 `[rows]`, likewise.
  let rows: TensorEntry

  func tensors(of matrix: MatrixSource) -> [(entry: TensorEntry, byteCount: Int)] {
    [(blocks, matrix.rows * (blocks.shape.last ?? 1)), (rows, matrix.rows * 4)]
  }

  func read(
    of matrix: MatrixSource, rows own: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?
  ) throws -> (any RowScales)? {
    guard let format = matrix.storedFormat, let (range, step) = matrix.tensorRows(own) else { return nil }
    let perRow = format.blockCount(columns: matrix.columns)
    let values = try ScaleRows.read(rows, range, step: step, perRow: 1, Float.self, from: checkpoint, sums: sums)
    try ScaleRows.check(values, rows.name, from: range.lowerBound) { $0.isFinite && $0 >= 0 }
    return LevelRows(
      blocks: try ScaleRows.read(
        blocks, range, step: step, perRow: perRow, UInt8.self, from: checkpoint, sums: sums),
      rows: values, firstRow: range.lowerBound, perRow: perRow)
  }
}

/// Scales of blocks and rows, in memory.
private struct LevelRows: RowScales {
  /// `[rows, perRow]`
  let blocks: [UInt8]
  /// `[rows]`
  let rows: [Float]
  let firstRow: Int
  let perRow: Int

  func write(row: Int, lane: Int, to writer: PanelWriter) {
    blocks.withUnsafeBufferPointer {
      writer.setScales(lane: lane, blocks: $0.start + (row - firstRow) * perRow, row: rows[row - firstRow])
    }
  }

  func expand(
    _ format: WeightFormat, _ bytes: UnsafeRawPointer, row: Int, columns: Int, into out: UnsafeMutablePointer<Float>
  ) {
    preconditionFailure("quantised weights are held as stored")
  }
}
