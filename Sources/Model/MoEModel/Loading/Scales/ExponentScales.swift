import Checkpoints
import Kernels
import Tensors

/// MXFP4's: E8M0, a power of two for each 32 columns of a row.
struct ExponentScales: StoredScales {
  /// U8 `[rows, columns / 32]`, of several matrices with their number before.
  let entry: TensorEntry

  func tensors(of matrix: MatrixSource) -> [(entry: TensorEntry, byteCount: Int)] {
    [(entry, matrix.rows * (entry.shape.last ?? 1))]
  }

  func read(
    of matrix: MatrixSource, rows: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?
  ) throws -> (any RowScales)? {
    guard let format = matrix.storedFormat, let (range, step) = matrix.tensorRows(rows) else { return nil }
    let perRow = format.blockCount(columns: matrix.columns)
    let bytes = try ScaleRows.read(entry, range, step: step, perRow: perRow, UInt8.self, from: checkpoint, sums: sums)
    if let index = bytes.firstIndex(of: 255) {
      throw ModelError.invalidScale(tensor: entry.name, index: range.lowerBound * perRow + index, value: .nan)
    }
    return ExponentRows(bytes: bytes, firstRow: range.lowerBound, perRow: perRow)
  }
}

/// Exponents of some rows, in memory.
private struct ExponentRows: RowScales {
  /// `[rows, perRow]`
  let bytes: [UInt8]
  let firstRow: Int
  let perRow: Int

  func write(row: Int, lane: Int, to writer: PanelWriter) {
    bytes.withUnsafeBufferPointer {
      writer.setScales(lane: lane, blocks: $0.start + (row - firstRow) * perRow)
    }
  }

  func expand(
    _ format: WeightFormat, _ stored: UnsafeRawPointer, row: Int, columns: Int, into out: UnsafeMutablePointer<Float>
  ) {
    bytes.withUnsafeBufferPointer {
      PanelWriter.expand(format, stored, scales: $0.start + (row - firstRow) * perRow, count: columns, into: out)
    }
  }
}
