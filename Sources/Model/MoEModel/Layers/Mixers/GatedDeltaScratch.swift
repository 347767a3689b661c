import Kernels
import Tensors

/// Memory between the stages of gated DeltaNet, for layers of one shape.
final class GatedDeltaScratch {
  /// Fused projections, `[rows, key heads · (query | key | values | gates)]`.
  let fused: RowStorage<Float>
  /// `[rows, queries | keys | values]`, as projected.
  let mixed: RowStorage<Float>
  /// The same after the convolution.
  let convolved: RowStorage<Float>
  /// `[rows, value heads · dims]`: gates of what heads recall.
  let gate: RowStorage<Float>
  /// `[rows, 2 · value heads]`: betas and decays, as projected.
  let rates: RowStorage<Float>
  /// `[rows, value heads | value heads]`: β and e^g.
  let betas: RowStorage<Float>
  /// `[rows, value heads · dims]`: what heads recall; nil where what norm and gate make of it may take its place.
  let recalled: RowStorage<Float>?
  /// `[rows, value heads of all ranks · dims]`: what heads recall.
  let values: RowStorage<Float>
  private(set) var roundedValues: RowBuffer
  let nextTask = TaskCounter()

  /// `allHeads`: the layer with the heads of all ranks, where those of `shape` are not all. `keeps`: all that the
  /// backward pass asks for is still there after a forward pass.
  init(_ shape: GatedDelta, allHeads: GatedDelta? = nil, rowFormat: RowFormat, keeps: Bool = false) {
    let valueWidth = (allHeads ?? shape).valueWidth
    fused = RowStorage(columns: shape.projections == .fused ? shape.channels + shape.valueWidth : 0)
    mixed = RowStorage(columns: shape.channels)
    convolved = RowStorage(columns: shape.channels)
    gate = RowStorage(columns: shape.valueWidth)
    rates = RowStorage(columns: 2 * shape.valueHeadCount)
    betas = RowStorage(columns: 2 * shape.valueHeadCount)
    recalled = keeps ? RowStorage(columns: valueWidth) : nil
    values = RowStorage(columns: valueWidth)
    roundedValues = RowBuffer(rowFormat, columns: valueWidth, rows: 0)
  }

  func reserve(rows: Int) {
    fused.reserve(rows: rows)
    mixed.reserve(rows: rows)
    convolved.reserve(rows: rows)
    gate.reserve(rows: rows)
    rates.reserve(rows: rows)
    betas.reserve(rows: rows)
    recalled?.reserve(rows: rows)
    values.reserve(rows: rows)
    roundedValues = roundedValues.reserving(rows: rows)
  }

  /// Values as they enter the output's product, rounded before.
  func valueRows(_ rows: Int) -> Rows { roundedValues.rows(of: values(rows)) }
}
