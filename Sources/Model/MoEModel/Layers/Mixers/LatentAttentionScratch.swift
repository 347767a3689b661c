import Kernels
import Tensors

/// Memory between the stages of latent attention, for layers of one shape.
final class LatentAttentionScratch {
  /// `[rows, heads · (nope + rotary)]`
  let query: RowStorage<Float>
  /// `[rows, query's rank]`
  let queryLatent: RowStorage<Float>
  /// `[rows, latent + rotary]`
  let keyValue: RowStorage<Float>
  /// `[rows, heads · (latent + rotary)]`
  let absorbed: RowStorage<Float>
  /// `[rows, heads · latent]`
  let attended: RowStorage<Float>
  /// `[rows, heads of all ranks · value]`
  let values: RowStorage<Float>
  /// Latents before their norms, where they are kept.
  let raw: (queryLatent: KeptRows, keyValue: KeptRows)?
  private let headCount: Int
  private(set) var roundedQueryLatent: RowBuffer
  /// Of the part of each head's query that meets latents, `[rows · heads, nope]`.
  private(set) var roundedQuery: RowBuffer
  /// `[rows · heads, latent]`
  private(set) var roundedAttended: RowBuffer
  private(set) var roundedValues: RowBuffer
  let workers: [AttentionScratch]

  /// `keeps`: all of it is still there after a forward pass, latents before their norms too. `allHeads`: those of all
  /// ranks, where the heads of `shape` are not all.
  init(
    _ shape: LatentAttention, allHeads: Int? = nil, cache: LayerCache, rowFormat: RowFormat, workerCount: Int,
    keeps: Bool = false
  ) {
    let allHeads = allHeads ?? shape.headCount
    headCount = shape.headCount
    query = RowStorage(columns: headCount * shape.queryDims)
    queryLatent = RowStorage(columns: shape.queryRank ?? 0)
    keyValue = RowStorage(columns: cache.width)
    raw = keeps ? (KeptRows(of: queryLatent), KeptRows(of: keyValue)) : nil
    absorbed = RowStorage(columns: headCount * cache.width)
    attended = RowStorage(columns: headCount * shape.latentRank)
    values = RowStorage(columns: allHeads * shape.valueDims)
    func rounded(_ columns: Int) -> RowBuffer { RowBuffer(rowFormat, columns: columns, rows: 0) }
    roundedQueryLatent = rounded(shape.queryRank ?? 0)
    roundedQuery = rounded(shape.nopeDims)
    roundedAttended = rounded(shape.latentRank)
    roundedValues = rounded(allHeads * shape.valueDims)
    var none: UnsafeRawPointer?
    workers = (0..<workerCount).map { _ in
      AttentionScratch(
        rows: LatentAttentionLayer.tokenTile * shape.headCount, cache: cache.latents(&none, rank: shape.latentRank),
        chooses: shape.indexer != nil)
    }
  }

  func reserve(rows: Int) {
    query.reserve(rows: rows)
    queryLatent.reserve(rows: rows)
    keyValue.reserve(rows: rows)
    absorbed.reserve(rows: rows)
    attended.reserve(rows: rows)
    values.reserve(rows: rows)
    raw?.queryLatent.reserve(rows: rows)
    raw?.keyValue.reserve(rows: rows)
    roundedQueryLatent = roundedQueryLatent.reserving(rows: rows)
    roundedQuery = roundedQuery.reserving(rows: rows * headCount)
    roundedAttended = roundedAttended.reserving(rows: rows * headCount)
    roundedValues = roundedValues.reserving(rows: rows)
  }

  /// Values as they enter the output's product, rounded before.
  func valueRows(_ rows: Int) -> Rows { roundedValues.rows(of: values(rows)) }
}
