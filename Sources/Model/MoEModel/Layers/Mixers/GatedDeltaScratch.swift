import Kernels
import Tensors

/// Memory between the stages of gated DeltaNet, for layers of one shape.
final class GatedDeltaScratch {
  private let fusedRows: RowStorage<Float>
  private let mixedRows: RowStorage<Float>
  private let convolvedRows: RowStorage<Float>
  private let gateRows: RowStorage<Float>
  private let rateRows: RowStorage<Float>
  private let betaRows: RowStorage<Float>
  private let valuesRows: RowStorage<Float>
  /// What heads recall before norm and gate, where that is kept.
  private let recalledRows: RowStorage<Float>?
  private(set) var roundedValues: RowBuffer
  let nextTask = TaskCounter()

  /// `allHeads`: the layer with the heads of all ranks, where those of `shape` are not all. `keeps`: all that the
  /// backward pass asks for is still there after a forward pass.
  init(_ shape: GatedDelta, allHeads: GatedDelta? = nil, rowFormat: RowFormat, keeps: Bool = false) {
    let valueWidth = (allHeads ?? shape).valueWidth
    fusedRows = RowStorage(columns: shape.projections == .fused ? shape.channels + shape.valueWidth : 0)
    mixedRows = RowStorage(columns: shape.channels)
    convolvedRows = RowStorage(columns: shape.channels)
    gateRows = RowStorage(columns: shape.valueWidth)
    rateRows = RowStorage(columns: 2 * shape.valueHeadCount)
    betaRows = RowStorage(columns: 2 * shape.valueHeadCount)
    valuesRows = RowStorage(columns: valueWidth)
    recalledRows = keeps ? RowStorage(columns: valueWidth) : nil
    roundedValues = RowBuffer(rowFormat, columns: valueWidth, rows: 0)
  }

  func reserve(rows: Int) {
    fusedRows.reserve(rows: rows)
    mixedRows.reserve(rows: rows)
    convolvedRows.reserve(rows: rows)
    gateRows.reserve(rows: rows)
    rateRows.reserve(rows: rows)
    betaRows.reserve(rows: rows)
    valuesRows.reserve(rows: rows)
    recalledRows?.reserve(rows: rows)
    roundedValues = roundedValues.reserving(rows: rows)
  }

  /// Fused projections, `[rows, key heads · (query | key | values | gates)]`.
  func fused(_ rows: Int) -> MatrixView<Float> { fusedRows.view(rows: rows) }
  /// `[rows, queries | keys | values]`, as projected.
  func mixed(_ rows: Int) -> MatrixView<Float> { mixedRows.view(rows: rows) }
  /// The same after the convolution.
  func convolved(_ rows: Int) -> MatrixView<Float> { convolvedRows.view(rows: rows) }
  /// `[rows, value heads · dims]`: gates of what heads recall.
  func gate(_ rows: Int) -> MatrixView<Float> { gateRows.view(rows: rows) }
  /// `[rows, 2 · value heads]`: betas and decays, as projected.
  func rates(_ rows: Int) -> MatrixView<Float> { rateRows.view(rows: rows) }
  /// `[rows, value heads | value heads]`: β and e^g.
  func betas(_ rows: Int) -> MatrixView<Float> { betaRows.view(rows: rows) }
  /// `[rows, value heads · dims]`: what heads recall; nil where what norm and gate make of it may take its place.
  func recalled(_ rows: Int) -> MatrixView<Float>? { recalledRows?.view(rows: rows) }
  /// `[rows, value heads of all ranks · dims]`: what heads recall.
  func values(_ rows: Int) -> MatrixView<Float> { valuesRows.view(rows: rows) }
  /// Values as they enter the output's product, rounded before.
  func valueRows(_ rows: Int) -> Rows { roundedValues.rows(of: values(rows)) }
}
