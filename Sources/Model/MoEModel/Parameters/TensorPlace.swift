/// Where a parameter lies in a checkpoint: a tensor, or some rows of one of its matrices.
package struct TensorPlace: Hashable {
  package var name: String
  /// Matrices in the tensor, its first dimension; nil for a tensor of one, which has no such dimension.
  package var count: Int?
  /// Which of them.
  package var index = 0
  /// Rows of each.
  package var rows: Int
  /// The parameter's rows are `first`, `first + step`, ….
  package var first = 0
  package var step = 1
  /// Unquantised matrices are stored `[columns, rows]`.
  package var isTurned = false

  /// Rows of one matrix, after the count of matrices where there are several.
  package var leading: [Int] { (count.map { [$0] } ?? []) + [rows] }

  /// The shape of the tensor as published, unquantised.
  package func shape(of spec: ParameterSpec) -> [Int] {
    if let stored = spec.storedShape { return stored }
    guard spec.isMatrix else { return leading }
    return isTurned ? (count.map { [$0] } ?? []) + [spec.columns, rows] : leading + [spec.columns]
  }
}
