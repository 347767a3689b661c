import Checkpoints
import Kernels
import Tensors

/// Finds a model's tensors in its checkpoint and holds each against the shape the configuration implies.
package struct CheckpointTensors {
  package let folder: any TensorCatalog
  package let quantization: Quantization
  private let float8Block: Quantization.Block?
  package let precision: WeightPrecision
  package let workerCount: Int

  init(folder: any TensorCatalog, description: DecoderDescription, workerCount: Int) {
    self.folder = description.naming.lacksPrefix ? UnprefixedCatalog(base: folder) : folder
    quantization = description.quantization
    float8Block = description.float8Block
    precision = description.weights
    self.workerCount = workerCount
  }

  func entry(_ name: String, shape: [Int]) throws -> TensorEntry {
    guard let entry = try folder.tensor(name, expectedShape: shape) else { throw ModelError.missingTensor(name) }
    guard entry.shape == shape else {
      throw ModelError.wrongShape(tensor: name, found: entry.shape, expected: shape)
    }
    return entry
  }

  private func entry(_ name: String, shape: [Int], type: ElementType) throws -> TensorEntry {
    let entry = try entry(name, shape: shape)
    guard entry.type == type else {
      throw ModelError.wrongType(tensor: name, found: entry.type.rawValue, expected: type.rawValue)
    }
    return entry
  }

  /// The source of the linear projection `{name}.weight`, `[rows, columns]`.
  func linear(_ name: String, rows: Int, columns: Int, use: WeightPrecision.Use) throws -> MatrixSource {
    try self.rows(of: "\(name).weight", tensorRows: rows, columns: columns, first: 0, rows: rows, use: use)
  }

  /// The source of `rows` rows of the tensor `name` `[tensorRows, columns]`.
  /// `worker`: the one worker that computes all of it; nil to share it.
  func rows(
    of name: String, tensorRows: Int, columns: Int, first: Int, rows: Int, use: WeightPrecision.Use, worker: Int? = nil
  ) throws -> MatrixSource {
    MatrixSource(
      rows: rows, columns: columns, stored: try stored(name, rows: [tensorRows], columns: columns, use: use),
      layout: .rows(first: first, step: 1), use: use, precision: precision,
      bounds: bounds(rows: rows, worker: worker, name: name))
  }

  /// The transpose of rows `first ..< first + columns` of the tensor `name` `[tensorRows, rows]`.
  func transposed(
    of name: String, tensorRows: Int, rows: Int, first: Int, columns: Int, use: WeightPrecision.Use, worker: Int?
  ) throws -> MatrixSource {
    let stored = try stored(name, rows: [tensorRows], columns: rows, use: use)
    if case .levels = stored.scales {
      throw ModelError.wrongType(tensor: name, found: stored.entry.type.rawValue, expected: "F32, F16, BF16 or F8_E4M3")
    }
    return MatrixSource(
      rows: rows, columns: columns, stored: stored,
      layout: .columns(first: first * rows, columnStride: rows, rowStride: 1),
      use: use, precision: precision, bounds: bounds(rows: rows, worker: worker, name: name))
  }

  private func bounds(rows: Int, worker: Int?, name: String, expert: Int = 0) -> [Int] {
    guard let worker else {
      let turn = name.utf8.reduce(expert) { $0 + Int($1) }
      return PackedMatrix.evenBounds(rows: rows, workerCount: workerCount, turn: turn)
    }
    return PackedMatrix.bounds(rows: rows, allOn: worker, workerCount: workerCount)
  }

  /// A tensor of matrix rows (`rows`: their count, or that of matrices and of rows in each) with its format and scales.
  private func stored(
    _ name: String, rows: [Int], columns: Int, use: WeightPrecision.Use
  ) throws -> MatrixSource.Stored {
    guard let found = try folder.tensor(name, expectedShape: rows + [columns]) else {
      throw ModelError.missingTensor(name)
    }
    if case .martinet = quantization, let format = Self.quantizedFormat(found.type) {
      guard use != .choice, precision.formats(use, stored: format).weights == format else {
        throw ModelError.wrongType(
          tensor: name, found: found.type.rawValue,
          expected: use == .choice ? "F32, F16 or BF16" : "the other of I8 and U8")
      }
      return MatrixSource.Stored(
        entry: try entry(name, shape: rows + [format.storedRowByteCount(columns)]), format: format,
        scales: .levels(
          blocks: try entry(
            "\(name)_block_scales", shape: rows + [WeightFormat.blockCount(columns: columns)], type: .uint8),
          rows: try entry("\(name)_row_scales", shape: rows, type: .float32)))
    }
    let entry = try entry(name, shape: rows + [columns])
    if let format = WeightFormat(entry.type) { return MatrixSource.Stored(entry: entry, format: format) }
    guard entry.type == .float8E4M3 else {
      throw ModelError.wrongType(tensor: name, found: entry.type.rawValue, expected: "F32, F16, BF16 or F8_E4M3")
    }
    let grid = try ScaleGrid.find(of: name, rows: rows, columns: columns, block: float8Block, in: folder)
    return MatrixSource.Stored(entry: entry, format: .float8, scales: .blocks(grid))
  }

  private static func quantizedFormat(_ type: ElementType) -> WeightFormat? {
    switch type {
    case .int8: .q8
    case .uint8: .q4
    default: nil
    }
  }

  /// `rows` rows, from `first` on, of matrix `expert` of a tensor of `expertCount` matrices `[tensorRows, columns]`.
  func fusedExpert(
    _ name: String, expert: Int, expertCount: Int, tensorRows: Int, columns: Int, first: Int, rows: Int
  ) throws -> MatrixSource {
    MatrixSource(
      rows: rows, columns: columns,
      stored: try stored(name, rows: [expertCount, tensorRows], columns: columns, use: .projection),
      layout: .rows(first: expert * tensorRows + first, step: 1), use: .projection, precision: precision,
      bounds: bounds(rows: rows, worker: nil, name: name, expert: expert + first))
  }

  /// Expert `expert`'s slice of a stacked tensor of `expertCount` matrices `[rows, columns]`: output rows
  /// `first, first + step, …`.
  ///
  /// gpt-oss stores bf16 experts as `[experts, columns, rows]` and MXFP4 ones as `{name}_blocks`
  /// `[experts, rows, columns / 32, 16]` with `{name}_scales` `[experts, rows, columns / 32]`.
  func stackedExpert(
    _ name: String, expert: Int, expertCount: Int, tensorRows: Int, columns: Int, first: Int, step: Int, rows: Int
  ) throws -> MatrixSource {
    func source(_ stored: MatrixSource.Stored, _ layout: MatrixSource.Layout) -> MatrixSource {
      MatrixSource(
        rows: rows, columns: columns, stored: stored, layout: layout, use: .projection, precision: precision,
        bounds: bounds(rows: rows, worker: nil, name: name, expert: expert))
    }
    let inRows = MatrixSource.Layout.rows(first: expert * tensorRows + first, step: step)
    if quantization == .mxfp4Experts,
      try folder.tensor("\(name)_blocks", expectedShape: [expertCount, tensorRows, columns / 32, 16]) != nil
    {
      guard columns % 32 == 0 else {
        throw ModelError.inconsistent("MXFP4 needs rows of a multiple of 32 columns; \(name) has \(columns)")
      }
      let blocks = try entry("\(name)_blocks", shape: [expertCount, tensorRows, columns / 32, 16], type: .uint8)
      let scales = try entry("\(name)_scales", shape: [expertCount, tensorRows, columns / 32], type: .uint8)
      return source(MatrixSource.Stored(entry: blocks, format: .mxfp4, scales: .exponents(scales)), inRows)
    }
    if case .martinet = quantization,
      let entry = try folder.tensor(name, expectedShape: [expertCount, tensorRows, columns]),
      Self.quantizedFormat(entry.type) != nil
    {
      return source(try stored(name, rows: [expertCount, tensorRows], columns: columns, use: .projection), inRows)
    }
    let entry = try entry(name, shape: [expertCount, columns, tensorRows])
    guard let format = WeightFormat(entry.type) else {
      throw ModelError.wrongType(tensor: name, found: entry.type.rawValue, expected: "F32, F16 or BF16")
    }
    return source(
      MatrixSource.Stored(entry: entry, format: format),
      .columns(first: expert * columns * tensorRows + first, columnStride: tensorRows, rowStride: step))
  }

  /// A vector of `count` values starting at element `first`, every `step`-th, expanded to fp32.
  func vector(
    _ name: String, shape: [Int], first: Int = 0, step: Int = 1, count: Int? = nil, mayBeMinusInfinity: Bool = false
  ) throws -> VectorSource {
    VectorSource(
      entry: try entry(name, shape: shape), first: first, step: step, count: count ?? shape.reduce(1, *),
      mayBeMinusInfinity: mayBeMinusInfinity)
  }
}

/// Where a small vector (norm weight, bias) lies in a checkpoint.
package struct VectorSource: Sendable {
  package let entry: TensorEntry
  package let first: Int
  package let step: Int
  package let count: Int
  /// Minus infinity is a value like others: a logit that takes nothing.
  package let mayBeMinusInfinity: Bool
}
