import Checkpoints
import Kernels

/// NVFP4's: FP8 for each 16 columns of a row, times one for the tensor. No panel holds them.
struct NVFP4Scales: StoredScales {
  let grid: ScaleGrid

  func tensors(of matrix: MatrixSource) -> [(entry: TensorEntry, byteCount: Int)] { grid.tensors(of: matrix) }

  func read(
    of matrix: MatrixSource, rows: Range<Int>, from checkpoint: any Checkpoint, sums: ReadSums?
  ) throws -> (any RowScales)? {
    try grid.read(of: matrix, rows: rows, from: checkpoint, sums: sums)
  }

  func fit(panelsOf format: WeightFormat?, columns: Int) -> Bool { false }

  var substitute: (weights: WeightFormat, rows: RowFormat) { WeightPrecision.eightBits }

  var roundedForm: String? { "NVFP4" }
}
