import Checkpoints
import Kernels
import Tensors

/// FP8's: a scale for each block of some rows and columns.
extension ScaleGrid: StoredScales {
  func tensors(of matrix: MatrixSource) -> [(entry: TensorEntry, byteCount: Int)] {
    entries.map { ($0, matrix.scaleShare(of: $0)) }
  }

  func read(
    of matrix: MatrixSource, rows: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?
  ) throws -> (any RowScales)? {
    // Whatever is turned may need all of them.
    var gridRows = 0..<self.rows
    if let range = matrix.tensorRows(rows)?.rows {
      gridRows = gridRow(ofRow: range.lowerBound)..<(gridRow(ofRow: range.upperBound - 1) + 1)
    }
    let values = try values(gridRows, from: checkpoint, sums: sums)
    try ScaleRows.check(values, entry.name, from: gridRows.lowerBound * columns) { $0.isFinite }
    return GridRows(grid: self, values: values, firstRow: gridRows.lowerBound)
  }

  var mayBeTurned: Bool { true }

  func fit(panelsOf format: WeightFormat?, columns width: Int) -> Bool {
    guard let format else { return false }
    return columnBlock % format.scaleColumns == 0 || columnBlock >= width
  }

  /// bf16 where that is exact.
  var substitute: (weights: WeightFormat, rows: RowFormat) {
    arePowersOfTwo ? (.bfloat16, .float32) : (.float32, .float32)
  }
}

/// Rows of a grid of scales, in memory.
struct GridRows: ElementScales {
  let grid: ScaleGrid
  /// `[grid rows, grid.columns]`, from the grid's row `firstRow` on.
  let values: [Float]
  let firstRow: Int

  /// Where the scales of a tensor's row begin.
  private func start(ofRow row: Int) -> Int { (grid.gridRow(ofRow: row) - firstRow) * grid.columns }

  func write(row: Int, lane: Int, to writer: PanelWriter) {
    let first = start(ofRow: row)
    let count = writer.format.blockCount(columns: writer.columns)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { scales in
      for block in 0..<count {
        scales[block] = values[first + block * writer.format.scaleColumns / grid.columnBlock]
      }
      if let blocks = scales.baseAddress { writer.setScales(lane: lane, blocks: blocks) }
    }
  }

  func expand(
    _ format: WeightFormat, _ bytes: UnsafeRawPointer, row: Int, columns: Int, into out: UnsafeMutablePointer<Float>
  ) {
    let first = start(ofRow: row)
    if grid.columnBlock == format.scaleColumns {
      return values.withUnsafeBufferPointer {
        PanelWriter.expand(format, bytes, scales: $0.start + first, count: columns, into: out)
      }
    }
    PanelWriter.expand(format, bytes, count: columns, into: out)
    for block in 0..<grid.columns {
      let scale = values[first + block]
      for column in (block * grid.columnBlock)..<min((block + 1) * grid.columnBlock, columns) { out[column] *= scale }
    }
  }

  func multiply(_ elements: UnsafeMutablePointer<Float>, count: Int, from first: Int, rowLength: Int) {
    for i in 0..<count {
      let (row, column) = ((first + i) / rowLength, (first + i) % rowLength)
      elements[i] *= values[start(ofRow: row) + column / grid.columnBlock]
    }
  }
}
