import Checkpoints
import Kernels

/// A tensor's scales in memory, looked up by the tensor's own rows and columns.
enum ScaleTable {
  case none
  /// Rows of the grid from `firstRow` on.
  case blocks([Float], ScaleGrid, firstRow: Int)
  case exponents([UInt8], firstRow: Int, perRow: Int)
  case levels(blocks: [UInt8], rows: [Float], firstRow: Int, perRow: Int)

  /// Reads the scales of `rows`, counted in the matrix; throws when one is not finite or less than zero.
  init(_ source: MatrixSource, rows: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?) throws {
    switch source.scales {
    case .none, .packed: self = .none
    case .blocks(let grid):
      guard !rows.isEmpty else {
        self = .none
        return
      }
      var gridRows = 0..<grid.rows
      if case .rows(let first, let step) = source.layout {
        let range = Self.tensorRows(rows, first: first, step: step)
        gridRows = grid.gridRow(ofRow: range.lowerBound)..<(grid.gridRow(ofRow: range.upperBound - 1) + 1)
      }
      let values = try grid.values(gridRows, from: checkpoint, sums: sums)
      try Self.check(values, grid.entry.name, from: gridRows.lowerBound * grid.columns) { $0.isFinite }
      self = .blocks(values, grid, firstRow: gridRows.lowerBound)
    case .exponents(let entry):
      guard case .rows(let first, let step) = source.layout, !rows.isEmpty else {
        self = .none
        return
      }
      let range = Self.tensorRows(rows, first: first, step: step)
      let perRow = Self.blockCount(of: source)
      let bytes = try Self.read(entry, range, step, perRow, UInt8.self, checkpoint, sums)
      if let index = bytes.firstIndex(of: 255) {
        throw ModelError.invalidScale(tensor: entry.name, index: range.lowerBound * perRow + index, value: .nan)
      }
      self = .exponents(bytes, firstRow: range.lowerBound, perRow: perRow)
    case .levels(let blocks, let rowScales):
      guard case .rows(let first, let step) = source.layout, !rows.isEmpty else {
        self = .none
        return
      }
      let range = Self.tensorRows(rows, first: first, step: step)
      let perRow = Self.blockCount(of: source)
      let values = try Self.read(rowScales, range, step, 1, Float.self, checkpoint, sums)
      try Self.check(values, rowScales.name, from: range.lowerBound) { $0.isFinite && $0 >= 0 }
      self = .levels(
        blocks: try Self.read(blocks, range, step, perRow, UInt8.self, checkpoint, sums), rows: values,
        firstRow: range.lowerBound,
        perRow: perRow)
    }
  }

  private static func blockCount(of source: MatrixSource) -> Int {
    source.storedFormat?.blockCount(columns: source.columns) ?? 0
  }

  private static func tensorRows(_ rows: Range<Int>, first: Int, step: Int) -> Range<Int> {
    (first + rows.lowerBound * step)..<(first + (rows.upperBound - 1) * step + 1)
  }

  /// The scales of `rows`, of which every `step`-th is the matrix's own.
  private static func read<Value: BitwiseCopyable & ExpressibleByIntegerLiteral>(
    _ entry: TensorEntry, _ rows: Range<Int>, _ step: Int, _ perRow: Int, _ type: Value.Type,
    _ checkpoint: any Checkpoint,
    _ sums: ReadSums?
  ) throws -> [Value] {
    var values = [Value](repeating: 0, count: rows.count * perRow)
    let rowBytes = perRow * MemoryLayout<Value>.stride
    try values.withUnsafeMutableBytes {
      try checkpoint.read(entry, bytes: (rows.lowerBound * rowBytes)..<(rows.upperBound * rowBytes), into: $0)
      let own = OwnBytes(count: (rows.count - 1) / step + 1, runByteCount: rowBytes, stride: step * rowBytes)
      sums?.add(own.sum(of: UnsafeRawBufferPointer($0), at: rows.lowerBound * rowBytes), of: entry)
    }
    return values
  }

  private static func check(
    _ values: [Float], _ tensor: String, from first: Int = 0, _ isGood: (Float) -> Bool
  ) throws {
    guard let index = values.firstIndex(where: { !isGood($0) }) else { return }
    throw ModelError.invalidScale(tensor: tensor, index: first + index, value: values[index])
  }

  /// The FP8 scale of an element.
  func block(row: Int, column: Int) -> Float {
    guard case .blocks(let values, let grid, let firstRow) = self else { return 1 }
    return values[(grid.gridRow(ofRow: row) - firstRow) * grid.columns + column / grid.columnBlock]
  }

  /// Writes the scales of the tensor's row `row` to a panel's lane.
  func write(row: Int, lane: Int, to writer: PanelWriter) {
    switch self {
    case .none: break
    case .blocks(let values, let grid, let firstRow):
      let first = (grid.gridRow(ofRow: row) - firstRow) * grid.columns
      let count = writer.format.blockCount(columns: writer.columns)
      withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { scales in
        for block in 0..<count {
          scales[block] = values[first + block * writer.format.scaleColumns / grid.columnBlock]
        }
        if let blocks = scales.baseAddress { writer.setScales(lane: lane, blocks: blocks) }
      }
    case .exponents(let bytes, let firstRow, let perRow):
      bytes.withUnsafeBufferPointer {
        writer.setScales(lane: lane, blocks: $0.baseAddress! + (row - firstRow) * perRow)
      }
    case .levels(let blocks, let rows, let firstRow, let perRow):
      blocks.withUnsafeBufferPointer {
        writer.setScales(lane: lane, blocks: $0.baseAddress! + (row - firstRow) * perRow, row: rows[row - firstRow])
      }
    }
  }

  /// Expands the tensor's row `row`, stored at `bytes`, to `columns` fp32 values.
  func expand(
    _ format: WeightFormat, _ bytes: UnsafeRawPointer, row: Int, columns: Int, into out: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .none: PanelWriter.expand(format, bytes, count: columns, into: out)
    case .blocks(let values, let grid, let firstRow):
      let first = (grid.gridRow(ofRow: row) - firstRow) * grid.columns
      if grid.columnBlock == format.scaleColumns {
        return values.withUnsafeBufferPointer {
          PanelWriter.expand(format, bytes, scales: $0.baseAddress! + first, count: columns, into: out)
        }
      }
      PanelWriter.expand(format, bytes, count: columns, into: out)
      for block in 0..<grid.columns {
        let scale = values[first + block]
        for column in (block * grid.columnBlock)..<min((block + 1) * grid.columnBlock, columns) { out[column] *= scale }
      }
    case .exponents(let exponents, let firstRow, let perRow):
      exponents.withUnsafeBufferPointer {
        PanelWriter.expand(
          format, bytes, scales: $0.baseAddress! + (row - firstRow) * perRow, count: columns, into: out)
      }
    case .levels: preconditionFailure("quantised weights are held as stored")
    }
  }
}
