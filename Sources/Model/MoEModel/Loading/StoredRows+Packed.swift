import Checkpoints
import Kernels
import Tensors

extension StoredRows {
  /// Calls `body` with each of `rows` of a matrix of packed integers in order, expanded to fp32, `[columns]`.
  func forEach(
    _ source: MatrixSource, _ packed: PackedIntegers, rows: Range<Int>,
    _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws -> Void
  ) throws {
    switch source.layout {
    case .rows(let first, let step):
      let tensorRows = (first + rows.lowerBound * step)..<(first + (rows.upperBound - 1) * step + 1)
      try expand(packed, rows: tensorRows) { row, values in
        if (row - first) % step == 0 { try body((row - first) / step, values) }
      }
    case .columns(let first, let columnStride, let rowStride):
      // A row of the tensor is a column of the matrix.
      let (firstRow, offset) = (first / columnStride, first % columnStride)
      let columns = source.columns
      let turned = AlignedBuffer<Float>(count: rows.count * columns)
      try expand(packed, rows: firstRow..<(firstRow + columns)) { row, values in
        for i in rows {
          turned.pointer[(i - rows.lowerBound) * columns + row - firstRow] = values[offset + i * rowStride]
        }
      }
      for i in rows { try body(i, turned.pointer + (i - rows.lowerBound) * columns) }
    }
  }

  /// Some rows of the tensor that it would be unpacked.
  private func expand(
    _ packed: PackedIntegers, rows: Range<Int>, _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws -> Void
  ) throws {
    let scales = try PackedScales(packed, rows: rows, from: checkpoint, sums: sums)
    if packed.packing == .compressedTensors {
      try expandWordsOfRows(packed, scales, rows, body)
    } else {
      try gatherWords(packed, scales, rows, body)
    }
  }

  /// Words that lie along a row.
  private func expandWordsOfRows(
    _ packed: PackedIntegers, _ scales: PackedScales, _ rows: Range<Int>,
    _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws -> Void
  ) throws {
    let rowBytes = packed.levels.shape[1] * 4
    let chunk = max(1, Self.stagingByteCount / rowBytes)
    let values = AlignedBuffer<Float>(count: packed.columns)
    var row = rows.lowerBound
    while row < rows.upperBound {
      let end = min(row + chunk, rows.upperBound)
      let range = (row * rowBytes)..<(end * rowBytes)
      let bytes = try read(packed.levels, range, own: .all(range.count)).assumingMemoryBound(to: UInt8.self)
      for current in row..<end {
        let from = bytes + (current - row) * rowBytes
        for group in 0..<packed.groupCount {
          let (scale, zero) = (scales.scale(row: current, group: group), scales.zero(row: current, group: group))
          let columns = (group * packed.groupColumns)..<((group + 1) * packed.groupColumns)
          if packed.bits == 8 {
            for column in columns { values.pointer[column] = Float(Int32(from[column]) - zero) * scale }
          } else {
            for column in columns {
              let level = Int32(from[column >> 1] >> UInt8(4 * (column & 1)) & 15)
              values.pointer[column] = Float(level - zero) * scale
            }
          }
        }
        try body(current, values.pointer)
      }
      row = end
    }
  }

  /// Words that lie across rows, or along columns: some rows at a time are put together from the whole tensor, which
  /// others read, too.
  private func gatherWords(
    _ packed: PackedIntegers, _ scales: PackedScales, _ rows: Range<Int>,
    _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws -> Void
  ) throws {
    sums?.noteWhole(packed.levels) { wholeSum(packed.levels) }
    let columns = packed.columns
    let group = min(rows.count, max(PackedMatrix.panelRows, Self.gatheredByteCount / (columns * 4)))
    let gathered = AlignedBuffer<Float>(count: group * columns)
    let lineWords = packed.levels.shape[1]
    let chunk = max(1, Self.stagingByteCount / (lineWords * 4))
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: group) {
      let part = first..<min(first + group, rows.upperBound)
      for line in stride(from: 0, to: packed.levels.shape[0], by: chunk) {
        let lines = line..<min(line + chunk, packed.levels.shape[0])
        let bytes = try read(
          packed.levels, (lines.lowerBound * lineWords * 4)..<(lines.upperBound * lineWords * 4), own: .none)
        for line in lines {
          unpack(
            packed, scales, line: line, bytes + (line - lines.lowerBound) * lineWords * 4, rows: part,
            into: gathered.pointer)
        }
      }
      for row in part { try body(row, gathered.pointer + (row - part.lowerBound) * columns) }
    }
  }

  /// What a line of words, at `words`, holds of `rows`, whose columns are at `out` `[rows, columns]`.
  private func unpack(
    _ packed: PackedIntegers, _ scales: PackedScales, line: Int, _ words: UnsafeRawPointer, rows: Range<Int>,
    into out: UnsafeMutablePointer<Float>
  ) {
    let columns = packed.columns
    let mask = UInt32(truncatingIfNeeded: 1 << packed.bits) &- 1
    let isAWQ = packed.packing == .awq
    // AWQ: a line is a column; GPTQ: some columns.
    let ofLine = isAWQ ? 1 : packed.perWord
    for row in rows {
      let word = words.loadUnaligned(fromByteOffset: 4 * (isAWQ ? row / 8 : row), as: UInt32.self)
      let target = out + (row - rows.lowerBound) * columns + line * ofLine
      for index in 0..<ofLine {
        let group = (line * ofLine + index) / packed.groupColumns
        let level = Int32(word >> packed.shift(isAWQ ? row % 8 : index) & mask)
        target[index] = Float(level - scales.zero(row: row, group: group)) * scales.scale(row: row, group: group)
      }
    }
  }

  /// The sum of all bytes of a tensor; of none where they cannot be read, which whoever needs them will find.
  private func wholeSum(_ entry: TensorEntry) -> TensorSum {
    var sum = TensorSum()
    for first in stride(from: 0, to: entry.byteCount, by: Self.stagingByteCount) {
      let range = first..<min(first + Self.stagingByteCount, entry.byteCount)
      var bytes = [UInt8](repeating: 0, count: range.count)
      let isRead = bytes.withUnsafeMutableBytes { (try? checkpoint.read(entry, bytes: range, into: $0)) != nil }
      guard isRead else { return TensorSum() }
      bytes.withUnsafeBytes { sum += TensorSum($0, at: range.lowerBound) }
    }
    return sum
  }
}
