import Checkpoints
import Kernels

/// Scales that lie in tensors beside a matrix's elements. Each kind is a type of its own, and no one else knows which
/// kinds there are: whoever finds a tensor stored with them (`StoredParameters`) names them, the rest asks.
protocol StoredScales: Sendable {
  /// The tensors they are in, each with the number of bytes in it that belong to `matrix`.
  func tensors(of matrix: MatrixSource) -> [(entry: TensorEntry, byteCount: Int)]

  /// Reads those of `rows`, some of the matrix's rows counted in the matrix, and adds what was read to `sums`; throws
  /// when one is none to multiply with. Nil where they scale nothing.
  func read(
    of matrix: MatrixSource, rows: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?
  ) throws -> (any RowScales)?

  /// Whether a tensor with them may be cut up into matrices whose rows are parts of its columns.
  var mayBeTurned: Bool { get }

  /// Whether panels of `format` hold weights with them as they are stored, in rows of `columns` weights.
  func fit(panelsOf format: WeightFormat?, columns: Int) -> Bool

  /// What weights are held in, and meet, whose scales fit no panels.
  var substitute: (weights: WeightFormat, rows: RowFormat) { get }

  /// What the stored form is called of which no panel holds anything; nil where some panels do.
  var roundedForm: String? { get }
}

extension StoredScales {
  var mayBeTurned: Bool { false }
  func fit(panelsOf format: WeightFormat?, columns: Int) -> Bool { true }
  var substitute: (weights: WeightFormat, rows: RowFormat) { (.float32, .float32) }
  var roundedForm: String? { nil }
}

/// Scales of some rows of a tensor, in memory, looked up by the tensor's own rows.
protocol RowScales {
  /// Writes the scales of the tensor's row `row` to a panel's lane.
  func write(row: Int, lane: Int, to writer: PanelWriter)

  /// Expands the tensor's row `row`, stored at `bytes`, to `columns` fp32 values.
  func expand(
    _ format: WeightFormat, _ bytes: UnsafeRawPointer, row: Int, columns: Int, into out: UnsafeMutablePointer<Float>)
}

/// Scales that are known of each element of a tensor that is turned.
protocol ElementScales: RowScales {
  /// Multiplies `count` values, the tensor's elements from number `first` on; its rows have `rowLength` elements.
  func multiply(_ values: UnsafeMutablePointer<Float>, count: Int, from first: Int, rowLength: Int)
}

/// The scales of what is stored without any, or with its scales among its elements.
struct NoScales: RowScales {
  func write(row: Int, lane: Int, to writer: PanelWriter) {}

  func expand(
    _ format: WeightFormat, _ bytes: UnsafeRawPointer, row: Int, columns: Int, into out: UnsafeMutablePointer<Float>
  ) {
    PanelWriter.expand(format, bytes, count: columns, into: out)
  }
}

extension MatrixSource {
  /// Reads the scales of `rows`, counted in the matrix; throws when one is none to multiply with.
  func rowScales(_ rows: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?) throws -> any RowScales {
    guard !rows.isEmpty else { return NoScales() }
    return try scales?.read(of: self, rows: rows, from: checkpoint, sums: sums) ?? NoScales()
  }

  /// The tensor's rows that some of the matrix's rows, not none, lie in, and how far these are apart; nil where they
  /// lie in columns.
  func tensorRows(_ rows: Range<Int>) -> (rows: Range<Int>, step: Int)? {
    guard case .rows(let first, let step) = layout else { return nil }
    return ((first + rows.lowerBound * step)..<(first + (rows.upperBound - 1) * step + 1), step)
  }

  /// This matrix's share, by its number of elements, of a tensor's bytes that scales all of what it was cut from.
  func scaleShare(of scales: TensorEntry) -> Int {
    Int(
      Double(scales.byteCount) * Double(elementCount)
        / Double(max(plain?.leading.reduce(columns, *) ?? entry.elementCount, 1)))
  }
}

/// Scales that are one after the other, as many for each row.
enum ScaleRows {
  /// The scales of `rows`, `perRow` of each, of which every `step`-th row is the matrix's own and summed.
  static func read<Value: BitwiseCopyable & ExpressibleByIntegerLiteral>(
    _ entry: TensorEntry, _ rows: Range<Int>, step: Int, perRow: Int, _ type: Value.Type,
    from checkpoint: any Checkpoint, sums: ReadSums?
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

  /// Throws on the first value that is not good; `first` is the number of the first one in its tensor.
  static func check(_ values: [Float], _ tensor: String, from first: Int = 0, _ isGood: (Float) -> Bool) throws {
    guard let index = values.firstIndex(where: { !isGood($0) }) else { return }
    throw ModelError.invalidScale(tensor: tensor, index: first + index, value: values[index])
  }
}
