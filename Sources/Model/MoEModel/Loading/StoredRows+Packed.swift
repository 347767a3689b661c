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
      try expand(packed, rows: tensorRows, isCounted: step == 1) { row, values in
        if (row - first) % step == 0 { try body((row - first) / step, values) }
      }
    case .columns(let first, let columnStride, let rowStride):
      // A row of the tensor is a column of the matrix.
      let (firstRow, offset) = (first / columnStride, first % columnStride)
      let columns = source.columns
      let turned = AlignedBuffer<Float>(count: rows.count * columns)
      try expand(packed, rows: firstRow..<(firstRow + columns), isCounted: true) { row, values in
        for i in rows {
          turned.pointer[(i - rows.lowerBound) * columns + row - firstRow] = values[offset + i * rowStride]
        }
      }
      for i in rows { try body(i, turned.pointer + (i - rows.lowerBound) * columns) }
    }
  }

  /// Some rows of the tensor that it would be unpacked; `isCounted`: whether nobody else reads them.
  private func expand(
    _ packed: PackedIntegers, rows: Range<Int>, isCounted: Bool,
    _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws -> Void
  ) throws {
    let scales = try PackedScales(packed, rows: rows, isCounted: isCounted, from: checkpoint, sums: sums)
    if packed.packing == .compressedTensors { return try expandWordsOfRows(packed, scales, rows, body) }
    let values = AlignedBuffer<Float>(count: packed.columns)
    let out = values.pointer
    try forEachLevels(packed, rows: rows, isCounted: isCounted) { row, levels in
      for group in 0..<packed.groupCount {
        let (scale, zero) = (scales.scale(row: row, group: group), scales.zero(row: row, group: group))
        for column in (group * packed.groupColumns)..<((group + 1) * packed.groupColumns) {
          out[column] = Float(Int32(levels[column]) - zero) * scale
        }
      }
      try body(row, out)
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
    let out = values.pointer
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
            for column in columns { out[column] = Float(Int32(from[column]) - zero) * scale }
          } else {
            for column in columns {
              let level = Int32(from[column >> 1] >> UInt8(4 * (column & 1)) & 15)
              out[column] = Float(level - zero) * scale
            }
          }
        }
        try body(current, values.pointer)
      }
      row = end
    }
  }

  /// Calls `body` with the integers of some rows in order, `[columns]`, whose words lie across rows or along columns:
  /// some rows at a time are put together from their words of all lines. `isCounted`: whether nobody else reads them.
  func forEachLevels(
    _ packed: PackedIntegers, rows: Range<Int>, isCounted: Bool,
    _ body: (_ row: Int, _ levels: UnsafePointer<UInt8>) throws -> Void
  ) throws {
    guard !rows.isEmpty else { return }
    if !isCounted { sums?.noteWhole(packed.levels) { wholeSum(packed.levels) } }
    let columns = packed.columns
    // Whole panels' rows, so that a word's rows come together.
    let most = max(PackedMatrix.panelRows, Self.gatheredByteCount / columns)
    let group = min(rows.count, most / PackedMatrix.panelRows * PackedMatrix.panelRows)
    let gathered = AlignedBuffer<UInt8>(count: group * columns)
    let lineCount = packed.levels.shape[0]
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: group) {
      let part = first..<min(first + group, rows.upperBound)
      let strip = TensorStrip(
        packed.levels, lineRows: packed.rows, rows: part, elementByteCount: 4,
        rowsPerElement: packed.packing == .awq ? packed.perWord : 1, isCounted: isCounted)
      let chunk = max(1, Self.turnedByteCount / max(1, strip.stride))
      for line in stride(from: 0, to: lineCount, by: chunk) {
        let lines = line..<min(line + chunk, lineCount)
        let words = room(strip.byteCount(lines: lines.count))
        try strip.read(lines, from: checkpoint, sums: sums, into: words)
        for line in lines {
          let from = UnsafeRawPointer(words) + (line - lines.lowerBound) * strip.stride
          if packed.packing == .awq {
            unpackColumn(packed, column: line, from, rows: part, into: gathered.pointer)
          } else {
            unpackColumns(packed, line: line, from, rows: part.count, into: gathered.pointer)
          }
        }
      }
      for row in part { try body(row, gathered.pointer + (row - part.lowerBound) * columns) }
    }
  }

  /// AWQ's line of words, at `words` those of `rows`, is a column of them: `out` is `[rows, columns]`.
  private func unpackColumn(
    _ packed: PackedIntegers, column: Int, _ words: UnsafeRawPointer, rows: Range<Int>,
    into out: UnsafeMutablePointer<UInt8>
  ) {
    let (columns, perWord) = (packed.columns, packed.perWord)
    let firstWord = rows.lowerBound / perWord
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: perWord) { shifts in
      for index in 0..<perWord { shifts[index] = packed.shift(index) }
      for row in rows {
        let word = words.loadUnaligned(fromByteOffset: 4 * (row / perWord - firstWord), as: UInt32.self)
        out[(row - rows.lowerBound) * columns + column] = UInt8(word >> shifts[row % perWord] & 15)
      }
    }
  }

  /// GPTQ's line of words, at `words` those of some rows, is some columns of them.
  private func unpackColumns(
    _ packed: PackedIntegers, line: Int, _ words: UnsafeRawPointer, rows: Int, into out: UnsafeMutablePointer<UInt8>
  ) {
    let (columns, perWord, bits) = (packed.columns, packed.perWord, UInt32(packed.bits))
    let mask = UInt32(truncatingIfNeeded: 1 << packed.bits) &- 1
    for row in 0..<rows {
      let word = words.loadUnaligned(fromByteOffset: 4 * row, as: UInt32.self)
      let target = out + row * columns + line * perWord
      for index in 0..<perWord { target[index] = UInt8(truncatingIfNeeded: word >> (UInt32(index) &* bits) & mask) }
    }
  }

  /// The sum of all bytes of a tensor; of none where they cannot be read, which whoever needs them will find.
  private func wholeSum(_ entry: TensorEntry) -> TensorSum {
    var sum = TensorSum()
    for first in stride(from: 0, to: entry.byteCount, by: Self.turnedByteCount) {
      let range = first..<min(first + Self.turnedByteCount, entry.byteCount)
      var bytes = [UInt8](repeating: 0, count: range.count)
      let isRead = bytes.withUnsafeMutableBytes { (try? checkpoint.read(entry, bytes: range, into: $0)) != nil }
      guard isRead else { return TensorSum() }
      bytes.withUnsafeBytes { sum += TensorSum($0, at: range.lowerBound) }
    }
    return sum
  }
}
