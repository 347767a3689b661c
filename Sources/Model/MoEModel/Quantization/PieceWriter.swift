import Checkpoints
import Kernels
import Tensors

/// Copies, widens or quantises parts of tensors into a file: one worker's.
final class PieceWriter {
  /// Levels gathered before they are written.
  private static let batchByteCount = 4 << 20
  private let rows: StoredRows
  private let writer: SafetensorsWriter
  private var levels: [UInt8] = []
  private var blockScales: [UInt8] = []
  private var rowScales: [Float] = []

  init(checkpoint: any Checkpoint, sums: ReadSums, writer: SafetensorsWriter) {
    rows = StoredRows(checkpoint: checkpoint, sums: sums)
    self.writer = writer
  }

  func write(_ output: QuantizationPlan.Output, part: Int, _ range: Range<Int>) throws {
    switch output.content {
    case .copy(let entry):
      let bytes = try rows.read(entry, range, own: .all(range.count))
      try writer.write(output.name, UnsafeRawBufferPointer(start: bytes, count: range.count), at: range.lowerBound)
    case .float32(let entry):
      guard let format = WeightFormat(entry.type) else {
        throw ModelError.wrongType(tensor: entry.name, found: entry.type.rawValue, expected: "F32, F16 or BF16")
      }
      // A piece's first element begins a block.
      let stored = format.storedBytes(ofElements: range)
      let bytes = try rows.read(entry, stored, own: .all(stored.count))
      var values = [Float](repeating: 0, count: range.count)
      PanelWriter.expand(format, bytes, count: range.count, into: &values)
      try values.withUnsafeBytes { try writer.write(output.name, $0, at: range.lowerBound * 4) }
    case .expanded(let source):
      var first = range.lowerBound
      try rows.forEach(source, rows: range) { _, values in
        let bytes = UnsafeRawBufferPointer(start: values, count: source.columns * 4)
        try writer.write(output.name, bytes, at: first * source.columns * 4)
        first += 1
      }
    case .levels(let parts): try quantize(output.name, parts[part], firstRow: part * parts[part].rows, range)
    }
  }

  /// `firstRow`: where in the tensor the matrix begins.
  private func quantize(_ name: String, _ source: MatrixSource, firstRow: Int, _ range: Range<Int>) throws {
    let rowBytes = source.format.storedRowByteCount(source.columns)
    let blockCount = source.format.blockCount(columns: source.columns)
    let batch = min(range.count, max(1, Self.batchByteCount / rowBytes))
    levels = Array(repeating: 0, count: batch * rowBytes)
    blockScales = Array(repeating: 0, count: batch * blockCount)
    rowScales = Array(repeating: 0, count: batch)
    var count = 0
    try rows.forEach(source, rows: range) { row, values in
      rowScales[count] = levels.withUnsafeMutableBytes { levels in
        blockScales.withUnsafeMutableBufferPointer {
          source.format.quantize(
            values, columns: source.columns, elements: levels.start + count * rowBytes,
            blockScales: $0.start + count * blockCount)
        }
      }
      guard rowScales[count].isFinite else {
        throw ModelError.notFinite(tensor: source.entry.name, row: firstRow + row)
      }
      count += 1
      guard count == batch || row == range.upperBound - 1 else { return }
      let first = firstRow + row + 1 - count
      func write(_ name: String, _ bytes: UnsafeRawBufferPointer, rowBytes: Int) throws {
        try writer.write(name, UnsafeRawBufferPointer(rebasing: bytes[..<(count * rowBytes)]), at: first * rowBytes)
      }
      try levels.withUnsafeBytes { try write(name, $0, rowBytes: rowBytes) }
      try blockScales.withUnsafeBytes { try write("\(name)_block_scales", $0, rowBytes: blockCount) }
      try rowScales.withUnsafeBytes { try write("\(name)_row_scales", $0, rowBytes: 4) }
      count = 0
    }
  }
}
