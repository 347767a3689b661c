/// Where a parameter lies in a checkpoint: a tensor, or some rows of one of its matrices.
struct TensorPlace: Hashable {
  var name: String
  /// Matrices in the tensor, its first dimension; nil for a tensor of one, which has no such dimension.
  var count: Int?
  /// Which of them.
  var index = 0
  /// Rows of each.
  var rows: Int
  /// The parameter's rows are `first`, `first + step`, ….
  var first = 0
  var step = 1
  /// Unquantised matrices are stored `[columns, rows]`.
  var isTurned = false

  /// Rows of one matrix, after the count of matrices where there are several.
  var leading: [Int] { (count.map { [$0] } ?? []) + [rows] }

  /// The shape of the tensor as published, unquantised.
  func shape(of spec: ParameterSpec) -> [Int] {
    guard spec.isMatrix else { return leading }
    return isTurned ? (count.map { [$0] } ?? []) + [spec.columns, rows] : leading + [spec.columns]
  }
}
