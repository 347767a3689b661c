import Checkpoints
import Kernels
import Tensors

/// Reads runs of a matrix's panels from a checkpoint, one worker's share, through a bounded staging buffer.
struct ShardReader {
  /// Bytes read at once; a single panel of very long rows may need more.
  private static let stagingByteCount = 4 << 20
  private let folder: CheckpointFolder
  private var staging = AlignedBuffer<UInt8>(count: stagingByteCount)
  private var expanded = AlignedBuffer<Float>(count: 1)

  init(folder: CheckpointFolder) { self.folder = folder }

  /// Fills `panels` of the matrix at `memory`, which holds just those.
  mutating func fill(_ source: MatrixSource, panels: Range<Int>, into memory: UnsafeMutableRawPointer) throws {
    switch source.layout {
    case .rows(let first, let step): try fillRows(source, panels, memory, first: first, step: step)
    case .columns(let first, let columnStride, let rowStride):
      try fillColumns(source, panels, memory, first: first, columnStride: columnStride, rowStride: rowStride)
    }
  }

  private mutating func read(_ entry: TensorEntry, _ range: Range<Int>) throws -> UnsafeRawPointer {
    if staging.count < range.count { staging = AlignedBuffer(count: range.count) }
    try folder.read(entry, bytes: range, into: UnsafeMutableRawBufferPointer(start: staging.pointer, count: range.count))
    return UnsafeRawPointer(staging.pointer)
  }

  private mutating func fillRows(
    _ source: MatrixSource, _ panels: Range<Int>, _ memory: UnsafeMutableRawPointer, first: Int, step: Int
  ) throws {
    let rowBytes = source.storedFormat.storedByteCount(source.columns)
    let panelBytes = source.format.panelByteCount(columns: source.columns)
    let scales = try scaleTable(source)
    let chunk = max(1, Self.stagingByteCount / (rowBytes * step * PackedMatrix.panelRows))
    var panel = panels.lowerBound
    while panel < panels.upperBound {
      let end = min(panel + chunk, panels.upperBound)
      let rows = (panel * PackedMatrix.panelRows)..<min(end * PackedMatrix.panelRows, source.rows)
      let firstByte = (first + rows.lowerBound * step) * rowBytes
      let bytes = try read(source.entry, firstByte..<(firstByte + ((rows.count - 1) * step + 1) * rowBytes))
      for current in panel..<end {
        let row = current * PackedMatrix.panelRows
        let writer = PanelWriter(
          format: source.format, columns: source.columns, panel: memory + (current - panels.lowerBound) * panelBytes)
        let count = min(PackedMatrix.panelRows, source.rows - row)
        writer.write(
          rows: bytes + (row - rows.lowerBound) * step * rowBytes, rowStride: step * rowBytes, rowCount: count)
        for lane in 0..<count { scales.write(row: first + (row + lane) * step, lane: lane, to: writer) }
      }
      panel = end
    }
  }

  /// A worker's rows are strewn over the whole of such a matrix: each worker reads all of it and takes its own.
  private mutating func fillColumns(
    _ source: MatrixSource, _ panels: Range<Int>, _ memory: UnsafeMutableRawPointer, first: Int, columnStride: Int,
    rowStride: Int
  ) throws {
    let stored = source.storedFormat
    let scales = try scaleTable(source)
    let elementBytes = stored.storedByteCount(1)
    let panelBytes = source.format.panelByteCount(columns: source.columns)
    let rows = (panels.lowerBound * PackedMatrix.panelRows)..<min(panels.upperBound * PackedMatrix.panelRows, source.rows)
    let span = (rows.count - 1) * rowStride + 1
    let chunk = max(1, Self.stagingByteCount / (columnStride * elementBytes))
    var column = 0
    while column < source.columns {
      let count = min(chunk, source.columns - column)
      let start = first + column * columnStride + rows.lowerBound * rowStride
      let elements = (count - 1) * columnStride + span
      var bytes = try read(source.entry, (start * elementBytes)..<((start + elements) * elementBytes))
      var stride = elementBytes
      if stored == .float8 {
        bytes = expand(bytes, firstElement: start, count: elements, width: columnStride, scales: scales)
        stride = MemoryLayout<Float>.stride
      }
      for current in panels {
        let row = current * PackedMatrix.panelRows
        PanelWriter(
          format: source.format, columns: source.columns, panel: memory + (current - panels.lowerBound) * panelBytes
        ).write(
          transposed: bytes + (row - rows.lowerBound) * rowStride * stride, columnStride: columnStride * stride,
          elementStride: rowStride * stride, rowCount: min(PackedMatrix.panelRows, source.rows - row), firstColumn: column,
          columnCount: count)
      }
      column += count
    }
  }

  /// fp32 values of FP8 elements of a tensor with rows of `width`.
  private mutating func expand(_ bytes: UnsafeRawPointer, firstElement: Int, count: Int, width: Int, scales: ScaleTable)
    -> UnsafeRawPointer
  {
    if expanded.count < count { expanded = AlignedBuffer(count: count) }
    PanelWriter.expand(.float8, bytes, count: count, into: expanded.pointer)
    for i in 0..<count {
      let element = firstElement + i
      expanded.pointer[i] *= scales.block(row: element / width, column: element % width)
    }
    return UnsafeRawPointer(expanded.pointer)
  }

  private func scaleTable(_ source: MatrixSource) throws -> ScaleTable {
    switch source.scales {
    case .none: return .none
    case .blocks(let entry):
      let values = try folder.float32s(entry, finite: false)
      if let index = values.firstIndex(where: { !$0.isFinite }) {
        throw ModelError.invalidScale(tensor: entry.name, index: index, value: values[index])
      }
      return .blocks(values, perRow: entry.shape[1])
    case .exponents(let entry):
      guard case .rows(let first, let step) = source.layout else { return .none }
      let perRow = source.columns / 32
      let range = (first * perRow)..<((first + (source.rows - 1) * step + 1) * perRow)
      var bytes = [UInt8](repeating: 0, count: range.count)
      try bytes.withUnsafeMutableBytes { try folder.read(entry, bytes: range, into: $0) }
      if let index = bytes.firstIndex(of: 255) {
        throw ModelError.invalidScale(tensor: entry.name, index: range.lowerBound + index, value: .nan)
      }
      return .exponents(bytes, firstRow: first, perRow: perRow)
    }
  }
}

/// A tensor's scales in memory, looked up by the tensor's own rows and columns.
private enum ScaleTable {
  case none
  case blocks([Float], perRow: Int)
  case exponents([UInt8], firstRow: Int, perRow: Int)

  func block(row: Int, column: Int) -> Float {
    guard case .blocks(let values, let perRow) = self else { return 1 }
    return values[row / 128 * perRow + column / 128]
  }

  func write(row: Int, lane: Int, to writer: PanelWriter) {
    switch self {
    case .none: break
    case .blocks(let values, let perRow):
      for block in 0..<perRow { writer.setScale(block: block, lane: lane, values[row / 128 * perRow + block]) }
    case .exponents(let bytes, let firstRow, let perRow):
      for block in 0..<perRow {
        writer.setScale(block: block, lane: lane, exponent: bytes[(row - firstRow) * perRow + block])
      }
    }
  }
}
