import Checkpoints
import Glibc
import Kernels

/// Fills runs of a matrix's panels from a checkpoint, one worker's share: as stored, or each row rounded once from its
/// exact fp32 values.
struct ShardReader {
  let stored: StoredRows
  private var rounding: PanelStaging?

  init(checkpoint: any Checkpoint, sums: ReadSums) { stored = StoredRows(checkpoint: checkpoint, sums: sums) }

  /// Fills `panels` of the matrix at `memory`, which holds just those.
  mutating func fill(_ source: MatrixSource, panels: Range<Int>, into memory: UnsafeMutableRawPointer) throws {
    guard source.format == source.storedFormat, source.columnTiles == nil else {
      return try fillRounded(source, panels, memory)
    }
    if let packed = source.packed { return try fillPacked(source, packed, panels, memory) }
    switch source.layout {
    case .rows(let first, let step): try fillRows(source, panels, memory, first: first, step: step)
    case .columns(let first, let columnStride, let rowStride):
      try fillColumns(source, panels, memory, first: first, columnStride: columnStride, rowStride: rowStride)
    }
  }

  func rows(of panels: Range<Int>, _ source: MatrixSource) -> Range<Int> {
    (panels.lowerBound * PackedMatrix.panelRows)..<min(panels.upperBound * PackedMatrix.panelRows, source.rows)
  }

  private mutating func fillRounded(
    _ source: MatrixSource, _ panels: Range<Int>, _ memory: UnsafeMutableRawPointer
  ) throws {
    let staging: PanelStaging
    if let rounding, rounding.format == source.format, rounding.columns == source.columns {
      staging = rounding
    } else {
      staging = PanelStaging(format: source.format, columns: source.columns)
      rounding = staging
    }
    let panelBytes = source.format.panelByteCount(columns: source.columns)
    let rows = rows(of: panels, source)
    try stored.forEach(source, rows: rows) { row, values in
      let lane = row % PackedMatrix.panelRows
      guard staging.set(lane: lane, values) else { throw ModelError.notFinite(tensor: source.entry.name, row: row) }
      guard lane == PackedMatrix.panelRows - 1 || row == rows.upperBound - 1 else { return }
      staging.write(rowCount: lane + 1, to: memory + (row / PackedMatrix.panelRows - panels.lowerBound) * panelBytes)
    }
  }

  private func fillRows(
    _ source: MatrixSource, _ panels: Range<Int>, _ memory: UnsafeMutableRawPointer, first: Int, step: Int
  ) throws {
    let rowBytes = source.format.storedRowByteCount(source.columns)
    let panelBytes = source.format.panelByteCount(columns: source.columns)
    let scales = try source.rowScales(rows(of: panels, source), from: stored.checkpoint, sums: stored.sums)
    let chunk = max(1, StoredRows.stagingByteCount / (rowBytes * step * PackedMatrix.panelRows))
    var panel = panels.lowerBound
    while panel < panels.upperBound {
      let end = min(panel + chunk, panels.upperBound)
      let rows = rows(of: panel..<end, source)
      let firstByte = (first + rows.lowerBound * step) * rowBytes
      let byteCount = ((rows.count - 1) * step + 1) * rowBytes
      let range = firstByte..<(firstByte + byteCount)
      let bytes =
        step == 1
        ? try stored.read(source.entry, range)
        : try stored.read(
          source.entry, range, own: OwnBytes(count: rows.count, runByteCount: rowBytes, stride: step * rowBytes))
      var sum = TensorSum()
      for current in panel..<end {
        let row = current * PackedMatrix.panelRows
        let place = (row - rows.lowerBound) * step * rowBytes
        let panelByteCount = ((min(PackedMatrix.panelRows, source.rows - row) - 1) * step + 1) * rowBytes
        // First of all, as it brings the panel's bytes into the first-level cache in order.
        if step == 1 { sum += stored.sum(bytes + place, panelByteCount, at: firstByte + place) }
        if let invalid = source.format.invalidByte, memchr(bytes + place, Int32(invalid), panelByteCount) != nil {
          throw ModelError.invalidLevel(tensor: source.entry.name)
        }
        let writer = PanelWriter(
          format: source.format, columns: source.columns, panel: memory + (current - panels.lowerBound) * panelBytes)
        let count = min(PackedMatrix.panelRows, source.rows - row)
        for own in row..<(row + count) {
          let stored = bytes + (own - rows.lowerBound) * step * rowBytes
          guard source.format.scalesAreFinite(stored, columns: source.columns) else {
            throw ModelError.invalidBlockScale(tensor: source.entry.name, row: own)
          }
        }
        writer.write(
          rows: bytes + (row - rows.lowerBound) * step * rowBytes, rowStride: step * rowBytes, rowCount: count)
        for lane in 0..<count { scales.write(row: first + (row + lane) * step, lane: lane, to: writer) }
      }
      stored.sums?.add(sum, of: source.entry)
      panel = end
    }
  }

  /// A worker's rows are strewn over the whole of such a matrix: it takes their part of each line, which is a column.
  private func fillColumns(
    _ source: MatrixSource, _ panels: Range<Int>, _ memory: UnsafeMutableRawPointer, first: Int, columnStride: Int,
    rowStride: Int
  ) throws {
    let elementBytes = source.format.storedRowByteCount(1)
    let panelBytes = source.format.panelByteCount(columns: source.columns)
    let rows = rows(of: panels, source)
    let run = source.columnRun(rows: rows.count)
    let (firstLine, offset) = (first / columnStride, first % columnStride + rows.lowerBound * rowStride)
    let wanted = (offset * elementBytes)..<((offset + run.span) * elementBytes)
    let strip = TensorStrip(
      source.entry, lineByteCount: columnStride * elementBytes, bytes: wanted,
      own: run.isOwn ? wanted : wanted.upperBound..<wanted.upperBound)
    // Columns go into panels in pairs.
    let chunk = max(2, StoredRows.turnedByteCount / max(1, strip.stride) & ~1)
    var column = 0
    while column < source.columns {
      let count = min(chunk, source.columns - column)
      let bytes = stored.room(strip.byteCount(lines: count))
      let lines = (firstLine + column)..<(firstLine + column + count)
      try strip.read(lines, from: stored.checkpoint, sums: stored.sums, into: bytes)
      for current in panels {
        let row = current * PackedMatrix.panelRows
        PanelWriter(
          format: source.format, columns: source.columns, panel: memory + (current - panels.lowerBound) * panelBytes
        ).write(
          transposed: bytes + (row - rows.lowerBound) * rowStride * elementBytes, columnStride: strip.stride,
          elementStride: rowStride * elementBytes, rowCount: min(PackedMatrix.panelRows, source.rows - row),
          firstColumn: column, columnCount: count)
      }
      column += count
    }
  }
}
