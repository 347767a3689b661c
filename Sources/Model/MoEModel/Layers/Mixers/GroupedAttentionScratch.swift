import Kernels
import Tensors

/// Memory between the stages of grouped attention, for layers of one shape.
final class GroupedAttentionScratch {
  /// `[rows, heads · dims]`, or `[rows, heads · (query | gate)]`
  let query: RowStorage<Float>
  /// `[rows, key heads · dims | key heads · dims]`: keys, then values.
  let keyValue: RowStorage<Float>
  /// `[rows, heads of all ranks · dims]`
  let values: RowStorage<Float>
  /// `[rows, heads · dims]`: what attention gives before gates; nil where what gates make of it may take its place.
  let attended: RowStorage<Float>?
  /// As projected, where they are kept.
  let raw: (query: KeptRows, keyValue: KeptRows)?
  private(set) var roundedValues: RowBuffer
  let workers: [AttentionScratch]
  let nextTask = TaskCounter()

  /// `keeps`: all of it is still there after a forward pass, as projected too. `allHeads`: those of all ranks, where
  /// the heads of `shape` are not all.
  init(
    _ shape: GroupedAttention, allHeads: Int? = nil, cache: LayerCache, rowFormat: RowFormat, workerCount: Int,
    keeps: Bool = false
  ) {
    let width = (allHeads ?? shape.headCount) * shape.headDims
    let queryWidth = shape.headCount * shape.queryStride
    let keyValueWidth = 2 * shape.keyValueHeadCount * shape.headDims
    query = RowStorage(columns: queryWidth)
    keyValue = RowStorage(columns: keyValueWidth)
    raw = keeps ? (KeptRows(of: query), KeptRows(of: keyValue)) : nil
    values = RowStorage(columns: width)
    attended = keeps && shape.hasGate ? RowStorage(columns: width) : nil
    roundedValues = RowBuffer(rowFormat, columns: width, rows: 0)
    var none: UnsafeRawPointer?
    workers = (0..<workerCount).map { _ in
      AttentionScratch(
        rows: GroupedAttentionLayer.tokenTile * shape.queriesPerKey,
        cache: cache.heads(&none, keyHead: 0, dims: shape.headDims))
    }
  }

  func reserve(rows: Int) {
    query.reserve(rows: rows)
    keyValue.reserve(rows: rows)
    values.reserve(rows: rows)
    attended?.reserve(rows: rows)
    raw?.query.reserve(rows: rows)
    raw?.keyValue.reserve(rows: rows)
    roundedValues = roundedValues.reserving(rows: rows)
  }

  /// Values as they enter the output's product, rounded before.
  func valueRows(_ rows: Int) -> Rows { roundedValues.rows(of: values(rows)) }
}
