import Kernels
import Tensors

/// The hidden states of a batch, `[rows, hidden]`, to which each layer adds what it makes of their norm.
final class ResidualStream {
  let hiddenSize: Int
  private let epsilon: Float
  private let compute: Compute
  private var rowCount = 0
  private let hiddenRows: RowStorage<Float>
  private let normedRows: RowStorage<Float>
  private let updateRows: RowStorage<Float>
  private var rounded: RowBuffer

  /// Norms divide by √(mean square + `epsilon`); their rows enter products as `rowFormat`.
  init(hiddenSize: Int, epsilon: Float, rowFormat: RowFormat, compute: Compute) {
    self.hiddenSize = hiddenSize
    self.epsilon = epsilon
    self.compute = compute
    hiddenRows = RowStorage(columns: hiddenSize)
    normedRows = RowStorage(columns: hiddenSize)
    updateRows = RowStorage(columns: hiddenSize)
    rounded = RowBuffer(rowFormat, columns: hiddenSize, rows: 0)
  }

  /// Begins a step of so many rows, which are to be written to `hidden`.
  func begin(rows: Int) {
    rowCount = rows
    hiddenRows.reserve(rows: rows)
    normedRows.reserve(rows: rows)
    updateRows.reserve(rows: rows)
    rounded = rounded.reserving(rows: rows)
  }

  /// The residual stream itself.
  var hidden: MatrixView<Float> { hiddenRows.view(rows: rowCount) }

  /// Where a layer writes what is to be added.
  var update: MatrixView<Float> { updateRows.view(rows: rowCount) }

  /// What `norm` wrote: the input of a layer, fp32 and rounded.
  var normed: Rows { rounded.rows(of: normedRows.view(rows: rowCount)) }

  /// normed := rmsNorm(hidden) · weight `[hidden]`, rounded too, for the worker's share of rows; `kept` := hidden, where it is
  /// given.
  func norm(_ weight: AlignedBuffer<Float>, keeping kept: RowStorage<Float>? = nil, worker: Int) {
    let (hidden, normed, rounded) = (hidden, normedRows.view(rows: rowCount), rounded)
    let copies = kept?.view(rows: rowCount)
    for row in compute.share(of: rowCount, worker: worker) {
      copies?[row].update(from: hidden[row], count: hiddenSize)
      compute.rmsNorm(
        hidden[row], stride: hiddenSize, rows: 1, count: hiddenSize, weight: weight.pointer, epsilon: epsilon,
        out: normed[row], outStride: hiddenSize)
      rounded.round(compute, row: row, normed[row])
    }
  }

  /// hidden += update, for the worker's share of rows.
  func addUpdate(worker: Int) {
    let share = compute.share(of: rowCount, worker: worker)
    guard !share.isEmpty else { return }
    compute.add(update[share.lowerBound], to: hidden[share.lowerBound], count: share.count * hiddenSize)
  }
}
