import Checkpoints
import Kernels
import Tensors

/// Finds a model's tensors in its checkpoint and holds each against the shape the configuration implies.
package struct CheckpointTensors {
  package let folder: any TensorCatalog
  package let quantization: Quantization
  package let workerCount: Int

  func entry(_ name: String, shape: [Int]) throws -> TensorEntry {
    guard let entry = try folder.tensor(name, expectedShape: shape) else { throw ModelError.missingTensor(name) }
    guard entry.shape == shape else {
      throw ModelError.wrongShape(tensor: name, found: entry.shape, expected: shape)
    }
    return entry
  }

  /// The source of the linear projection `{name}.weight`, `[rows, columns]`.
  /// `worker`: the one worker that computes all of it; nil to share it.
  func linear(_ name: String, rows: Int, columns: Int, worker: Int? = nil) throws -> MatrixSource {
    try matrix("\(name).weight", tensorRows: rows, columns: columns, layout: .rows(first: 0, step: 1), rows: rows, worker: worker)
  }

  /// The source of `rows` rows of the tensor `name` `[tensorRows, columns]`.
  func rows(of name: String, tensorRows: Int, columns: Int, first: Int, rows: Int, worker: Int?) throws -> MatrixSource {
    try matrix(name, tensorRows: tensorRows, columns: columns, layout: .rows(first: first, step: 1), rows: rows, worker: worker)
  }

  /// The transpose of rows `first ..< first + columns` of the tensor `name` `[tensorRows, rows]`.
  func transposed(of name: String, tensorRows: Int, rows: Int, first: Int, columns: Int, worker: Int?) throws -> MatrixSource {
    let (entry, format, scales) = try stored(name, shape: [tensorRows, rows])
    return MatrixSource(
      rows: rows, columns: columns, entry: entry,
      layout: .columns(first: first * rows, columnStride: rows, rowStride: 1), scales: scales, storedFormat: format,
      bounds: bounds(rows: rows, worker: worker))
  }

  private func matrix(
    _ name: String, tensorRows: Int, columns: Int, layout: MatrixSource.Layout, rows: Int, worker: Int?
  ) throws -> MatrixSource {
    let (entry, format, scales) = try stored(name, shape: [tensorRows, columns])
    return MatrixSource(
      rows: rows, columns: columns, entry: entry, layout: layout, scales: scales, storedFormat: format,
      bounds: bounds(rows: rows, worker: worker))
  }

  func bounds(rows: Int, worker: Int?) -> [Int] {
    guard let worker else { return PackedMatrix.evenBounds(rows: rows, workerCount: workerCount) }
    return PackedMatrix.bounds(rows: rows, allOn: worker, workerCount: workerCount)
  }

  /// A two-dimensional tensor with its format and, for FP8, its block scales.
  private func stored(_ name: String, shape: [Int]) throws -> (TensorEntry, WeightFormat, MatrixSource.Scales) {
    let entry = try entry(name, shape: shape)
    if let format = WeightFormat(entry.type) { return (entry, format, .none) }
    guard entry.type == .float8E4M3, quantization == .float8Blocks else {
      throw ModelError.wrongType(tensor: name, found: entry.type.rawValue, expected: "F32, F16, BF16 or (with quantization_config fp8) F8_E4M3")
    }
    let scaleShape = shape.map { ($0 + 127) / 128 }
    let scales = try self.entry("\(name)_scale_inv", shape: scaleShape)
    guard scales.type == .float32 else {
      throw ModelError.wrongType(tensor: scales.name, found: scales.type.rawValue, expected: "F32")
    }
    return (entry, .float8, .blocks(scales))
  }

  /// Expert `expert`'s slice of a stacked tensor of `expertCount` matrices `[rows, columns]`: output rows
  /// `first, first + step, …`.
  ///
  /// gpt-oss stores bf16 experts as `[experts, columns, rows]` and MXFP4 ones as `{name}_blocks`
  /// `[experts, rows, columns / 32, 16]` with `{name}_scales` `[experts, rows, columns / 32]`.
  func stackedExpert(
    _ name: String, expert: Int, expertCount: Int, tensorRows: Int, columns: Int, first: Int, step: Int, rows: Int
  ) throws -> MatrixSource {
    let bounds = bounds(rows: rows, worker: nil)
    if quantization == .mxfp4Experts,
      try folder.tensor("\(name)_blocks", expectedShape: [expertCount, tensorRows, columns / 32, 16]) != nil
    {
      guard columns % 32 == 0 else {
        throw ModelError.inconsistent("MXFP4 needs rows of a multiple of 32 columns; \(name) has \(columns)")
      }
      let blocks = try entry("\(name)_blocks", shape: [expertCount, tensorRows, columns / 32, 16])
      let scales = try entry("\(name)_scales", shape: [expertCount, tensorRows, columns / 32])
      for entry in [blocks, scales] where entry.type != .uint8 {
        throw ModelError.wrongType(tensor: entry.name, found: entry.type.rawValue, expected: "U8")
      }
      return MatrixSource(
        rows: rows, columns: columns, entry: blocks, layout: .rows(first: expert * tensorRows + first, step: step),
        scales: .exponents(scales), storedFormat: .mxfp4, bounds: bounds)
    }
    let entry = try entry(name, shape: [expertCount, columns, tensorRows])
    guard let format = WeightFormat(entry.type) else {
      throw ModelError.wrongType(tensor: name, found: entry.type.rawValue, expected: "F32, F16 or BF16")
    }
    return MatrixSource(
      rows: rows, columns: columns, entry: entry,
      layout: .columns(first: expert * columns * tensorRows + first, columnStride: tensorRows, rowStride: step),
      storedFormat: format, bounds: bounds)
  }

  /// A vector of `count` values starting at element `first`, every `step`-th, expanded to fp32.
  func vector(_ name: String, shape: [Int], first: Int = 0, step: Int = 1, count: Int? = nil) throws -> VectorSource {
    VectorSource(entry: try entry(name, shape: shape), first: first, step: step, count: count ?? shape.reduce(1, *))
  }
}

/// Where a small vector (norm weight, bias) lies in a checkpoint.
package struct VectorSource: Sendable {
  package let entry: TensorEntry
  package let first: Int
  package let step: Int
  package let count: Int
}
