import Checkpoints
import Kernels
import Tensors

/// Reads a matrix's rows from a checkpoint through buffers of bounded size, as stored or expanded to fp32, and sums the
/// bytes.
final class StoredRows {
  /// Bytes of rows read at once, so that they are in a second-level cache still when they are summed and packed; a
  /// single panel that is longer needs more.
  static let stagingByteCount = 256 << 10
  /// The same of a tensor of which a worker needs some bytes of each line.
  static let turnedByteCount = 4 << 20
  /// Of rows gathered from a transposed tensor at once, of fp32 or of integers a byte each.
  static let gatheredByteCount = 32 << 20
  let checkpoint: any Checkpoint
  let sums: ReadSums?
  private var staging = AlignedBuffer<UInt8>(count: stagingByteCount)
  private var expanded = AlignedBuffer<Float>(count: 1)
  private var gathered = AlignedBuffer<Float>(count: 1)
  private var ordered = AlignedBuffer<Float>(count: 1)

  init(checkpoint: any Checkpoint, sums: ReadSums?) { (self.checkpoint, self.sums) = (checkpoint, sums) }

  /// The bytes `range` of a tensor, not summed: whoever takes them does that a few rows at a time (`sum`), so that they
  /// come into the first-level cache once. The next call overwrites them.
  func read(_ entry: TensorEntry, _ range: Range<Int>) throws -> UnsafeRawPointer {
    let bytes = room(range.count)
    try checkpoint.read(entry, bytes: range, into: UnsafeMutableRawBufferPointer(start: bytes, count: range.count))
    return UnsafeRawPointer(bytes)
  }

  /// The sum of `count` bytes just read, the first of which is the tensor's byte `offset`; of none where nobody wants
  /// it.
  func sum(_ bytes: UnsafeRawPointer, _ count: Int, at offset: Int) -> TensorSum {
    sums == nil ? TensorSum() : TensorSum(UnsafeRawBufferPointer(start: bytes, count: count), at: offset)
  }

  /// The bytes `range` of a tensor, of which `own` are summed; the next call overwrites them.
  func read(_ entry: TensorEntry, _ range: Range<Int>, own: OwnBytes) throws -> UnsafeRawPointer {
    let bytes = UnsafeMutableRawBufferPointer(start: room(range.count), count: range.count)
    guard let sums, own.isAll(of: range.count) else {
      try checkpoint.read(entry, bytes: range, into: bytes)
      sums?.add(own.sum(of: UnsafeRawBufferPointer(bytes), at: range.lowerBound), of: entry)
      return UnsafeRawPointer(staging.pointer)
    }
    var sum = TensorSum()
    var done = 0
    while done < range.count {
      let part = done..<min(done + Self.stagingByteCount, range.count)
      let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[part])
      try checkpoint.read(
        entry, bytes: (range.lowerBound + part.lowerBound)..<(range.lowerBound + part.upperBound), into: piece)
      sum += TensorSum(UnsafeRawBufferPointer(piece), at: range.lowerBound + part.lowerBound)
      done = part.upperBound
    }
    sums.add(sum, of: entry)
    return UnsafeRawPointer(staging.pointer)
  }

  /// So many bytes of the staging, which the next call hands out again.
  func room(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if staging.count < byteCount { staging = AlignedBuffer(count: byteCount) }
    return UnsafeMutableRawPointer(staging.pointer)
  }

  /// Calls `body` with each of `rows` in order, expanded to fp32, `[columns]`.
  func forEach(
    _ source: MatrixSource, rows: Range<Int>, _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws -> Void
  ) throws {
    guard !rows.isEmpty else { return }
    if let packed = source.packed { return try forEach(source, packed, rows: rows, body) }
    guard let format = source.storedFormat else { return }
    switch source.layout {
    case .rows(let first, let step): try expandRows(source, format, rows, first: first, step: step, body)
    case .columns(let first, let columnStride, let rowStride):
      try gather(source, format, rows, first: first, columnStride: columnStride, rowStride: rowStride, body)
    }
  }

  private func expandRows(
    _ source: MatrixSource, _ format: WeightFormat, _ rows: Range<Int>, first: Int, step: Int,
    _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws -> Void
  ) throws {
    let rowBytes = format.storedRowByteCount(source.columns)
    let scales = try source.rowScales(rows, from: checkpoint, sums: sums)
    if expanded.count < source.columns { expanded = AlignedBuffer(count: source.columns) }
    let chunk = max(1, Self.stagingByteCount / (rowBytes * step))
    var row = rows.lowerBound
    while row < rows.upperBound {
      let end = min(row + chunk, rows.upperBound)
      let firstByte = (first + row * step) * rowBytes
      let range = firstByte..<(firstByte + ((end - row - 1) * step + 1) * rowBytes)
      let bytes =
        step == 1
        ? try read(source.entry, range)
        : try read(
          source.entry, range, own: OwnBytes(count: end - row, runByteCount: rowBytes, stride: step * rowBytes))
      var found = TensorSum()
      for current in row..<end {
        if step == 1, (current - row) % PackedMatrix.panelRows == 0 {
          let place = (current - row) * rowBytes
          found += sum(bytes + place, min(PackedMatrix.panelRows, end - current) * rowBytes, at: firstByte + place)
        }
        scales.expand(
          format, bytes + (current - row) * step * rowBytes, row: first + current * step,
          columns: source.columns, into: expanded.pointer)
        guard let tiles = source.columnTiles else {
          try body(current, expanded.pointer)
          continue
        }
        if ordered.count < source.columns { ordered = AlignedBuffer(count: source.columns) }
        tiles.order(expanded.pointer, into: ordered.pointer)
        try body(current, ordered.pointer)
      }
      sums?.add(found, of: source.entry)
      row = end
    }
  }

  /// Rows that lie in a tensor's columns: some at a time are put together from the whole tensor.
  private func gather(
    _ source: MatrixSource, _ stored: WeightFormat, _ rows: Range<Int>, first: Int, columnStride: Int, rowStride: Int,
    _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws -> Void
  ) throws {
    let scales = try source.rowScales(rows, from: checkpoint, sums: sums)
    let columns = source.columns
    let group = min(rows.count, max(PackedMatrix.panelRows, Self.gatheredByteCount / (columns * 4)))
    if gathered.count < group * columns { gathered = AlignedBuffer(count: group * columns) }
    let stride = stored.storedBytes(ofElements: 0..<columnStride).count
    let chunk = max(1, Self.turnedByteCount / stride)
    var row = rows.lowerBound
    while row < rows.upperBound {
      let count = min(group, rows.upperBound - row)
      let run = source.columnRun(rows: count)
      var column = 0
      while column < columns {
        let width = min(chunk, columns - column)
        let start = first + column * columnStride + row * rowStride
        let elements = (width - 1) * columnStride + run.span
        let bytes = try read(
          source.entry, stored.storedBytes(ofElements: start..<(start + elements)),
          own: run.isOwn
            ? OwnBytes(
              count: width, runByteCount: stored.storedBytes(ofElements: 0..<run.span).count, stride: stride) : .none
        )
        // Of blocks the first may begin before the first element.
        let skipped = stored.isBlocked ? start % stored.blockColumns : 0
        if expanded.count < skipped + elements { expanded = AlignedBuffer(count: skipped + elements) }
        PanelWriter.expand(stored, bytes, count: skipped + elements, into: expanded.pointer)
        // Such a tensor has rows of `columnStride` elements.
        (scales as? any ElementScales)?.multiply(
          expanded.pointer, count: elements, from: start, rowLength: columnStride)
        transpose(
          from: expanded.pointer + skipped, rows: count, columns: width, columnStride: columnStride,
          rowStride: rowStride, to: gathered.pointer + column,
          width: columns)
        column += width
      }
      for i in 0..<count { try body(row + i, gathered.pointer + i * columns) }
      row += count
    }
  }

  private func transpose(
    from: UnsafePointer<Float>, rows: Int, columns: Int, columnStride: Int, rowStride: Int,
    to out: UnsafeMutablePointer<Float>, width: Int
  ) {
    let tile = 16
    for firstRow in stride(from: 0, to: rows, by: tile) {
      let end = min(firstRow + tile, rows)
      for column in 0..<columns {
        for row in firstRow..<end { out[row * width + column] = from[column * columnStride + row * rowStride] }
      }
    }
  }
}
